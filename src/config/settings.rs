//! `quotad.yaml`: how the sidecar itself runs. A flag beats the environment, which beats the file, which beats the default.

mod file;
mod management;
mod memory;
mod metrics;
mod notifications;
mod storage;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::Bounds;
use crate::notify::Sink;
use crate::storage::Options;

use super::error::ConfigError;
use super::scalar::{Address, Mode, Small, Span};
use super::yaml_position::locate;
use file::RawSocket;

pub use file::SettingsFile;
pub(super) use file::schema;
pub use management::{MANAGEMENT_LISTEN_DEFAULT, Management};
pub use memory::{MemoryRefused, fits_memory, memory_limit};
pub use metrics::{ACCOUNTS_DEFAULT, Metrics, SHOWN_MAX};
pub use storage::{
    DATA_DIR_DEFAULT, FSYNC_INTERVAL_DEFAULT, JOURNAL_BYTES_MAX_DEFAULT, JOURNAL_BYTES_MAX_LEAST,
    RETENTION_DEFAULT, SNAPSHOT_INTERVAL_DEFAULT,
};

/// Where the data plane listens by default.
pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7450));
/// Where the probes listen by default.
pub const PROBES_LISTEN_DEFAULT: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7452));
/// How long requests under way may take after a SIGTERM, by default.
pub const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// The longest that `drain_timeout` may be: Kubernetes waits 30 s unless told otherwise.
pub const DRAIN_TIMEOUT_MAX: Duration = Duration::from_secs(3_600);
/// Data-plane threads at most.
pub const THREADS_MAX: usize = 1_024;
/// Cells, holds, settled ids and usage rows by default.
pub const BOUND_DEFAULT: usize = 1_000_000;
/// Labels by default.
pub const LABELS_DEFAULT: usize = 100_000;
/// Who may open the socket by default: its owner and the group.
pub const SOCKET_MODE_DEFAULT: u32 = 0o660;

/// How the sidecar runs: checked, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the data plane listens; `None` is only on the socket.
    pub listen: Option<SocketAddr>,
    /// The Unix socket of the data plane, if there is one.
    pub socket: Option<SocketSettings>,
    /// Where the probes listen; `None` is nowhere.
    pub probes_listen: Option<SocketAddr>,
    /// Where administrators are answered, and who they are.
    pub management: Management,
    /// The plan file; `None` is the embedded example.
    pub plan: Option<PathBuf>,
    /// Where the books are kept; this process alone uses it.
    pub data_dir: PathBuf,
    /// How the books are kept.
    pub storage: Options,
    /// How long requests under way may take after a SIGTERM.
    pub drain_timeout: Duration,
    /// How much the engine may keep.
    pub bounds: Bounds,
    /// Data-plane threads, at least 1; `None` is one for each core.
    pub threads: Option<usize>,
    /// Who is told of what fires.
    pub sinks: Vec<Sink>,
    /// Which accounts the page of metrics shows.
    pub metrics: Metrics,
}

/// A Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// Where it stands.
    pub path: PathBuf,
    /// The permission bits, such as `0o660`.
    pub mode: u32,
}

/// What flags and environment say, as text; they are checked together with the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--listen`, `QUOTAD_LISTEN`
    pub listen: Option<String>,
    /// `--socket`, `QUOTAD_SOCKET`
    pub socket: Option<String>,
    /// `--socket-mode`, `QUOTAD_SOCKET_MODE`
    pub socket_mode: Option<String>,
    /// `--probes-listen`, `QUOTAD_PROBES_LISTEN`
    pub probes_listen: Option<String>,
    /// `--management-listen`, `QUOTAD_MANAGEMENT_LISTEN`
    pub management_listen: Option<String>,
    /// `--management-tokens-file`, `QUOTAD_MANAGEMENT_TOKENS_FILE`
    pub management_tokens_file: Option<String>,
    /// `--management-open`, `QUOTAD_MANAGEMENT_OPEN`
    pub management_open: Option<String>,
    /// `--plan`, `QUOTAD_PLAN`
    pub plan: Option<String>,
    /// `--data-dir`, `QUOTAD_DATA_DIR`
    pub data_dir: Option<String>,
    /// `--durability`, `QUOTAD_DURABILITY`
    pub durability: Option<String>,
    /// `--snapshot-interval`, `QUOTAD_SNAPSHOT_INTERVAL`
    pub snapshot_interval: Option<String>,
    /// `--fsync-interval`, `QUOTAD_FSYNC_INTERVAL`
    pub fsync_interval: Option<String>,
    /// `--journal-bytes-max`, `QUOTAD_JOURNAL_BYTES_MAX`
    pub journal_bytes_max: Option<String>,
    /// `--retention`, `QUOTAD_RETENTION`
    pub retention: Option<String>,
    /// `--drop-from`. Neither environment nor file have it: it is meant for one start.
    pub drop_from: Option<String>,
    /// `--drain-timeout`, `QUOTAD_DRAIN_TIMEOUT`
    pub drain_timeout: Option<String>,
    /// `--bounds-cells`, `QUOTAD_BOUNDS_CELLS`
    pub bounds_cells: Option<String>,
    /// `--bounds-holds`, `QUOTAD_BOUNDS_HOLDS`
    pub bounds_holds: Option<String>,
    /// `--bounds-settled`, `QUOTAD_BOUNDS_SETTLED`
    pub bounds_settled: Option<String>,
    /// `--bounds-usage-rows`, `QUOTAD_BOUNDS_USAGE_ROWS`
    pub bounds_usage_rows: Option<String>,
    /// `--bounds-labels`, `QUOTAD_BOUNDS_LABELS`
    pub bounds_labels: Option<String>,
    /// `--threads`, `QUOTAD_THREADS`
    pub threads: Option<String>,
    /// `--metrics-accounts`, `QUOTAD_METRICS_ACCOUNTS`
    pub metrics_accounts: Option<String>,
    /// `--metrics-users`, `QUOTAD_METRICS_USERS`
    pub metrics_users: Option<String>,
}

impl Settings {
    /// Puts file and overrides together.
    ///
    /// # Errors
    /// If an override cannot be read, or the whole makes no sense.
    pub fn resolve(file: Option<SettingsFile>, overrides: Overrides) -> Result<Self, ConfigError> {
        let file = file.unwrap_or_else(SettingsFile::absent);
        let (mut raw, folder) = (file.raw, file.folder);
        let probes = raw.probes.take().and_then(|it| it.listen);
        let bounds = raw.bounds.take().unwrap_or_default();
        let mut given = overrides;
        let in_file = notifications::In {
            name: &file.name,
            text: &file.text,
            folder: &folder,
        };
        let sinks = notifications::resolve(raw.notifications.take(), &in_file)?;
        let settings = Self {
            data_dir: storage::data_dir(&mut given, &mut raw, &folder),
            metrics: metrics::resolve(&mut given, raw.metrics.take())?,
            management: management::resolve(&mut given, raw.management.take(), &folder)?,
            storage: storage::options(&mut given, &raw)?,
            listen: read::<Address>("listen", given.listen)?
                .or(raw.listen)
                .map_or(Some(LISTEN_DEFAULT), |it| it.0),
            socket: socket(given.socket, given.socket_mode, raw.socket, &folder)?,
            probes_listen: read::<Address>("probes-listen", given.probes_listen)?
                .or(probes)
                .map_or(Some(PROBES_LISTEN_DEFAULT), |it| it.0),
            plan: given
                .plan
                .map(PathBuf::from)
                .or(raw.plan.map(|path| folder.join(path))),
            drain_timeout: read::<Span>("drain-timeout", given.drain_timeout)?
                .or(raw.drain_timeout)
                .map_or(DRAIN_TIMEOUT_DEFAULT, |it| it.0),
            bounds: Bounds {
                cells: bound("bounds-cells", given.bounds_cells, bounds.cells)?,
                holds: bound("bounds-holds", given.bounds_holds, bounds.holds)?,
                settled: bound("bounds-settled", given.bounds_settled, bounds.settled)?,
                usage_rows: bound(
                    "bounds-usage-rows",
                    given.bounds_usage_rows,
                    bounds.usage_rows,
                )?,
                labels: read::<Small>("bounds-labels", given.bounds_labels)?
                    .or(bounds.labels)
                    .map_or(LABELS_DEFAULT, size),
            },
            threads: read::<Small>("threads", given.threads)?
                .or(raw.threads)
                .map(size),
            sinks,
        };
        settings.check().map_err(|(key, problem)| {
            let segments: Vec<_> = key.split('.').collect();
            let position = locate(&file.text, &segments);
            ConfigError::in_text(
                &file.name,
                &file.text,
                [(position, format!("{key}: {problem}"))],
            )
        })?;
        Ok(settings)
    }

    /// What makes no sense as a whole: the key, and what to do.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let Bounds {
            cells,
            holds,
            settled,
            usage_rows,
            labels,
        } = self.bounds;
        for (key, bound) in [
            ("bounds.cells", cells),
            ("bounds.holds", holds),
            ("bounds.settled", settled),
            ("bounds.usage_rows", usage_rows),
            ("bounds.labels", labels),
        ] {
            if bound == 0 {
                return Err((
                    key,
                    "0 would refuse everything; choose at least 1".to_owned(),
                ));
            }
        }
        if self.listen.is_none() && self.socket.is_none() {
            return Err((
                "listen",
                "nobody could call, for there is no socket either; give one of them".to_owned(),
            ));
        }
        if self
            .listen
            .is_some_and(|it| it.port() != 0 && Some(it) == self.probes_listen)
        {
            return Err((
                "listen",
                "the probes listen there; choose another port for one of them".to_owned(),
            ));
        }
        let others = [
            ("the data plane listens", self.listen),
            ("the probes listen", self.probes_listen),
        ];
        management::check(&self.management, &others)?;
        metrics::check(&self.metrics)?;
        if self.drain_timeout > DRAIN_TIMEOUT_MAX {
            return Err((
                "drain_timeout",
                "longer than 1 h; choose a shorter one".to_owned(),
            ));
        }
        if self
            .threads
            .is_some_and(|count| count == 0 || count > THREADS_MAX)
        {
            return Err((
                "threads",
                format!("out of range; choose 1 to {THREADS_MAX}"),
            ));
        }
        storage::check(&self.data_dir, &self.storage)
    }
}

fn socket(
    path: Option<String>,
    mode: Option<String>,
    in_file: Option<RawSocket>,
    folder: &Path,
) -> Result<Option<SocketSettings>, ConfigError> {
    let mode_in_file = in_file.as_ref().and_then(|it| it.mode);
    let path_in_file = in_file.map(|it| folder.join(it.path));
    let mode = read::<Mode>("socket-mode", mode)?;
    match path.map(PathBuf::from).or(path_in_file) {
        Some(path) => {
            let mode = mode.or(mode_in_file).map_or(SOCKET_MODE_DEFAULT, |it| it.0);
            Ok(Some(SocketSettings { path, mode }))
        }
        None if mode.is_some() => Err(ConfigError::of_file(
            "--socket-mode",
            "there is no socket; give --socket too",
        )),
        None => Ok(None),
    }
}

fn bound(flag: &str, text: Option<String>, in_file: Option<Small>) -> Result<usize, ConfigError> {
    Ok(read::<Small>(flag, text)?
        .or(in_file)
        .map_or(BOUND_DEFAULT, size))
}

fn size(Small(number): Small) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Reads what a flag or its environment variable says.
fn read<T: TryFrom<String, Error = String>>(
    flag: &str,
    text: Option<String>,
) -> Result<Option<T>, ConfigError> {
    text.map(T::try_from).transpose().map_err(|problem| {
        let variable = flag.to_uppercase().replace('-', "_");
        ConfigError::of_file(&format!("--{flag} (or QUOTAD_{variable})"), problem)
    })
}

#[cfg(test)]
mod tests;
