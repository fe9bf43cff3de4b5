//! The log of calls, and the name that a caller gives its request.

use serde_json::Value;
use tonic::Request;

use super::Watched;
use crate::rpc::{charge, commit, reserve};

const PLAN: &str = "organizations: {default: {grants: [{kind: contract, credits: 1000}], users: {ana: {limit: 100}}}}\n";

fn named<T>(message: T, name: &'static str) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("x-request-id", name.parse().unwrap());
    request
}

fn lines(watched: &Watched) -> Vec<Value> {
    let log = watched.sidecar.log();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines
        .filter(|line| line["target"] == "quotad::calls")
        .collect()
}

#[tokio::test]
async fn each_call_has_a_line_with_the_name_that_its_caller_gave_it() {
    let watched = Watched::start(PLAN, &["--log", "info,quotad::calls=debug"]);
    let mut client = watched.client().await;
    let granted = client
        .charge(named(charge("ana", 90), "job-17"))
        .await
        .unwrap();
    assert_eq!(granted.metadata().get("x-request-id").unwrap(), "job-17");
    let denied = client
        .charge(named(charge("ana", 90), "job-18"))
        .await
        .unwrap_err();
    assert_eq!(denied.metadata().get("x-request-id").unwrap(), "job-18");
    let unknown = client
        .commit(named(commit(&[7; 16], 1), "job 19"))
        .await
        .unwrap_err();
    let ours = unknown
        .metadata()
        .get("x-request-id")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert_ne!(ours, "job 19");
    client.reserve(reserve("", 1)).await.unwrap();

    let seen: Vec<_> = lines(&watched)
        .into_iter()
        .map(|line| {
            assert_eq!(line["level"], "DEBUG", "{line}");
            assert!(line["duration_us"].is_u64(), "{line}");
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("rpc"), text("request_id"), text("outcome"))
        })
        .collect();
    let expected = [
        ("Charge", "job-17", "OK"),
        ("Charge", "job-18", "QUOTA_EXCEEDED"),
        ("Commit", &ours, "NOT_FOUND"),
    ];
    let expected =
        expected.map(|(rpc, id, outcome)| (rpc.to_owned(), id.to_owned(), outcome.to_owned()));
    assert_eq!(seen[..3], expected);
    assert_eq!((&*seen[3].0, &*seen[3].2), ("Reserve", "OK"));
    assert_ne!(seen[3].1, ours);
    // A denial is an answer: nothing is logged as a warning or an error for it.
    let log = watched.sidecar.log();
    assert!(!log.contains("\"level\":\"ERROR\""), "{log}");
}

#[tokio::test]
async fn nobody_looks_at_a_name_while_calls_are_not_logged() {
    let watched = Watched::start(PLAN, &[]);
    let mut client = watched.client().await;
    let granted = client
        .charge(named(charge("ana", 90), "job-17"))
        .await
        .unwrap();
    assert_eq!(granted.metadata().get("x-request-id"), None);
    assert_eq!(lines(&watched), Vec::<Value>::new());
}
