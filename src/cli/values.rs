//! Values that administrators type and read: overage, thresholds, moments, spans, ids of requests.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::config::units;
use crate::rpc::pb;

use super::client::ClientError;
use super::request::IdText;

/// What happens at a user's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LimitType {
    /// The user is blocked.
    Hard,
    /// The user is warned, and goes on from the pool.
    Soft,
}

impl LimitType {
    /// As the wire has it.
    pub(super) fn wire(self) -> pb::LimitType {
        match self {
            Self::Hard => pb::LimitType::Hard,
            Self::Soft => pb::LimitType::Soft,
        }
    }
}

/// A limit's type as it is written.
pub(super) fn limit_type(kind: pb::LimitType) -> &'static str {
    match kind {
        pb::LimitType::Soft => "soft",
        pb::LimitType::Hard | pb::LimitType::Unspecified => "hard",
    }
}

/// How far a payer may go beyond its base: `hard`, `soft:EXTRA` or `grace:PERCENT`.
pub(super) fn overage(text: &str) -> Result<pb::Overage, String> {
    use pb::overage::Policy;
    let wrong =
        || format!("{text:?} is no overage; write hard, soft:EXTRA (credits) or grace:PERCENT");
    let policy = match text.split_once(':') {
        None if text == "hard" => Policy::Hard(true),
        Some(("soft", extra)) => Policy::SoftExtra(units::whole(extra).map_err(|_| wrong())?),
        Some(("grace", percent)) => {
            Policy::GraceMarginPercent(percent.parse().map_err(|_| wrong())?)
        }
        _ => return Err(wrong()),
    };
    Ok(pb::Overage {
        policy: Some(policy),
    })
}

/// The same as it is printed, and read again by [`overage`].
pub(super) fn overage_text(overage: Option<&pb::Overage>) -> String {
    use pb::overage::Policy;
    match overage.and_then(|it| it.policy.as_ref()) {
        None | Some(Policy::Hard(_)) => "hard".to_owned(),
        Some(Policy::SoftExtra(extra)) => format!("soft:{extra}"),
        Some(Policy::GraceMarginPercent(percent)) => format!("grace:{percent}"),
    }
}

/// Marks in percent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thresholds(pub(super) Vec<u32>);

impl std::str::FromStr for Thresholds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self(Vec::new()));
        }
        let marks: Result<Vec<u32>, _> = text.split(',').map(|mark| mark.trim().parse()).collect();
        marks.map(Self).map_err(|_| {
            format!("{text:?} are no thresholds; write percents, such as 50,80,100, or default")
        })
    }
}

/// A number, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrNone(pub(super) Option<u64>);

impl std::str::FromStr for OrNone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        units::whole(text)
            .map(|number| Self(Some(number)))
            .map_err(|_| format!("{text:?} is no number; write a whole number, or none"))
    }
}

/// A number of credits, such as 1000 or `1_000`.
pub(super) fn credits(text: &str) -> Result<u64, String> {
    units::whole(text)
}

/// A local day, as `2026-01-31`.
pub(super) fn day(text: &str) -> Result<String, String> {
    units::date(text).map(|_| text.to_owned())
}

/// A moment, as `2026-01-05T00:00:00Z`.
pub(super) fn moment(text: &str) -> Result<prost_types::Timestamp, String> {
    let moment = chrono::DateTime::parse_from_rfc3339(text)
        .map_err(|_| format!("{text:?} is no instant; write it as 2026-01-05T00:00:00Z"))?;
    Ok(prost_types::Timestamp {
        seconds: moment.timestamp(),
        nanos: i32::try_from(moment.timestamp_subsec_nanos()).unwrap_or(0),
    })
}

/// A span of time, such as `10m`, `1h30m` or `30d`.
pub(super) fn long_span(text: &str) -> Result<prost_types::Duration, String> {
    units::duration(text).map(super::request::wire_span)
}

/// The same as it is printed, and read again by [`long_span`].
pub(super) fn span_text(span: Option<&prost_types::Duration>) -> Value {
    let Some(span) = span else { return Value::Null };
    let mut rest = u64::try_from(span.seconds).unwrap_or(0);
    let millis = span.nanos / 1_000_000;
    let mut text = String::new();
    for (seconds, unit) in [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")] {
        if rest >= seconds {
            text.push_str(&format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    if millis > 0 {
        text.push_str(&format!("{millis}ms"));
    }
    json!(if text.is_empty() { "0s" } else { &text })
}

/// Adds a field to those that a change is about, if it was given.
pub(super) fn put<T>(mask: &mut Vec<String>, field: &str, target: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *target = value;
        mask.push(field.to_owned());
    }
}

/// The fields that a change is about.
pub(super) fn mask(paths: Vec<String>) -> Option<prost_types::FieldMask> {
    (!paths.is_empty()).then_some(prost_types::FieldMask { paths })
}

/// An id that nobody else chooses: a UUID of version 4.
pub(super) fn fresh_id() -> Result<IdText, ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| ClientError::Runtime(std::io::Error::other(error)))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(IdText::new(bytes))
}

/// Names of users: as they were typed, and a line each of a file.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Users {
    /// The users.
    #[arg(value_name = "USER", required_unless_present = "users_file")]
    users: Vec<String>,
    /// A file with a user on each line; `-` reads the standard input.
    #[arg(long, value_name = "FILE")]
    users_file: Option<PathBuf>,
}

impl Users {
    /// All of them, each once.
    pub(super) fn read(self) -> Result<Vec<String>, ClientError> {
        let mut users = self.users;
        if let Some(path) = &self.users_file {
            let text = text_of(path)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            users.extend(lines.map(str::to_owned));
        }
        let mut seen = std::collections::HashSet::new();
        users.retain(|user| seen.insert(user.clone()));
        if users.is_empty() {
            return Err(ClientError::Usage(
                "no user is named; write one on each line of --users-file".to_owned(),
            ));
        }
        Ok(users)
    }
}

/// The text of a file; `-` is the standard input.
pub(super) fn text_of(path: &Path) -> Result<String, ClientError> {
    let read = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin().lock())
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| {
        ClientError::Stopped(format!("{}: cannot be read: {error}", path.display()))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_printed_the_same() {
        for text in ["hard", "soft:10000", "grace:20"] {
            assert_eq!(overage_text(Some(&overage(text).unwrap())), text);
        }
        for text in [
            "",
            "soft",
            "hard:1",
            "grace:-1",
            "soft:x",
            "grace:4294967296",
        ] {
            assert!(overage(text).is_err(), "{text:?}");
        }
        for text in ["0s", "10m", "1h30m", "30d", "1d1h1m1s5ms"] {
            let span = long_span(text).unwrap();
            assert_eq!(span_text(Some(&span)), json!(text));
        }
        assert_eq!(span_text(None), Value::Null);
    }

    #[test]
    fn marks_numbers_and_moments_are_read() {
        assert_eq!("50,80, 100".parse(), Ok(Thresholds(vec![50, 80, 100])));
        assert_eq!("default".parse(), Ok(Thresholds(Vec::new())));
        assert!("".parse::<Thresholds>().is_err());
        assert_eq!("none".parse(), Ok(OrNone(None)));
        assert_eq!("1_000".parse(), Ok(OrNone(Some(1_000))));
        assert!("-1".parse::<OrNone>().is_err());
        assert_eq!(moment("1970-01-01T00:00:01.5Z").unwrap().nanos, 500_000_000);
        assert!(moment("1970-01-01").is_err());
    }

    #[test]
    fn ids_are_random_and_no_uuid_with_a_time() {
        let (one, other) = (fresh_id().unwrap().bytes(), fresh_id().unwrap().bytes());
        assert_ne!(one, other);
        assert_eq!((one[6] >> 4, one[8] >> 6), (4, 2));
    }
}
