//! Arguments that several commands share: who asks, what it costs, which reservation.

use std::time::Duration;

use tonic::{Code, Status};

use crate::rpc::pb;

use super::client::ClientError;

/// Who asks, and for what work.
#[derive(Debug, clap::Args)]
pub(super) struct Who {
    /// The tenant; the plan's `default` unless given.
    #[arg(
        long,
        env = "QUOTAD_ORGANIZATION",
        default_value = "",
        hide_default_value = true
    )]
    organization: String,
    /// Where the work runs; `default` unless given.
    #[arg(
        long,
        env = "QUOTAD_ENVIRONMENT",
        default_value = "",
        hide_default_value = true
    )]
    environment: String,
    /// Who the work is done for.
    #[arg(long, default_value = "", hide_default_value = true)]
    user: String,
}

impl Who {
    /// As the wire has it.
    pub(super) fn subject(self) -> pb::Subject {
        let Self {
            organization,
            environment,
            user,
        } = self;
        pb::Subject {
            organization,
            environment,
            user,
            ..Default::default()
        }
    }
}

/// What work is, for reports.
#[derive(Debug, clap::Args)]
pub(super) struct What {
    /// The product that usage is reported under.
    #[arg(long, default_value = "", hide_default_value = true)]
    product: String,
    /// The model that usage is reported under.
    #[arg(long, default_value = "", hide_default_value = true)]
    model: String,
}

impl What {
    /// Adds it to a subject.
    pub(super) fn of(self, who: Who) -> pb::Subject {
        pb::Subject {
            product: self.product,
            model: self.model,
            ..who.subject()
        }
    }
}

/// What work costs.
#[derive(Debug, clap::Args)]
pub(super) struct HowMuch {
    /// So many credits.
    #[arg(
        long,
        value_name = "N",
        required_unless_present = "operation",
        conflicts_with = "quantity"
    )]
    credits: Option<u64>,
    /// An operation of the rate card: it gives the price, unless credits are given, and the class.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// So much of the operation [default: 1].
    #[arg(long, value_name = "N", requires = "operation")]
    quantity: Option<u64>,
}

impl HowMuch {
    /// As the wire has it.
    pub(super) fn cost(self) -> pb::Cost {
        let Self {
            credits,
            operation,
            quantity,
        } = self;
        let operation = operation.unwrap_or_default();
        match credits {
            Some(credits) => pb::Cost {
                operation,
                amount: Some(pb::cost::Amount::Credits(credits)),
            },
            None => {
                let usage = pb::Usage {
                    operation,
                    quantity: quantity.unwrap_or(1),
                };
                pb::Cost {
                    operation: String::new(),
                    amount: Some(pb::cost::Amount::Usage(usage)),
                }
            }
        }
    }
}

/// The 16 bytes of an id: 32 hexadecimal digits, with or without the hyphens of a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdText([u8; 16]);

impl IdText {
    /// Of these bytes.
    pub(super) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As the wire has it.
    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl std::str::FromStr for IdText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.replace('-', "");
        let whole = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if whole {
            u128::from_str_radix(&digits, 16).ok()
        } else {
            None
        };
        let number = number
            .ok_or("an id is 32 hexadecimal digits, with or without the hyphens of a UUID")?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// An id as it is printed, and read again by [`IdText`].
pub(super) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A failure after which the request may have been done: says how to repeat it so that it is done once.
pub(super) fn repeatable(status: Status, id: IdText) -> ClientError {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
            let message = format!(
                "{}\nIt may have been done all the same: repeat the command with --id {}, then it is done once.",
                status.message(),
                hex(&id.bytes())
            );
            Status::new(status.code(), message).into()
        }
        _ => status.into(),
    }
}

/// A time to live on the command line: a number with a unit.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let unit = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let millis = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_ms));
    match millis {
        Some(millis) if unit_ms > 0 => Ok(Duration::from_millis(millis)),
        _ => Err("write it like 500ms, 30s, 10m or 1h".to_owned()),
    }
}

/// A span as the wire has it.
pub(super) fn wire_span(span: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration {
        seconds,
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_hexadecimal_digits() {
        let id = IdText(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
        for (text, expected) in [
            ("0123456789abcdef0123456789ABCDEF", Some(id)),
            ("01234567-89ab-cdef-0123-456789abcdef", Some(id)),
            ("0123456789abcdef0123456789abcde", None),
            ("+123456789abcdef0123456789abcdef", None),
            ("", None),
            ("é23456789abcdef0123456789abcdef", None),
        ] {
            assert_eq!(text.parse::<IdText>().ok(), expected, "{text:?}");
        }
        assert_eq!(hex(&id.bytes()).parse(), Ok(id));
    }

    #[test]
    fn spans_have_units() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("1h", Some(3_600_000)),
            ("5", None),
            ("s", None),
            ("99999999999999999999h", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(
                span(text).ok(),
                millis.map(Duration::from_millis),
                "{text:?}"
            );
        }
    }
}
