//! YAML as it was typed: values with the line that they stand on, so that a failing step can be found.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

/// A problem, and the line of the scenario file that it is about, from 1 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) problem: String,
}

impl Fault {
    pub(super) fn new(line: usize, problem: impl Into<String>) -> Self {
        Self {
            line,
            problem: problem.into(),
        }
    }
}

/// One value of a scenario file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// From 1 on.
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping, with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Of the key.
    pub(super) line: usize,
    pub(super) value: Node,
}

/// The documents of a file that hold something. Keys that stand twice are refused.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, Fault> {
    let nodes: Vec<Node> = serde_saphyr::from_multiple(text).map_err(|error| {
        let error = error.without_snippet();
        let line = error.location().map_or(1, |location| line(location.line()));
        Fault::new(line, format!("no YAML that is understood here: {error}"))
    })?;
    Ok(nodes
        .into_iter()
        .filter(|node| !matches!(node.kind, Kind::Scalar(Value::Null)))
        .collect())
}

fn line(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self {
            line: line(spanned.referenced.line()),
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping, a list, a text, a number, true, false or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(truth.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(number.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Kind, E> {
        let number =
            serde_json::Number::from_f64(number).ok_or_else(|| E::custom("not a number"))?;
        Ok(Kind::Scalar(Value::Number(number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry {
                line: line(key.referenced.line()),
                key: key.value,
                value,
            });
        }
        Ok(Kind::Map(entries))
    }
}

impl Node {
    /// The plain value, without lines.
    pub(super) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => items.iter().map(Self::to_value).collect(),
            Kind::Map(entries) => {
                let pairs = entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// The line here of each line that the plain value has when it is written as JSON with one entry a line.
    pub(super) fn lines(&self) -> Vec<usize> {
        let mut lines = vec![self.line];
        self.add_lines(&mut lines);
        lines
    }

    fn add_lines(&self, lines: &mut Vec<usize>) {
        let before = lines.len();
        match &self.kind {
            Kind::Scalar(_) => {}
            Kind::List(items) => {
                for item in items {
                    lines.push(item.line);
                    item.add_lines(lines);
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    lines.push(entry.line);
                    entry.value.add_lines(lines);
                }
            }
        }
        if lines.len() > before {
            lines.push(self.line);
        }
    }

    /// The line of what stands at this path of keys and indexes, or of the nearest thing above it.
    pub(super) fn line_of(&self, path: &[String]) -> usize {
        let Some((first, rest)) = path.split_first() else {
            return self.line;
        };
        match &self.kind {
            Kind::Map(entries) => {
                entries
                    .iter()
                    .find(|entry| entry.key == *first)
                    .map_or(self.line, |entry| {
                        if rest.is_empty() {
                            entry.line
                        } else {
                            entry.value.line_of(rest)
                        }
                    })
            }
            Kind::List(items) => first
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index))
                .map_or(self.line, |item| item.line_of(rest)),
            Kind::Scalar(_) => self.line,
        }
    }

    /// The entries of a mapping; `null` is an empty one.
    pub(super) fn entries(&self, what: &str) -> Result<&[Entry], Fault> {
        match &self.kind {
            Kind::Map(entries) => Ok(entries),
            Kind::Scalar(Value::Null) => Ok(&[]),
            _ => Err(self.fault(format!("{what} must be a mapping, such as {{key: value}}"))),
        }
    }

    /// The items of a list.
    pub(super) fn items(&self, what: &str) -> Result<&[Self], Fault> {
        match &self.kind {
            Kind::List(items) => Ok(items),
            _ => Err(self.fault(format!("{what} must be a list"))),
        }
    }

    /// A text; numbers and truth values are read as they would be written.
    pub(super) fn text(&self, what: &str) -> Result<String, Fault> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Ok(text.clone()),
            Kind::Scalar(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
            _ => Err(self.fault(format!("{what} must be a text"))),
        }
    }

    /// A whole number from 0 on.
    pub(super) fn whole(&self, what: &str) -> Result<u64, Fault> {
        match &self.kind {
            Kind::Scalar(Value::Number(number)) => number.as_u64(),
            _ => None,
        }
        .ok_or_else(|| self.fault(format!("{what} must be a whole number from 0 on")))
    }

    /// A whole number with a sign.
    pub(super) fn signed(&self, what: &str) -> Result<i64, Fault> {
        match &self.kind {
            Kind::Scalar(Value::Number(number)) => number.as_i64(),
            _ => None,
        }
        .ok_or_else(|| self.fault(format!("{what} must be a whole number")))
    }

    /// A problem with this value.
    pub(super) fn fault(&self, problem: impl Into<String>) -> Fault {
        Fault::new(self.line, problem)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "# a comment\na: 1\nb:\n  - {c: x}\n  - d: null\n---\n- true\n";

    #[test]
    fn values_keep_the_line_they_stand_on() {
        let documents = documents(TEXT).unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(
            documents[0].to_value(),
            json!({"a": 1, "b": [{"c": "x"}, {"d": null}]})
        );
        for (path, line) in [
            (&["a"][..], 2),
            (&["b", "0", "c"], 4),
            (&["b", "1", "d"], 5),
            (&["b", "1", "e"], 5),
        ] {
            let path: Vec<String> = path.iter().map(|&it| it.to_owned()).collect();
            assert_eq!(documents[0].line_of(&path), line, "{path:?}");
        }
        assert_eq!(documents[1].line, 7);
        let json = format!("{:#}", documents[0].to_value());
        let lines: Vec<(usize, &str)> =
            documents[0].lines().into_iter().zip(json.lines()).collect();
        let expected = [
            (2, "{"),
            (2, "  \"a\": 1,"),
            (3, "  \"b\": ["),
            (4, "    {"),
            (4, "      \"c\": \"x\""),
            (4, "    },"),
            (5, "    {"),
            (5, "      \"d\": null"),
            (5, "    }"),
            (4, "  ]"),
            (2, "}"),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        for (text, line) in [("a: 1\nb: [", 2), ("a: 1\na: 2\n", 2), ("a:\n\tb: 1\n", 2)] {
            let fault = documents(text).unwrap_err();
            assert!(fault.line >= line, "{text:?}: {fault:?}");
        }
    }
}
