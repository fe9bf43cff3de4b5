//! What `quotad.yaml`, flags and environment may and may not say.

#![allow(clippy::unwrap_used)]

use super::*;

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
            plan: None,
            durability: Durability::Memory,
            drain_timeout: Duration::from_secs(5),
            bounds: Bounds {
                cells: 1_000_000,
                holds: 1_000_000,
                settled: 1_000_000
            },
            threads: None,
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
durability: memory
drain_timeout: 2s
bounds: {cells: 10, holds: 20}
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
            settled: 1_000_000
        }
    );
    assert_eq!(settings.threads, Some(3));

    let overrides = Overrides {
        listen: Some("0.0.0.0:1".to_owned()),
        socket: Some("s.sock".to_owned()),
        plan: Some("p.yaml".to_owned()),
        drain_timeout: Some("1m".to_owned()),
        bounds_cells: Some("5".to_owned()),
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
             Known: listen, socket, probes, plan, durability, drain_timeout, bounds, threads",
        ),
        (
            "plan: p.yaml\ndata_dir: ./data",
            "/etc/quotad/quotad.yaml:2:1: the key `data_dir` is not known in this version: \
             it belongs to the journal, and the books are kept in memory only; remove it",
        ),
        (
            "durability: process",
            "/etc/quotad/quotad.yaml:1:13: durability \"process\" needs the journal, which this version does not have yet; \
             write memory, and know that a restart begins with empty books",
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
