//! What administrators' messages share: names, masks, reasons, days and instants.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use prost_types::FieldMask;

use crate::domain::credits::Credits;
use crate::domain::names::Name;
use crate::domain::time::Timestamp;
use crate::engine::order::{Id, WHY_BYTES_MAX};
use crate::rpc::status::Refusal;

/// The fields of a message that may be changed one by one, as they are named in it.
pub type Fields = BTreeSet<&'static str>;

/// A field that is wrong, by its path.
pub fn bad<T>(field: impl Into<String>, problem: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::BadField {
        field: field.into(),
        problem: problem.into(),
    })
}

/// A message that must be there.
pub fn required<'a, T>(field: &str, message: Option<&'a T>) -> Result<&'a T, Refusal> {
    message.map_or_else(|| bad(field, "is missing; give it"), Ok)
}

/// A name; an empty one is `default`.
pub fn or_default<'a>(field: &str, text: &'a str) -> Result<Name<'a>, Refusal> {
    Ok(optional(field, text)?.unwrap_or(Name::DEFAULT))
}

/// A name; an empty one is none.
pub fn optional<'a>(field: &str, text: &'a str) -> Result<Option<Name<'a>>, Refusal> {
    Name::parse_optional(text).or_else(|error| bad(field, error.to_string()))
}

/// A name that must be there.
pub fn name<'a>(field: &str, text: &'a str) -> Result<Name<'a>, Refusal> {
    Name::parse(text).or_else(|error| bad(field, error.to_string()))
}

/// 1 to `most` names.
pub fn names<'a>(field: &str, texts: &'a [String], most: usize) -> Result<Vec<&'a str>, Refusal> {
    if texts.is_empty() || texts.len() > most {
        let count = texts.len();
        return bad(field, format!("has {count} items; give 1 to {most}"));
    }
    let parsed = texts.iter().enumerate().map(|(index, text)| {
        let checked = name(&format!("{field}[{index}]"), text)?;
        Ok(checked.as_str())
    });
    parsed.collect()
}

/// An amount of credits.
pub fn credits(field: &str, amount: u64) -> Result<Credits, Refusal> {
    Credits::new(amount).map_or_else(
        || {
            bad(
                field,
                format!("{amount} is too much; at most 9007199254740991 (2^53 - 1) credits"),
            )
        },
        Ok,
    )
}

/// The reason for a change.
pub fn why(text: &str) -> Result<&str, Refusal> {
    if text.len() > WHY_BYTES_MAX {
        let length = text.len();
        return bad("why", format!("is {length} bytes long; say it in 1,024"));
    }
    Ok(text)
}

/// An id of 16 bytes; empty is none.
pub fn request_id(bytes: &[u8]) -> Result<Option<Id>, Refusal> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match Id::try_from(bytes) {
        Ok(id) => Ok(Some(id)),
        Err(_) => bad(
            "request_id",
            format!("is {} bytes long; give 16, best a UUIDv7", bytes.len()),
        ),
    }
}

/// The etag that a change is based on; empty is none.
pub fn etag(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The fields that a mask names; without a mask, or with `*`, all of them.
pub fn mask(mask: Option<&FieldMask>, known: &[&'static str]) -> Result<Fields, Refusal> {
    let named = mask.map_or(&[][..], |mask| &mask.paths);
    if named.is_empty() || named.iter().any(|path| path == "*") {
        return Ok(known.iter().copied().collect());
    }
    let fields = named.iter().map(|path| {
        let found = known.iter().find(|field| *field == path);
        found.copied().map_or_else(
            || {
                let known = known.join(", ");
                bad(
                    "update_mask",
                    format!("{path:?} cannot be changed by itself; name some of {known}"),
                )
            },
            Ok,
        )
    });
    fields.collect()
}

/// A day, as 2026-01-31; empty is none.
pub fn day(field: &str, text: &str) -> Result<Option<NaiveDate>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    // The parser also takes signs and missing zeros.
    let is_plain = text.len() == 10 && text.starts_with(|first: char| first.is_ascii_digit());
    match parsed.filter(|_| is_plain) {
        Some(day) => Ok(Some(day)),
        None => bad(field, format!("{text:?} is no day; write it as 2026-01-31")),
    }
}

/// An instant.
pub fn instant(field: &str, wire: &prost_types::Timestamp) -> Result<Timestamp, Refusal> {
    let nanos = i64::from(wire.nanos);
    let whole = wire.seconds.checked_mul(1_000_000_000);
    let total = whole.and_then(|whole| whole.checked_add(nanos));
    match total.filter(|_| (0..1_000_000_000).contains(&nanos)) {
        Some(nanos) => Ok(Timestamp::from_nanos(nanos)),
        None => bad(field, "is no instant between the years 1678 and 2262"),
    }
}

/// An enum's value; one of a later version is refused.
pub fn known<E: TryFrom<i32>>(field: &str, value: i32) -> Result<E, Refusal> {
    E::try_from(value).or_else(|_| bad(field, format!("{value} is no value of this version")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn masked(paths: &[&str]) -> Result<Vec<&'static str>, Refusal> {
        let paths = paths.iter().map(|&path| path.to_owned()).collect();
        let fields = mask(Some(&FieldMask { paths }), &["credits", "type"])?;
        Ok(fields.into_iter().collect())
    }

    #[test]
    fn a_mask_names_whole_fields_that_there_are() {
        assert_eq!(masked(&[]).unwrap(), ["credits", "type"]);
        assert_eq!(masked(&["*"]).unwrap(), ["credits", "type"]);
        assert_eq!(masked(&["type", "type"]).unwrap(), ["type"]);
        for wrong in ["Type", "type.x", "", "etag", "limit.type"] {
            assert!(
                matches!(masked(&[wrong]), Err(Refusal::BadField { field, .. }) if field == "update_mask"),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn days_are_written_in_one_way_only() {
        assert_eq!(day("d", "").unwrap(), None);
        assert!(day("d", "2028-02-29").unwrap().is_some());
        for wrong in [
            "2026-02-29",
            "2026-1-31",
            "26-01-31",
            "2026-01-31 ",
            "+026-01-31",
            "today",
        ] {
            assert!(day("d", wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn instants_out_of_range_are_refused() {
        let wire = |seconds, nanos| prost_types::Timestamp { seconds, nanos };
        assert_eq!(instant("t", &wire(-1, 999_999_999)).unwrap().nanos(), -1);
        for wrong in [(i64::MAX, 0), (i64::MIN, 0), (0, -1), (0, 1_000_000_000)] {
            assert!(instant("t", &wire(wrong.0, wrong.1)).is_err(), "{wrong:?}");
        }
    }
}
