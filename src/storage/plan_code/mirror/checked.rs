//! Values whose types cannot say by themselves what they may be. They are checked while the text is read, so that the place
//! of a mistake is told as that of any other.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::credits::Credits;
use crate::domain::plan::{Setting, Thresholds};

/// Credits, as a number.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub(super) struct Amount(pub(super) Credits);

impl TryFrom<u64> for Amount {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        let credits = Credits::new(number);
        let credits = credits.ok_or_else(|| format!("{number} is more than {}", Credits::MAX))?;
        Ok(Self(credits))
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0.get()
    }
}

/// A time zone, as its name.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Zone(pub(super) Tz);

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let zone = name.parse();
        Ok(Self(zone.map_err(|_| format!("{name:?} is no time zone"))?))
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0.name().to_owned()
    }
}

/// A day, as `2026-11-01`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Day(pub(super) NaiveDate);

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let day = text.parse();
        Ok(Self(day.map_err(|_| format!("{text:?} is no day"))?))
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.0.to_string()
    }
}

/// A day of a month, 1 to 31.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(super) struct AnchorDay(pub(super) u8);

impl TryFrom<u8> for AnchorDay {
    type Error = String;

    fn try_from(day: u8) -> Result<Self, String> {
        if (1..=31).contains(&day) {
            Ok(Self(day))
        } else {
            Err(format!("{day} is no day of a month"))
        }
    }
}

impl From<AnchorDay> for u8 {
    fn from(day: AnchorDay) -> Self {
        day.0
    }
}

/// Thresholds, ascending.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub(super) struct Marks(pub(super) Thresholds);

impl TryFrom<Vec<u32>> for Marks {
    type Error = String;

    fn try_from(marks: Vec<u32>) -> Result<Self, String> {
        if marks.is_sorted_by(|a, b| a < b) {
            Ok(Self(Thresholds(marks)))
        } else {
            Err("the marks must ascend, each once".to_owned())
        }
    }
}

impl From<Marks> for Vec<u32> {
    fn from(marks: Marks) -> Self {
        marks.0.0
    }
}

/// A setting, as its key in the plan file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Key(pub(super) Setting);

impl TryFrom<String> for Key {
    type Error = String;

    fn try_from(key: String) -> Result<Self, String> {
        let setting = Setting::of_key(&key);
        Ok(Self(
            setting.ok_or_else(|| format!("{key:?} is no setting"))?,
        ))
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0.key().to_owned()
    }
}
