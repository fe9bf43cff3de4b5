//! Where in a YAML text something stands, so that a rule of the domain can point at the line that broke it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1 on.
    pub line: usize,
    /// In characters, from 1 on.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Position {
    /// The place that the parser names, if it names one.
    pub(super) fn of(location: Location) -> Option<Self> {
        let line = usize::try_from(location.line())
            .ok()
            .filter(|&line| line > 0)?;
        let column = usize::try_from(location.column()).unwrap_or(1).max(1);
        Some(Self { line, column })
    }
}

/// The position of what a path of keys and indexes leads to, or of the last part of it that the text has: a scalar
/// itself, the key of a mapping or a list, an item of a list. `None` if the text is not YAML or has no first part.
pub fn locate<S: AsRef<str>>(text: &str, segments: &[S]) -> Option<Position> {
    Tree::parse(text)?.locate(segments)
}

/// A YAML text as a tree of positions.
pub(super) struct Tree(Node);

struct Node {
    at: Option<Position>,
    content: Content,
}

enum Content {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

struct Entry {
    key: String,
    key_at: Option<Position>,
    value: Node,
}

impl Tree {
    /// Reads a text; `None` if it is not one YAML document.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_saphyr::from_str(text).ok().map(Self)
    }

    pub(super) fn locate<S: AsRef<str>>(&self, segments: &[S]) -> Option<Position> {
        let mut node = &self.0;
        let mut found = None;
        for segment in segments {
            let Some((at, next)) = node.child(segment.as_ref()) else {
                break;
            };
            (found, node) = (at, next);
        }
        found
    }

    /// Calls `visit` with each scalar value (not with keys) and its position.
    pub(super) fn scalars(&self, visit: &mut dyn FnMut(&str, Option<Position>)) {
        self.0.scalars(visit);
    }
}

impl Node {
    fn child(&self, segment: &str) -> Option<(Option<Position>, &Self)> {
        match &self.content {
            Content::Scalar(_) => None,
            Content::List(items) => items
                .get(segment.parse::<usize>().ok()?)
                .map(|item| (item.at, item)),
            Content::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == segment)
                .map(|entry| (entry.at(), &entry.value)),
        }
    }

    fn scalars(&self, visit: &mut dyn FnMut(&str, Option<Position>)) {
        match &self.content {
            Content::Scalar(text) => visit(text, self.at),
            Content::List(items) => items.iter().for_each(|item| item.scalars(visit)),
            Content::Map(entries) => entries.iter().for_each(|entry| entry.value.scalars(visit)),
        }
    }
}

impl Entry {
    /// A scalar is pointed at itself; a mapping or list begins on a later line, so its key is.
    fn at(&self) -> Option<Position> {
        match self.value.content {
            Content::Scalar(_) => self.value.at.or(self.key_at),
            Content::List(_) | Content::Map(_) => self.key_at,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self {
            at: Position::of(spanned.referenced),
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Scalar(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Content, E> {
        Ok(Content::Scalar(String::new()))
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar(String::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Content>>()? {
            let Content::Scalar(text) = key.value else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            entries.push(Entry {
                key: text,
                key_at: Position::of(key.referenced),
                value: map.next_value()?,
            });
        }
        Ok(Content::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
organizations:
  acme:
    grants:
      - {kind: contract, credits: 10000}
      - kind: add_on
        count: 1
    users:
      a.b@x.org:
        limit: 5
      a: {limit: 7}
  1: {}
";

    #[test]
    fn a_path_leads_to_the_scalar_or_to_the_key_of_what_it_names() {
        for (segments, expected) in [
            (&["organizations"][..], Some((1, 1))),
            (&["organizations", "acme"], Some((2, 3))),
            (&["organizations", "acme", "grants", "0"], Some((4, 9))),
            (
                &["organizations", "acme", "grants", "0", "credits"],
                Some((4, 35)),
            ),
            (
                &["organizations", "acme", "grants", "1", "count"],
                Some((6, 16)),
            ),
            (
                &["organizations", "acme", "users", "a.b@x.org", "limit"],
                Some((9, 16)),
            ),
            (
                &["organizations", "acme", "users", "a", "limit"],
                Some((10, 18)),
            ),
            (
                &["organizations", "acme", "users", "a", "type"],
                Some((10, 7)),
            ),
            (&["organizations", "1"], Some((11, 3))),
            (&["nothing"], None),
        ] {
            let found = locate(TEXT, segments).map(|it| (it.line, it.column));
            assert_eq!(found, expected, "{segments:?}");
        }
        assert_eq!(locate("[1", &["x"]), None);
    }
}
