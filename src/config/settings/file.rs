//! `quotad.yaml` as it is typed.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::error::ConfigError;
use super::super::scalar::{Address, Bytes, Durable, Mode, Small, Span, Truth};
use super::super::variables::Variables;
use super::super::yaml;
use super::notifications::RawSink;

/// A `quotad.yaml` that was read; [`Settings::resolve`] makes settings of it.
#[derive(Debug)]
pub struct SettingsFile {
    pub(super) name: String,
    pub(super) text: String,
    /// Paths in the file are relative to this.
    pub(super) folder: PathBuf,
    pub(super) raw: RawSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSettings {
    pub(super) listen: Option<Address>,
    pub(super) socket: Option<RawSocket>,
    pub(super) probes: Option<RawProbes>,
    pub(super) management: Option<RawManagement>,
    pub(super) plan: Option<PathBuf>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) durability: Option<Durable>,
    pub(super) snapshot_interval: Option<Span>,
    pub(super) fsync_interval: Option<Span>,
    pub(super) journal_bytes_max: Option<Bytes>,
    pub(super) retention: Option<Span>,
    pub(super) drain_timeout: Option<Span>,
    pub(super) bounds: Option<RawBounds>,
    pub(super) threads: Option<Small>,
    pub(super) notifications: Option<RawNotifications>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotifications {
    pub(super) sinks: Option<Vec<RawSink>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSocket {
    pub(super) path: PathBuf,
    pub(super) mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProbes {
    pub(super) listen: Option<Address>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawManagement {
    pub(super) listen: Option<Address>,
    pub(super) tokens_file: Option<PathBuf>,
    pub(super) open: Option<Truth>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBounds {
    pub(super) cells: Option<Small>,
    pub(super) holds: Option<Small>,
    pub(super) settled: Option<Small>,
    pub(super) usage_rows: Option<Small>,
    pub(super) labels: Option<Small>,
}

/// Keys of the design that belong to parts which this version does not have.
fn not_yet(key: &str) -> Option<&'static str> {
    match key {
        "drop_from" => Some("it is the flag --drop-from, for one start only"),
        "ledger" => Some("it belongs to the shared ledger, which does not exist yet"),
        _ => None,
    }
}

/// Whether a line may hold a secret, or its key spelled wrongly: then errors do not show it.
fn may_hold_secret(line: &str) -> bool {
    let keys = ["secr", "pass", "webhook", "email", "url", "smtp", "whsec_"];
    keys.iter().any(|key| line.contains(key))
}

impl SettingsFile {
    /// No file: only defaults.
    pub(super) fn absent() -> Self {
        Self {
            name: "quotad".to_owned(),
            text: String::new(),
            folder: PathBuf::new(),
            raw: RawSettings::default(),
        }
    }

    /// Reads a file; `${VAR}` in values stands for this process's environment.
    ///
    /// # Errors
    /// With file, line and column, if it cannot be read or holds what is not known.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            ConfigError::of_file(
                &name,
                format!("cannot be read: {error}; check the path and its rights"),
            )
        })?;
        Self::parse(&text, path, &Variables::of_process())
    }

    /// Reads a text that stands in this file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str, path: &Path, variables: &Variables) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let read = yaml::read(text, &name, variables, not_yet);
        let raw = read.map_err(|error| error.without_lines(may_hold_secret))?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self {
            name,
            text: text.to_owned(),
            folder,
            raw,
        })
    }
}
