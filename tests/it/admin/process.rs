//! The whole process: tokens from a file that changes, pages over HTTP/1.1, and a log that knows no token.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use quotad::rpc::pb;
use quotad::rpc::pb::admin_service_client::AdminServiceClient;
use tempfile::TempDir;
use tonic::Code;

use super::{Bearer, channel};
use crate::commands::{QUOTAD, Sidecar, said};

const PLAN: &str = "organizations: {default: {grants: [{kind: contract, credits: 1000}]}}\n";
const OPS: &str = "tops3cret-0123456789-ops";
const EYE: &str = "tops3cret-0123456789-eye";
const NEW: &str = "tops3cret-0123456789-new";

fn tokens(admin: &str) -> String {
    format!(
        "tokens:\n- {{name: ops, role: admin, token: {admin}}}\n- {{name: eye, role: viewer, token: {EYE}}}\n"
    )
}

/// Where management listens, as the log tells.
fn address(sidecar: &Sidecar) -> String {
    let log = sidecar.log();
    let (_, rest) = log.split_once("\"management\":\"").expect(&log);
    rest.split('"').next().unwrap().to_owned()
}

/// Status and text of a page.
fn get(address: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    let bearer = bearer.unwrap_or_default();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{bearer}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

fn set_limit(address: &str, token: &str) -> Code {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let channel = channel(&format!("http://{address}")).await;
        let bearer = Bearer(Some(token.to_owned()));
        let mut client = AdminServiceClient::with_interceptor(channel, bearer);
        let limit = pb::Limit {
            user: "=ana".to_owned(),
            credits: 500,
            ..Default::default()
        };
        let request = pb::SetLimitRequest {
            limit: Some(limit),
            ..Default::default()
        };
        client
            .set_limit(request)
            .await
            .map_or_else(|status| status.code(), |_| Code::Ok)
    })
}

#[test]
fn tokens_are_read_again_pages_are_for_readers_and_the_log_knows_no_token() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tokens.yaml");
    std::fs::write(&file, tokens(OPS)).unwrap();
    let arguments = [
        "--management-listen",
        "127.0.0.1:0",
        "--management-tokens-file",
        file.to_str().unwrap(),
    ];
    let mut sidecar = Sidecar::start_with(Some(PLAN), &arguments);
    let at = address(&sidecar);
    assert_eq!(set_limit(&at, OPS), Code::Ok);
    assert_eq!(set_limit(&at, EYE), Code::PermissionDenied);
    assert_eq!(set_limit(&at, NEW), Code::Unauthenticated);
    let (code, text) = sidecar.run(&["charge", "--user", "=ana", "--credits", "7"]);
    assert_eq!(code, 0, "{text}");

    let csv = "/v1/organizations/default/usage.csv";
    assert_eq!(get(&at, "/", None).0, 200);
    assert_eq!(get(&at, csv, None).0, 401);
    assert_eq!(get(&at, csv, Some(NEW)).0, 401);
    let (status, text) = get(&at, csv, Some(EYE));
    assert_eq!(status, 200, "{text}");
    let names = "day,user,environment,product,model,operation,credits\n";
    assert!(text.contains(names), "{text}");
    assert!(text.contains("'=ana"), "{text}");
    let (_, text) = get(&at, &format!("{csv}?group=user&group=operation"), Some(EYE));
    assert!(
        text.contains("user,operation,credits\n") && text.contains("'=ana,,7\n"),
        "{text}"
    );
    for (query, expected) in [
        ("?x=1", 400),
        ("?from=today", 400),
        ("?from=2026-01-01", 200),
    ] {
        assert_eq!(
            get(&at, &format!("{csv}{query}"), Some(EYE)).0,
            expected,
            "{query}"
        );
    }
    assert_eq!(get(&at, "/v1/organizations/no/usage.csv", Some(EYE)).0, 404);
    assert_eq!(get(&at, "/elsewhere", Some(EYE)).0, 404);

    std::fs::write(
        &file,
        format!("tokens: [{{name: ops, role: root, token: {NEW}}}]\n"),
    )
    .unwrap();
    sidecar.signal("HUP");
    until(&sidecar, "the old tokens stay");
    assert_eq!(set_limit(&at, OPS), Code::Ok);
    std::fs::write(&file, tokens(NEW)).unwrap();
    until(&sidecar, "these tokens count now");
    assert_eq!(set_limit(&at, OPS), Code::Unauthenticated);
    assert_eq!(set_limit(&at, NEW), Code::Ok);
    assert_eq!(sidecar.terminate(), Some(0), "{}", sidecar.log());
    let log = sidecar.log();
    assert!(
        log.contains("everybody on this machine may read the tokens"),
        "{log}"
    );
    assert!(!log.contains("tops3cret"), "{log}");
    for entry in std::fs::read_dir(sidecar.folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let holds = bytes.windows(9).any(|part| part == b"tops3cret");
        assert!(!holds, "{}", path.display());
    }
}

fn until(sidecar: &Sidecar, part: &str) {
    for _ in 0..200 {
        if sidecar.log().contains(part) {
            return;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("never logged {part:?}: {}", sidecar.log());
}

#[test]
fn without_tokens_only_this_machine_reads_and_open_is_said() {
    let sidecar = Sidecar::start_with(Some(PLAN), &["--management-listen", "127.0.0.1:0"]);
    let at = address(&sidecar);
    assert_eq!(set_limit(&at, OPS), Code::Unauthenticated);
    assert_eq!(get(&at, "/v1/organizations/default/usage.csv", None).0, 200);
    let arguments = [
        "--management-listen",
        "127.0.0.1:0",
        "--management-open=true",
    ];
    let sidecar = Sidecar::start_with(Some(PLAN), &arguments);
    assert!(
        sidecar.log().contains("management is open"),
        "{}",
        sidecar.log()
    );
}

#[test]
fn what_would_let_strangers_in_does_not_start() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing.yaml");
    for (arguments, part) in [
        (
            &["--management-listen", "0.0.0.0:0"][..],
            "no loopback address and there are no tokens",
        ),
        (
            &["--management-listen", "0.0.0.0:0", "--management-open"],
            "could change everything",
        ),
        (
            &[
                "--management-listen",
                "127.0.0.1:0",
                "--management-tokens-file",
                missing.to_str().unwrap(),
            ],
            "missing.yaml: cannot be read",
        ),
    ] {
        let mut command = Command::new(QUOTAD);
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--probes-listen",
            "none",
            "--data-dir",
        ]);
        command.arg(folder.path().join("data")).args(arguments);
        let (code, text) = said(&command.output().unwrap());
        assert!(
            code == 1 && text.contains(part),
            "{arguments:?}: {code}, {text}"
        );
    }
}
