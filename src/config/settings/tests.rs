//! What `quotad.yaml`, flags and environment may and may not say.

#![allow(clippy::unwrap_used)]

use super::super::variables::Variables;
use super::*;
use crate::storage::Durability;

fn parse(text: &str) -> Result<SettingsFile, ConfigError> {
    let variables: Variables = [("PORT".to_owned(), "9000".to_owned())]
        .into_iter()
        .collect();
    SettingsFile::parse(text, Path::new("/etc/quotad/quotad.yaml"), &variables)
}

fn resolve(text: &str, overrides: Overrides) -> Result<Settings, ConfigError> {
    Settings::resolve(Some(parse(text)?), overrides)
}

fn first_line<T>(result: Result<T, ConfigError>) -> String {
    let shown = result.err().map(|it| it.to_string()).unwrap_or_default();
    shown.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn without_a_file_the_defaults_hold() {
    let settings = Settings::resolve(None, Overrides::default()).unwrap();
    assert_eq!(
        settings,
        Settings {
            listen: "127.0.0.1:7450".parse().ok(),
            socket: None,
            probes_listen: "127.0.0.1:7452".parse().ok(),
            management: Management {
                listen: "127.0.0.1:7451".parse().ok(),
                tokens_file: None,
                open: false,
            },
            plan: None,
            data_dir: "quotad-data".into(),
            storage: Options {
                durability: Durability::Process,
                snapshot_interval: Duration::from_secs(60),
                fsync_interval: Duration::from_millis(100),
                journal_bytes_max: 256 * 1024 * 1024,
                retention: Duration::from_secs(395 * 86_400),
                drop_from: None,
            },
            drain_timeout: Duration::from_secs(5),
            bounds: Bounds {
                cells: 1_000_000,
                holds: 1_000_000,
                settled: 1_000_000,
                usage_rows: 1_000_000,
                labels: 100_000,
            },
            threads: None,
            sinks: vec![Sink {
                name: "log".into(),
                target: crate::notify::Target::Log,
            }],
            metrics: Metrics {
                accounts: 1_000,
                users: 0,
            },
        }
    );
}

#[test]
fn a_flag_beats_the_file_which_beats_the_default() {
    let text = "\
listen: 127.0.0.1:${PORT}
socket: {path: \"run/${SOCK:-quotad}.sock\", mode: \"0600\"}
probes: {listen: none}
plan: plans/plan.yaml
data_dir: books
durability: memory
snapshot_interval: 5m
fsync_interval: 1s
journal_bytes_max: 8MiB
retention: 30d
drain_timeout: 2s
bounds: {cells: 10, holds: 20, usage_rows: 7}
threads: 3
";
    let settings = resolve(text, Overrides::default()).unwrap();
    assert_eq!(settings.listen, "127.0.0.1:9000".parse().ok());
    let socket = SocketSettings {
        path: "/etc/quotad/run/quotad.sock".into(),
        mode: 0o600,
    };
    assert_eq!(settings.socket, Some(socket));
    assert_eq!(settings.probes_listen, None);
    assert_eq!(settings.plan, Some("/etc/quotad/plans/plan.yaml".into()));
    assert_eq!(settings.drain_timeout, Duration::from_secs(2));
    assert_eq!(
        settings.bounds,
        Bounds {
            cells: 10,
            holds: 20,
            settled: 1_000_000,
            usage_rows: 7,
            labels: 100_000,
        }
    );
    assert_eq!(settings.threads, Some(3));
    assert_eq!(settings.data_dir, Path::new("/etc/quotad/books"));
    let from_file = Options {
        durability: Durability::Memory,
        snapshot_interval: Duration::from_secs(300),
        fsync_interval: Duration::from_secs(1),
        journal_bytes_max: 8 * 1024 * 1024,
        retention: Duration::from_secs(30 * 86_400),
        drop_from: None,
    };
    assert_eq!(settings.storage, from_file);

    let overrides = Overrides {
        listen: Some("0.0.0.0:1".to_owned()),
        socket: Some("s.sock".to_owned()),
        plan: Some("p.yaml".to_owned()),
        drain_timeout: Some("1m".to_owned()),
        bounds_cells: Some("5".to_owned()),
        data_dir: Some("here".to_owned()),
        durability: Some("power".to_owned()),
        snapshot_interval: Some("1h".to_owned()),
        fsync_interval: Some("5ms".to_owned()),
        journal_bytes_max: Some("1GiB".to_owned()),
        drop_from: Some("4711".to_owned()),
        retention: Some("400d".to_owned()),
        bounds_labels: Some("9".to_owned()),
        ..Overrides::default()
    };
    let settings = resolve(text, overrides).unwrap();
    assert_eq!(settings.listen, "0.0.0.0:1".parse().ok());
    assert_eq!(
        settings.socket,
        Some(SocketSettings {
            path: "s.sock".into(),
            mode: 0o600
        })
    );
    assert_eq!(settings.plan, Some("p.yaml".into()));
    assert_eq!(settings.drain_timeout, Duration::from_secs(60));
    assert_eq!(settings.bounds.cells, 5);
    assert_eq!(settings.bounds.labels, 9);
    assert_eq!(settings.data_dir, Path::new("here"));
    let from_flags = Options {
        durability: Durability::Power,
        snapshot_interval: Duration::from_secs(3_600),
        fsync_interval: Duration::from_millis(5),
        journal_bytes_max: 1024 * 1024 * 1024,
        retention: Duration::from_secs(400 * 86_400),
        drop_from: Some(4_711),
    };
    assert_eq!(settings.storage, from_flags);
}

#[test]
fn what_the_file_may_not_say() {
    for (text, expected) in [
        (
            "",
            "/etc/quotad/quotad.yaml: the file is empty; write at least one key, or remove the file",
        ),
        (
            "listn: 127.0.0.1:1",
            "/etc/quotad/quotad.yaml:1:1: the key `listn` is not known here; did you mean `listen`? \
             Known: listen, socket, probes, management, plan, data_dir, durability, snapshot_interval, fsync_interval, \
              journal_bytes_max, retention, drain_timeout, bounds, threads, notifications, metrics",
        ),
        (
            "plan: p.yaml\nretention: 1h",
            "/etc/quotad/quotad.yaml:2:12: retention: out of range; choose 1d to 36525d",
        ),
        (
            "durability: disk",
            "/etc/quotad/quotad.yaml:1:13: \"disk\" is no mode of durability; write memory, process or power",
        ),
        (
            "data_dir: \"\"",
            "/etc/quotad/quotad.yaml:1:11: data_dir: names no directory; write one, such as ./quotad-data",
        ),
        (
            "snapshot_interval: 10ms",
            "/etc/quotad/quotad.yaml:1:20: snapshot_interval: out of range; choose 1s to 1d",
        ),
        (
            "fsync_interval: 0s",
            "/etc/quotad/quotad.yaml:1:17: fsync_interval: out of range; choose 1ms to 1m, or durability power, \
             which syncs before it answers",
        ),
        (
            "journal_bytes_max: 256MB",
            "/etc/quotad/quotad.yaml:1:20: \"256MB\" is no size; write a whole number and KiB, MiB or GiB, such as 256MiB",
        ),
        (
            "journal_bytes_max: 64KiB",
            "/etc/quotad/quotad.yaml:1:20: journal_bytes_max: out of range; choose 4MiB to 1024GiB",
        ),
        (
            "drop_from: 5",
            "/etc/quotad/quotad.yaml:1:1: the key `drop_from` is not known in this version: \
             it is the flag --drop-from, for one start only; remove it",
        ),
        (
            "listen: localhost",
            "/etc/quotad/quotad.yaml:1:9: \"localhost\" is no address; write an IP address and a port, \
             such as 127.0.0.1:7450, or none",
        ),
        (
            "socket: {path: x, mode: rw}",
            "/etc/quotad/quotad.yaml:1:25: \"rw\" are no permission bits; write octal digits, such as \"0660\"",
        ),
        (
            "plan: ${NO_SUCH}",
            "/etc/quotad/quotad.yaml:1:7: the environment variable NO_SUCH is not set; set it, or write ${NO_SUCH:-default}",
        ),
        (
            "bounds: {cells: 0}",
            "/etc/quotad/quotad.yaml:1:17: bounds.cells: 0 would refuse everything; choose at least 1",
        ),
        (
            "metrics: {users: 10001}",
            "/etc/quotad/quotad.yaml:1:18: metrics.users: a page with 10001 of them would be too large to scrape; \
             choose at most 10000",
        ),
        (
            "threads: 0",
            "/etc/quotad/quotad.yaml:1:10: threads: out of range; choose 1 to 1024",
        ),
        (
            "drain_timeout: 2h",
            "/etc/quotad/quotad.yaml:1:16: drain_timeout: longer than 1 h; choose a shorter one",
        ),
        (
            "listen: none",
            "/etc/quotad/quotad.yaml:1:9: listen: nobody could call, for there is no socket either; give one of them",
        ),
        (
            "listen: 127.0.0.1:7452",
            "/etc/quotad/quotad.yaml:1:9: listen: the probes listen there; choose another port for one of them",
        ),
    ] {
        assert_eq!(
            first_line(resolve(text, Overrides::default())),
            expected,
            "{text:?}"
        );
    }
}

#[test]
fn a_wrong_flag_is_named() {
    let overrides = Overrides {
        drain_timeout: Some("5".to_owned()),
        ..Overrides::default()
    };
    assert_eq!(
        first_line(Settings::resolve(None, overrides)),
        "--drain-timeout (or QUOTAD_DRAIN_TIMEOUT): \"5\" is no duration; write a number and ms, s, m, h or d, such as 60s"
    );
}

#[test]
fn what_is_dropped_is_said_by_a_flag_that_is_named() {
    let overrides = Overrides {
        drop_from: Some("all".to_owned()),
        ..Overrides::default()
    };
    assert_eq!(
        first_line(Settings::resolve(None, overrides)),
        "--drop-from: \"all\" is no whole number; write digits only, such as 1000"
    );
}

#[test]
fn management_is_told_apart_from_the_other_listeners_and_by_whom() {
    let text = "management: {listen: 10.0.0.1:7451, tokens_file: tokens.yaml}\n";
    let management = resolve(text, Overrides::default()).unwrap().management;
    assert_eq!(management.listen, "10.0.0.1:7451".parse().ok());
    assert_eq!(
        management.tokens_file,
        Some("/etc/quotad/tokens.yaml".into())
    );
    let given = Overrides {
        management_listen: Some("none".to_owned()),
        management_tokens_file: Some("here.yaml".to_owned()),
        ..Overrides::default()
    };
    let management = resolve(text, given).unwrap().management;
    assert_eq!((management.listen, management.open), (None, false));
    assert_eq!(management.tokens_file, Some("here.yaml".into()));
    let given = Overrides {
        management_open: Some("true".to_owned()),
        ..Overrides::default()
    };
    assert!(Settings::resolve(None, given).unwrap().management.open);
    for (text, expected) in [
        (
            "management: {listen: 0.0.0.0:7451}",
            "/etc/quotad/quotad.yaml:1:22: management.listen: 0.0.0.0:7451 is no loopback address and there are no tokens",
        ),
        (
            "management: {listen: \"[::]:7451\", open: true}",
            "/etc/quotad/quotad.yaml:1:41: management.open: everybody who reaches [::]:7451 could change everything",
        ),
        (
            "management: {tokens_file: t.yaml, open: true}",
            "/etc/quotad/quotad.yaml:1:41: management.open: with tokens, whoever has none may do nothing",
        ),
        (
            "management: {listen: 127.0.0.1:7452}",
            "/etc/quotad/quotad.yaml:1:22: management.listen: the probes listen there too",
        ),
        (
            "management: {listen: 127.0.0.1:7450}",
            "/etc/quotad/quotad.yaml:1:22: management.listen: the data plane listens there too",
        ),
    ] {
        let shown = first_line(resolve(text, Overrides::default()));
        assert!(shown.starts_with(expected), "{shown}");
    }
    for text in [
        "management: {listen: \"[::1]:7451\", open: true}",
        "management: {listen: 127.9.9.9:7451}",
    ] {
        resolve(text, Overrides::default()).unwrap();
    }
}
