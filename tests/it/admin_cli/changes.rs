//! Commands that change something: what is sent, what is printed, how they end.

use quotad::rpc::pb;
use tonic::Status;

use super::fake::Fake;
use super::{json, run};

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    let paths = paths.iter().map(|&path| path.to_owned()).collect();
    Some(prost_types::FieldMask { paths })
}

fn ana(credits: u64) -> pb::Limit {
    pb::Limit {
        organization: "acme".to_owned(),
        user: "ana".to_owned(),
        credits,
        etag: "e1".to_owned(),
        ..Default::default()
    }
}

#[test]
fn a_limit_is_set_with_what_was_given_and_nothing_else() {
    let fake = Fake::start();
    let answer = pb::SetLimitResponse {
        limit: Some(ana(1_500)),
    };
    fake.answers("set_limit", answer);
    let typed =
        "limits set ana --credits 1_500 --type soft --organization acme --etag e0 --why more";
    let (code, text) = run(&fake, &typed.split(' ').collect::<Vec<_>>());
    assert!(
        code == 0 && text.contains("1,500") && text.contains("e1"),
        "{text}"
    );
    let expected = pb::SetLimitRequest {
        limit: Some(pb::Limit {
            organization: "acme".to_owned(),
            user: "ana".to_owned(),
            credits: 1_500,
            r#type: pb::LimitType::Soft.into(),
            ..Default::default()
        }),
        update_mask: mask(&["credits", "type"]),
        etag: "e0".to_owned(),
        why: "more".to_owned(),
    };
    assert_eq!(
        fake.asked_once::<pb::SetLimitRequest>("set_limit"),
        expected
    );
    let (code, text) = run(&fake, &["limits", "set", "ana"]);
    assert!(code == 2 && text.contains("--credits"), "{text}");
    assert!(fake.methods().is_empty());
}

#[test]
fn thresholds_are_set_and_set_back() {
    let fake = Fake::start();
    for (typed, marks) in [("50,80", vec![50, 80]), ("default", vec![])] {
        let answer = pb::SetLimitResponse {
            limit: Some(ana(1)),
        };
        fake.answers("set_limit", answer);
        assert_eq!(
            run(&fake, &["limits", "set", "ana", "--thresholds", typed]).0,
            0
        );
        let request: pb::SetLimitRequest = fake.asked_once("set_limit");
        assert_eq!(request.update_mask, mask(&["thresholds"]));
        assert_eq!(request.limit.unwrap().thresholds, marks);
    }
}

#[test]
fn many_limits_are_one_change() {
    let fake = Fake::start();
    let answer = pb::AssignEqualLimitsResponse {
        limits: vec![ana(500)],
    };
    fake.answers("assign_equal_limits", answer);
    let equal = json(
        &fake,
        &["limits", "equal", "--credits", "500", "ana", "bo", "ana"],
    );
    assert_eq!(equal["limits"][0]["credits"], 500);
    let request: pb::AssignEqualLimitsRequest = fake.asked_once("assign_equal_limits");
    assert_eq!(
        (request.users, request.credits),
        (vec!["ana".to_owned(), "bo".to_owned()], 500)
    );
    assert_eq!(request.r#type, i32::from(pb::LimitType::Hard));

    let folder = tempfile::TempDir::new().unwrap();
    let users = folder.path().join("users.txt");
    std::fs::write(&users, "ana\n\n bo \ncarl\n").unwrap();
    fake.answers(
        "distribute_equally",
        pb::DistributeEquallyResponse { credits: 3_333 },
    );
    let users = users.to_str().unwrap();
    let (code, text) = run(&fake, &["limits", "distribute", "--users-file", users]);
    assert!(code == 0 && text.contains("3,333"), "{text}");
    let request: pb::DistributeEquallyRequest = fake.asked_once("distribute_equally");
    assert_eq!(request.users, ["ana", "bo", "carl"]);
}

#[test]
fn an_allocation_and_a_rate_are_set_and_removed() {
    let fake = Fake::start();
    let production = pb::Allocation {
        environment: "production".to_owned(),
        credits: 6_000,
        overage: Some(pb::Overage {
            policy: Some(pb::overage::Policy::GraceMarginPercent(20)),
        }),
        ..Default::default()
    };
    let answer = pb::SetAllocationResponse {
        allocation: Some(production.clone()),
    };
    fake.answers("set_allocation", answer);
    let typed = [
        "allocations",
        "set",
        "production",
        "--credits",
        "6000",
        "--overage",
        "grace:20",
    ];
    let printed = json(&fake, &typed);
    assert_eq!(
        (&printed["credits"], &printed["overage"]),
        (&6_000.into(), &"grace:20".into())
    );
    let request: pb::SetAllocationRequest = fake.asked_once("set_allocation");
    assert_eq!(request.allocation, Some(production));
    assert_eq!(request.update_mask, mask(&["credits", "overage"]));

    let rate = pb::Rate {
        operation: "chat".to_owned(),
        credits: 3,
        per: 1_000,
        ..Default::default()
    };
    let answer = pb::SetRateResponse {
        rate: Some(rate.clone()),
    };
    fake.answers("set_rate", answer);
    let printed = json(
        &fake,
        &["rates", "set", "chat", "--credits", "3", "--per", "1000"],
    );
    assert_eq!(
        (&printed["per"], &printed["class"]),
        (&1_000.into(), &"run".into())
    );
    let request: pb::SetRateRequest = fake.asked_once("set_rate");
    assert_eq!(
        (request.rate, request.update_mask),
        (Some(rate), mask(&["credits", "per"]))
    );

    for (typed, method) in [
        ("limits remove ana --etag e --why w", "delete_limit"),
        (
            "allocations remove prod --etag e --why w",
            "delete_allocation",
        ),
        ("rates remove chat --etag e --why w", "delete_rate"),
        (
            "organizations delete acme --etag e --why w",
            "delete_organization",
        ),
        ("grants remove --all --etag e --why w", "delete_grants"),
        ("users remove ana --why w", "remove_user"),
    ] {
        let (code, text) = run(&fake, &typed.split(' ').collect::<Vec<_>>());
        assert_eq!(code, 0, "{typed}: {text}");
        assert_eq!(fake.methods().pop(), Some((method, None)), "{typed}");
    }
    let request: pb::DeleteLimitRequest = fake.asked_once("delete_limit");
    assert_eq!((request.etag.as_str(), request.why.as_str()), ("e", "w"));
}

#[test]
fn an_organization_is_read_changed_and_written_with_its_etag() {
    let fake = Fake::start();
    let acme = pb::Organization {
        name: "acme".to_owned(),
        extension: Some(pb::ExtensionTerms {
            credits: 7,
            per_cycle: 5,
            ..Default::default()
        }),
        etag: "e7".to_owned(),
        file_owned: vec!["seats".to_owned()],
        ..Default::default()
    };
    fake.answers(
        "get_organization",
        pb::GetOrganizationResponse {
            organization: Some(acme.clone()),
        },
    );
    fake.answers(
        "set_organization",
        pb::SetOrganizationResponse {
            organization: Some(acme),
        },
    );
    let typed = "organizations set acme --extension-credits 9 --overage soft:10 --seats none --enforcement shadow";
    assert_eq!(run(&fake, &typed.split(' ').collect::<Vec<_>>()).0, 0);
    let request: pb::SetOrganizationRequest = fake.asked_once("set_organization");
    let paths = ["overage", "enforcement", "seats", "extension"];
    assert_eq!(
        (request.update_mask, request.etag.as_str()),
        (mask(&paths), "e7")
    );
    let sent = request.organization.unwrap();
    let terms = sent.extension.unwrap();
    assert_eq!(
        (terms.credits, terms.per_cycle),
        (9, 5),
        "the rest of the terms stays"
    );
    assert!(sent.etag.is_empty() && sent.file_owned.is_empty());

    // One that is not there is added, with its defaults.
    fake.refuses("get_organization", Status::not_found("no"));
    let organization = Some(pb::Organization::default());
    fake.answers(
        "set_organization",
        pb::SetOrganizationResponse { organization },
    );
    assert_eq!(run(&fake, &["organizations", "set", "new"]).0, 0);
    let request: pb::SetOrganizationRequest = fake.asked_once("set_organization");
    assert_eq!((request.update_mask, request.etag.as_str()), (None, ""));
}

fn contract(credits: u64) -> pb::Grant {
    let kind = pb::grant::Kind::Contract(pb::Contract {
        credits,
        rollover: 0,
    });
    pb::Grant {
        kind: Some(kind),
        ..Default::default()
    }
}

fn grants(list: &[u64], etag: &str) -> pb::Grants {
    pb::Grants {
        organization: "acme".to_owned(),
        grants: list.iter().map(|&credits| contract(credits)).collect(),
        etag: etag.to_owned(),
        file_owned: false,
    }
}

fn reads_grants(fake: &Fake, list: &[u64], etag: &str) {
    let grants = Some(grants(list, etag));
    fake.answers("list_grants", pb::ListGrantsResponse { grants });
}

fn writes_grants(fake: &Fake, list: &[u64]) {
    let grants = Some(grants(list, "after"));
    fake.answers("set_grants", pb::SetGrantsResponse { grants });
}

fn credits_sent(request: &pb::SetGrantsRequest) -> Vec<u64> {
    let grants = &request.grants.as_ref().unwrap().grants;
    let credits = |grant: &pb::Grant| match &grant.kind {
        Some(pb::grant::Kind::Contract(it)) => it.credits,
        other => panic!("{other:?}"),
    };
    grants.iter().map(credits).collect()
}

#[test]
fn a_grant_is_added_to_what_somebody_else_has_written_meanwhile() {
    let fake = Fake::start();
    reads_grants(&fake, &[100], "e1");
    fake.refuses("set_grants", Status::aborted("changed"));
    reads_grants(&fake, &[100, 200], "e2");
    writes_grants(&fake, &[100, 200, 300]);
    let typed = [
        "grants",
        "add",
        "kind=contract,credits=300",
        "--organization",
        "acme",
    ];
    let (code, text) = run(&fake, &typed);
    assert!(code == 0 && text.contains("300"), "{text}");
    let requests: Vec<pb::SetGrantsRequest> = fake.asked("set_grants");
    let sent: Vec<_> = requests
        .iter()
        .map(|it| (it.etag.as_str(), credits_sent(it)))
        .collect();
    assert_eq!(sent, [("e1", vec![100, 300]), ("e2", vec![100, 200, 300])]);
}

#[test]
fn the_grant_that_was_meant_is_removed_wherever_it_stands_now() {
    let fake = Fake::start();
    reads_grants(&fake, &[100, 200], "e1");
    fake.refuses("set_grants", Status::aborted("changed"));
    reads_grants(&fake, &[50, 100, 200], "e2");
    writes_grants(&fake, &[50, 100]);
    assert_eq!(run(&fake, &["grants", "remove", "2"]).0, 0);
    let requests: Vec<pb::SetGrantsRequest> = fake.asked("set_grants");
    assert_eq!(credits_sent(&requests[1]), [50, 100]);

    // Nobody else's is removed instead.
    reads_grants(&fake, &[100, 200], "e1");
    fake.refuses("set_grants", Status::aborted("changed"));
    reads_grants(&fake, &[100, 900], "e2");
    let (code, text) = run(&fake, &["grants", "remove", "2"]);
    assert!(
        code == 5 && text.contains("somebody else has removed this grant"),
        "{text}"
    );
    assert_eq!(fake.asked::<pb::SetGrantsRequest>("set_grants").len(), 1);
    reads_grants(&fake, &[100], "e1");
    let (code, text) = run(&fake, &["grants", "remove", "2"]);
    assert!(code == 5 && text.contains("there is no grant 2"), "{text}");
}

#[test]
fn with_an_etag_of_ones_own_nothing_is_tried_again() {
    let fake = Fake::start();
    reads_grants(&fake, &[100], "e1");
    fake.refuses("set_grants", Status::aborted("changed"));
    let (code, text) = run(&fake, &["grants", "remove", "1", "--etag", "mine"]);
    assert!(
        code == 5 && text.contains("ABORTED") && text.contains("Somebody else"),
        "{text}"
    );
    let request: pb::SetGrantsRequest = fake.asked_once("set_grants");
    assert_eq!(request.etag, "mine");
}

#[test]
fn a_request_that_may_have_been_done_says_how_to_repeat_it() {
    let fake = Fake::start();
    for (typed, method) in [
        (&["extension", "--why", "w"][..], "request_extension"),
        (&["trial", "start", "tess"], "start_trial"),
        (&["trial", "renew", "tess"], "renew_trial"),
        (&["adjust", "--credits", "-5", "--why", "w"], "adjust_usage"),
    ] {
        fake.refuses(method, Status::unavailable("draining"));
        let (code, text) = run(&fake, typed);
        let id = text
            .split("--id ")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        assert!(
            code == 4 && text.contains("UNAVAILABLE: draining"),
            "{text}"
        );
        let again = [typed, &["--id", id, "-o", "json"]].concat();
        let (code, text) = run(&fake, &again);
        assert!(code == 0 && text.contains(id), "{text}");
        let ids: Vec<Vec<u8>> = match method {
            "request_extension" => ids(&fake, method, |it: &pb::RequestExtensionRequest| {
                &it.request_id
            }),
            "start_trial" => ids(&fake, method, |it: &pb::StartTrialRequest| &it.request_id),
            "renew_trial" => ids(&fake, method, |it: &pb::RenewTrialRequest| &it.request_id),
            _ => ids(&fake, method, |it: &pb::AdjustUsageRequest| &it.request_id),
        };
        assert!(
            ids.len() == 2 && ids[0] == ids[1] && ids[0].len() == 16,
            "{ids:?}"
        );
    }
}

fn ids<T: Clone + 'static>(fake: &Fake, method: &str, id: impl Fn(&T) -> &Vec<u8>) -> Vec<Vec<u8>> {
    fake.asked::<T>(method)
        .iter()
        .map(|it| id(it).clone())
        .collect()
}

#[test]
fn an_adjustment_is_signed_and_needs_a_reason() {
    let fake = Fake::start();
    let typed = [
        "adjust",
        "--user",
        "ana",
        "--environment",
        "prod",
        "--credits",
        "-200",
        "--why",
        "twice",
    ];
    let (code, text) = run(&fake, &typed);
    assert!(code == 0 && text.contains("-200"), "{text}");
    let request: pb::AdjustUsageRequest = fake.asked_once("adjust_usage");
    assert_eq!((request.credits, request.user.as_str()), (-200, "ana"));
    assert_eq!(
        (request.environment.as_str(), request.why.as_str()),
        ("prod", "twice")
    );
    assert_eq!(run(&fake, &["adjust", "--credits", "5"]).0, 2);
}

#[test]
fn a_reservation_is_released_by_its_id() {
    let fake = Fake::start();
    fake.answers(
        "release_reservation",
        pb::ReleaseReservationResponse { returned: 1_234 },
    );
    let id = "0123456789abcdef0123456789abcdef";
    let (code, text) = run(&fake, &["reservations", "release", id]);
    assert!(code == 0 && text.contains("1,234"), "{text}");
    let request: pb::ReleaseReservationRequest = fake.asked_once("release_reservation");
    assert_eq!(request.reservation_id[..2], [0x01, 0x23]);
}
