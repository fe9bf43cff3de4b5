//! Pages of lists. A page goes on after the last name of the one before, so that what is added or taken away meanwhile moves
//! nothing: each that is there all the time is listed exactly once.

use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;

use crate::rpc::convert::admin::bad;
use crate::rpc::status::Refusal;

/// So many items on a page where nothing is said.
pub(super) const SIZE_DEFAULT: usize = 100;

/// Items on a page at most; who asks for more gets so many.
pub(super) const SIZE_MAX: usize = 1_000;

/// A page ends early at about this size, in bytes: clients read 4 MiB in one message unless told otherwise.
const BYTES_MAX: usize = 2 << 20;

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 4_096;

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Items at most, at least 1.
    pub(super) most: usize,
    /// After this key; `None` from the beginning.
    pub(super) after: Option<String>,
    /// Which list the token is for.
    list: &'static str,
}

impl Asked {
    /// What a request asks for; a token of another list is refused.
    pub(super) fn new(list: &'static str, size: i32, token: &str) -> Result<Self, Refusal> {
        Self::sized(list, size, token, SIZE_DEFAULT, SIZE_MAX)
    }

    /// The same with other sizes.
    pub(super) fn sized(
        list: &'static str,
        size: i32,
        token: &str,
        default: usize,
        max: usize,
    ) -> Result<Self, Refusal> {
        let most = match usize::try_from(size) {
            Ok(0) => default,
            Ok(size) => size.min(max),
            Err(_) => {
                return bad(
                    "page_size",
                    format!("{size} is below 0; give 1 to {max}, or 0"),
                );
            }
        };
        let after = (!token.is_empty()).then(|| read(list, token)).transpose()?;
        Ok(Self { most, after, list })
    }

    /// The token for the page after this key.
    pub(super) fn token(&self, last: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}\0{last}", self.list))
    }

    /// Takes items with their keys until the page is full; answers them with the token of the next page, which is empty after
    /// the last.
    pub(super) fn fill<T: Message>(
        &self,
        items: impl IntoIterator<Item = (String, T)>,
    ) -> (Vec<T>, String) {
        let (mut page, mut bytes, mut last) = (Vec::new(), 0, String::new());
        for (key, item) in items {
            if page.len() >= self.most || bytes > BYTES_MAX {
                return (page, self.token(&last));
            }
            bytes += item.encoded_len();
            page.push(item);
            last = key;
        }
        (page, String::new())
    }

    /// A page of what stands in a map by name.
    pub(super) fn of_map<V, T: Message>(
        &self,
        map: &BTreeMap<Box<str>, V>,
        make: impl Fn(&str) -> Option<T>,
    ) -> (Vec<T>, String) {
        let after = self.after.as_deref();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = map.range::<str, _>((from, Bound::Unbounded));
        self.fill(rest.filter_map(|(name, _)| Some((name.to_string(), make(name)?))))
    }
}

fn read(list: &str, token: &str) -> Result<String, Refusal> {
    let bytes = (token.len() <= TOKEN_BYTES_MAX)
        .then(|| URL_SAFE_NO_PAD.decode(token).ok())
        .flatten();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.as_deref().and_then(|text| text.split_once('\0'));
    match key {
        Some((of, key)) if of == list => Ok(key.to_owned()),
        _ => bad(
            "page_token",
            "is none of this list's; send the next_page_token of the page before, or nothing",
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn map(names: impl IntoIterator<Item = usize>) -> BTreeMap<Box<str>, ()> {
        let named = names
            .into_iter()
            .map(|number| (format!("{number:04}").into(), ()));
        named.collect()
    }

    fn page(map: &BTreeMap<Box<str>, ()>, size: i32, token: &str) -> (Vec<String>, String) {
        Asked::new("List", size, token)
            .unwrap()
            .of_map(map, |name| Some(name.to_owned()))
    }

    #[test]
    fn each_name_is_listed_once_however_the_pages_are_cut() {
        let map = map(0..257);
        for size in [1, 2, 100, 256, 257, 258, 0] {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let (names, next) = page(&map, size, &token);
                seen.extend(names);
                if next.is_empty() {
                    break;
                }
                token = next;
            }
            assert!(
                seen.iter().map(|it| &**it).eq(map.keys().map(|it| &**it)),
                "size {size}"
            );
        }
    }

    #[test]
    fn what_is_added_or_taken_away_meanwhile_moves_nothing() {
        let (first, token) = page(&map([1, 3, 5, 7]), 2, "");
        assert_eq!(first, ["0001", "0003"]);
        // The last one listed is gone, others have come before and after it.
        let (second, next) = page(&map([0, 1, 2, 4, 5, 7]), 10, &token);
        assert_eq!(
            (second.join(" "), next),
            ("0004 0005 0007".to_owned(), String::new())
        );
    }

    #[test]
    fn sizes_and_tokens_are_bounded() {
        assert_eq!(Asked::new("List", 0, "").unwrap().most, 100);
        assert_eq!(Asked::new("List", i32::MAX, "").unwrap().most, 1_000);
        assert!(Asked::new("List", -1, "").is_err());
        let token = Asked::new("Other", 1, "").unwrap().token("x");
        let long = "A".repeat(5_000);
        for wrong in ["x", "???", &token, &long] {
            assert!(Asked::new("List", 1, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_page_ends_early_where_it_gets_too_large_for_a_message() {
        let asked = Asked::new("List", 1_000, "").unwrap();
        let items = (0..1_000).map(|number| (number.to_string(), "x".repeat(10_000)));
        let (page, next) = asked.fill(items);
        assert!((200..220).contains(&page.len()), "{}", page.len());
        assert_eq!(read("List", &next).unwrap(), (page.len() - 1).to_string());
    }
}
