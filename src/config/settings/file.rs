//! `quotad.yaml` as it is typed.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
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

/// How the sidecar itself runs. Paths are relative to this file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSettings {
    /// Where the data plane listens, `none` for nowhere. Default: 127.0.0.1:7450.
    pub(super) listen: Option<Address>,
    /// A Unix socket for the data plane.
    pub(super) socket: Option<RawSocket>,
    /// Where probes are answered.
    pub(super) probes: Option<RawProbes>,
    /// Where administrators are answered, and who they are.
    pub(super) management: Option<RawManagement>,
    /// The plan file; a change of it applies at once. Default: the plan that applied last, or a built-in example.
    pub(super) plan: Option<PathBuf>,
    /// Where the books are kept; no other quotad may use it. Default: ./quotad-data in the working directory.
    pub(super) data_dir: Option<PathBuf>,
    /// What an acknowledged request survives. Default: process.
    pub(super) durability: Option<Durable>,
    /// How often a snapshot is taken while something happens, 1s to 1d. Default: 60s.
    pub(super) snapshot_interval: Option<Span>,
    /// What a loss of power may cost at most in the mode `process`, 1ms to 1m. Default: 100ms.
    pub(super) fsync_interval: Option<Span>,
    /// What the journal may take on the disk since the newest snapshot, 4MiB to 1024GiB. Default: 256MiB.
    pub(super) journal_bytes_max: Option<Bytes>,
    /// How long usage, closed cycles, events and the audit are kept. Default: 395d.
    pub(super) retention: Option<Span>,
    /// How long requests under way may take after SIGTERM, at most 1h. Default: 5s.
    pub(super) drain_timeout: Option<Span>,
    /// How much is kept.
    pub(super) bounds: Option<RawBounds>,
    /// Data-plane threads, 1 to 1,024. Default: one for each core.
    #[schemars(extend("minimum" = 1, "maximum" = 1024))]
    pub(super) threads: Option<Small>,
    /// Where notifications are sent to.
    pub(super) notifications: Option<RawNotifications>,
    /// Which accounts the page of metrics shows.
    pub(super) metrics: Option<RawMetrics>,
}

/// Which accounts the page of metrics shows: the first by name. What is beyond is counted there as folded.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMetrics {
    /// Organizations, pools and environments, all together, at most 10,000. Default: 1000.
    #[schemars(extend("maximum" = 10_000))]
    pub(super) accounts: Option<Small>,
    /// Users, all together, at most 10,000; their names may be personal. Default: 0.
    #[schemars(extend("maximum" = 10_000))]
    pub(super) users: Option<Small>,
}

/// Who is told of what happens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotifications {
    /// The sinks, at most 64. Default: the log of the process.
    pub(super) sinks: Option<Vec<RawSink>>,
}

/// A Unix socket.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSocket {
    /// Where it stands.
    pub(super) path: PathBuf,
    /// Who may open it, in octal. Default: "0660".
    pub(super) mode: Option<Mode>,
}

/// Probes: health, readiness.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProbes {
    /// Where they are answered, `none` for nowhere. Default: 127.0.0.1:7452.
    pub(super) listen: Option<Address>,
}

/// Administration.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawManagement {
    /// Where administrators are answered, `none` for nowhere. Default: 127.0.0.1:7451.
    pub(super) listen: Option<Address>,
    /// Who they are: a file of tokens with names and roles. Without it whoever reaches the address may read.
    pub(super) tokens_file: Option<PathBuf>,
    /// Whether whoever reaches the address may change everything; on a loopback address without tokens only. Default: false.
    pub(super) open: Option<Truth>,
}

/// How much is kept; what does not fit is answered RESOURCE_LIMIT.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBounds {
    /// Cells: a user in an environment. Default: 1000000.
    pub(super) cells: Option<Small>,
    /// Open reservations. Default: 1000000.
    pub(super) holds: Option<Small>,
    /// Settled ids that are remembered. Default: 1000000.
    pub(super) settled: Option<Small>,
    /// Rows of usage that are not in a file yet. Default: 1000000.
    pub(super) usage_rows: Option<Small>,
    /// Products, models and operations of a cycle that are told apart. Default: 100000.
    pub(super) labels: Option<Small>,
}

/// The JSON Schema of the file.
pub(in super::super) fn schema(generator: SchemaGenerator) -> Schema {
    generator.into_root_schema_for::<RawSettings>()
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
