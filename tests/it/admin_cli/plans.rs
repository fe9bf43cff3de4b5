//! `quotad plan`, `apply` and `estimate`.

use std::io::Write;
use std::process::Stdio;

use quotad::rpc::pb;
use tempfile::TempDir;
use tonic::Status;

use super::fake::Fake;
use super::{command, json, run};
use crate::commands::said;

const PLAN: &str = "organizations: {acme: {grants: [{kind: contract, credits: 10000}], users: {ana: {limit: 2}}}}\n";

struct Folder {
    _folder: TempDir,
    file: String,
}

fn file(text: &str) -> Folder {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("plan.yaml");
    std::fs::write(&file, text).unwrap();
    Folder {
        file: file.to_str().unwrap().to_owned(),
        _folder: folder,
    }
}

fn differs(fake: &Fake) {
    let differences = vec![pb::PlanDifference {
        path: "organizations.acme.users.ana".to_owned(),
        before: "{limit: 1}".to_owned(),
        after: "{limit: 2}".to_owned(),
    }];
    let etag = "before".to_owned();
    fake.answers("apply_plan", pb::ApplyPlanResponse { differences, etag });
}

fn applied(fake: &Fake) {
    let etag = "after".to_owned();
    fake.answers(
        "apply_plan",
        pb::ApplyPlanResponse {
            etag,
            ..Default::default()
        },
    );
}

fn sent(fake: &Fake) -> Vec<(bool, String, String)> {
    let requests: Vec<pb::ApplyPlanRequest> = fake.asked("apply_plan");
    assert!(requests.iter().all(|it| it.plan == PLAN));
    let sent = requests
        .into_iter()
        .map(|it| (it.validate_only, it.etag, it.why));
    sent.collect()
}

#[test]
fn what_was_shown_is_what_is_applied() {
    let fake = Fake::start();
    let plan = file(PLAN);
    differs(&fake);
    applied(&fake);
    let (code, text) = run(&fake, &["apply", &plan.file, "--yes", "--why", "w"]);
    assert_eq!(
        (code, text.as_str()),
        (
            0,
            "~ organizations.acme.users.ana\n    - {limit: 1}\n    + {limit: 2}\n0 added, 1 changed, 0 taken away\nApplied.\n"
        )
    );
    let expected = [(true, "", "w"), (false, "before", "w")];
    let expected = expected.map(|(only, etag, why)| (only, etag.to_owned(), why.to_owned()));
    assert_eq!(sent(&fake), expected);

    differs(&fake);
    fake.refuses("apply_plan", Status::aborted("the plan has changed"));
    let (code, text) = run(&fake, &["apply", &plan.file, "--yes"]);
    assert!(
        code == 5 && text.contains("Somebody else changed it"),
        "{text}"
    );
}

#[test]
fn where_nobody_can_be_asked_it_shows_the_difference_and_applies_nothing() {
    let fake = Fake::start();
    let plan = file(PLAN);
    differs(&fake);
    let (code, text) = run(&fake, &["apply", &plan.file]);
    assert!(
        code == 2 && text.contains("{limit: 2}") && text.contains("--yes"),
        "{text}"
    );
    assert_eq!(sent(&fake).len(), 1);
    differs(&fake);
    let (code, text) = run(&fake, &["apply", &plan.file, "--dry-run"]);
    assert!(
        code == 0 && text.ends_with("Nothing was changed.\n"),
        "{text}"
    );
    assert_eq!(sent(&fake).len(), 1);
}

#[test]
fn the_same_plan_again_changes_nothing_and_says_so() {
    let fake = Fake::start();
    let plan = file(PLAN);
    applied(&fake);
    let (code, text) = run(&fake, &["apply", &plan.file]);
    assert_eq!((code, text.as_str()), (0, "Nothing changes.\n"));
    applied(&fake);
    let printed = json(&fake, &["apply", &plan.file]);
    assert_eq!(
        (&printed["applied"], &printed["differences"]),
        (&false.into(), &serde_json::json!([]))
    );
    sent(&fake);
    differs(&fake);
    applied(&fake);
    let printed = json(&fake, &["apply", &plan.file, "--yes"]);
    assert_eq!(
        (&printed["applied"], &printed["etag"]),
        (&true.into(), &"after".into())
    );
    assert_eq!(printed["differences"][0]["after"], "{limit: 2}");
}

#[test]
fn an_invalid_file_is_shown_at_its_line_and_not_sent() {
    let fake = Fake::start();
    let plan = file("organizations:\n  acme: {grnats: []}\n");
    let (code, text) = run(&fake, &["apply", &plan.file, "--yes"]);
    assert!(
        code == 1 && text.contains("plan.yaml:2:10: ") && text.contains("grants"),
        "{text}"
    );
    assert_eq!(run(&fake, &["apply", "missing.yaml"]).0, 1);
    assert!(fake.methods().is_empty());
}

#[test]
fn a_plan_comes_from_the_standard_input_too() {
    let fake = Fake::start();
    applied(&fake);
    let mut command = command(&fake.url(), &["apply", "-"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process
        .stdin
        .take()
        .unwrap()
        .write_all(PLAN.as_bytes())
        .unwrap();
    let (code, text) = said(&process.wait_with_output().unwrap());
    assert_eq!((code, text.as_str()), (0, "Nothing changes.\n"));
    assert_eq!(sent(&fake).len(), 1);
}

#[test]
fn variables_stand_for_the_environment_of_the_command() {
    let fake = Fake::start();
    let plan = file(
        "organizations: {acme: {grants: [{kind: contract, credits: '${BOUGHT:-5}'}], display_name: \"$$1 ${WHOSE}\"}}\n",
    );
    applied(&fake);
    let mut command = command(&fake.url(), &["apply", &plan.file]);
    let (code, text) = said(
        &command
            .env("BOUGHT", "7")
            .env("WHOSE", "007")
            .output()
            .unwrap(),
    );
    assert_eq!(code, 0, "{text}");
    let request: pb::ApplyPlanRequest = fake.asked_once("apply_plan");
    let sent = quotad::config::plan_file::parse_with(
        &request.plan,
        "sent",
        &quotad::config::Variables::off(),
    )
    .unwrap();
    let acme = &sent.organizations["acme"];
    assert_eq!(&*acme.display_name, "$1 007");
    let expected =
        "organizations: {acme: {grants: [{kind: contract, credits: 7}], display_name: '$1 007'}}";
    let expected = quotad::config::plan_file::parse_with(
        expected,
        "expected",
        &quotad::config::Variables::off(),
    )
    .unwrap();
    assert_eq!(sent, expected);
}

#[test]
fn the_plan_in_force_is_printed_as_a_file() {
    let fake = Fake::start();
    let answer = || pb::GetPlanResponse {
        plan: PLAN.to_owned(),
        etag: "e".to_owned(),
    };
    fake.answers("get_plan", answer());
    assert_eq!(run(&fake, &["plan"]), (0, PLAN.to_owned()));
    fake.answers("get_plan", answer());
    assert_eq!(json(&fake, &["plan"])["etag"], "e");
}

#[test]
fn an_estimate_asks_the_sidecar_unless_there_is_a_plan_file() {
    let fake = Fake::start();
    let answer = pb::EstimateResponse {
        credits: 64_000,
        covered: true,
        spare: 1_000,
        ..Default::default()
    };
    fake.answers("estimate", answer);
    let typed = [
        "estimate",
        "--organization",
        "acme",
        "--quantity",
        "receipt=2000",
    ];
    let (code, text) = run(&fake, &typed);
    assert!(code == 0 && text.contains("64,000"), "{text}");
    let request: pb::EstimateRequest = fake.asked_once("estimate");
    assert_eq!(
        (
            request.organization.as_str(),
            request.quantities[0].quantity
        ),
        ("acme", 2_000)
    );
    let plan = file("organizations: {default: {}}\nrate_card: {receipt: {credits: 32}}\n");
    let (code, text) = run(
        &fake,
        &["estimate", "--plan", &plan.file, "--quantity", "receipt=2"],
    );
    assert!(
        code == 0 && text.contains("64") && fake.methods().is_empty(),
        "{text}"
    );
}
