//! Scalars of the files. Each is read as text and checked here, so that its error stands at the very value and says
//! what to write instead.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Deserialize;

use crate::domain::credits::Credits;
use crate::domain::nearest::nearest;
use crate::domain::time::Timestamp;
use crate::storage::Durability;

use super::units;

/// A scalar that is read as text and checked by a function.
macro_rules! scalar {
    ($(#[$doc:meta])* $name:ident($inner:ty) = $read:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize)]
        #[serde(try_from = "String")]
        pub(super) struct $name(pub(super) $inner);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let read: fn(&str) -> Result<$inner, String> = $read;
                read(&text).map(Self)
            }
        }
    };
}

scalar!(
    /// A number of credits.
    Amount(Credits) = amount
);
scalar!(
    /// A whole number.
    Whole(u64) = units::whole
);
scalar!(
    /// A whole number below 2^32.
    Small(u32) = |text| {
        u32::try_from(units::whole(text)?).map_err(|_| format!("{text} is too large; at most 4,294,967,295 can be written"))
    }
);
scalar!(
    /// `true` or `false`.
    Truth(bool) = |text| text.parse().map_err(|_| format!("{text:?} is neither true nor false; write one of them"))
);
scalar!(
    /// A span of time.
    Span(Duration) = units::duration
);
scalar!(
    /// A day of the calendar.
    Day(NaiveDate) = units::date
);
scalar!(
    /// A moment.
    Instant(Timestamp) = units::instant
);
scalar!(
    /// A time zone.
    Zone(Tz) = zone
);

fn amount(text: &str) -> Result<Credits, String> {
    const RANGE: &str = "write a whole number of credits, 0 to 9,007,199,254,740,991";
    let number =
        units::whole(text).map_err(|_| format!("{text:?} is no number of credits; {RANGE}"))?;
    Credits::new(number)
        .ok_or_else(|| format!("{text} is more than the largest amount there is; {RANGE}"))
}

fn zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| {
        let near = nearest(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint = near.map_or_else(
            || "write it as Europe/Paris".to_owned(),
            |name| format!("did you mean {name}?"),
        );
        format!("{text:?} is no time zone of the IANA database; {hint}")
    })
}
scalar!(
    /// An address with a port, or `none`.
    Address(Option<SocketAddr>) = address
);
scalar!(
    /// Permission bits in octal digits.
    Mode(u32) = mode
);
scalar!(
    /// A number of bytes.
    Bytes(u64) = units::bytes
);
scalar!(
    /// A mode of durability.
    Durable(Durability) = durable
);

fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "none" {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| format!("{text:?} is no address; write an IP address and a port, such as 127.0.0.1:7450, or none"))
}

fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|&mode| mode <= 0o777 && text.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| {
            format!("{text:?} are no permission bits; write octal digits, such as \"0660\"")
        })
}

fn durable(text: &str) -> Result<Durability, String> {
    match text {
        "memory" => Ok(Durability::Memory),
        "process" => Ok(Durability::Process),
        "power" => Ok(Durability::Power),
        _ => Err(format!(
            "{text:?} is no mode of durability; write memory, process or power"
        )),
    }
}
