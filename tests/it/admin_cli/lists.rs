//! Commands that list: paging, tables, JSON, CSV.

use quotad::rpc::pb;
use tonic::Status;

use super::fake::{Fake, Parts};
use super::{json, run};

fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

#[test]
fn all_pages_are_one_list() {
    let fake = Fake::start();
    for (user, next_page_token) in [("ana", "2"), ("bo", "3"), ("carl", "")] {
        let limit = pb::Limit {
            user: user.to_owned(),
            credits: 1_000_000,
            thresholds: vec![50, 80],
            ..Default::default()
        };
        let answer = pb::ListLimitsResponse {
            limits: vec![limit],
            next_page_token: next_page_token.to_owned(),
        };
        fake.answers("list_limits", answer);
    }
    let (code, text) = run(
        &fake,
        &["limits", "list", "--organization", "acme", "-o", "csv"],
    );
    assert_eq!(
        (code, text.as_str()),
        (
            0,
            "user,credits,type,thresholds,file_owned,organization,etag\n\
             ana,1000000,hard,50 80,false,,\nbo,1000000,hard,50 80,false,,\ncarl,1000000,hard,50 80,false,,\n"
        )
    );
    let requests: Vec<pb::ListLimitsRequest> = fake.asked("list_limits");
    let sent: Vec<_> = requests
        .iter()
        .map(|it| {
            (
                it.organization.as_str(),
                it.page_size,
                it.page_token.as_str(),
            )
        })
        .collect();
    assert_eq!(
        sent,
        [
            ("acme", 1_000, ""),
            ("acme", 1_000, "2"),
            ("acme", 1_000, "3")
        ]
    );
    // A list without an end is refused, not read forever.
    for _ in 0..2 {
        let next_page_token = "same".to_owned();
        fake.answers(
            "list_limits",
            pb::ListLimitsResponse {
                next_page_token,
                ..Default::default()
            },
        );
    }
    let (code, text) = run(&fake, &["limits", "list"]);
    assert!(code == 4 && text.contains("the next page"), "{text}");
}

#[test]
fn lists_are_tables_for_people() {
    let fake = Fake::start();
    let limit = |user: &str, credits| pb::Limit {
        user: user.to_owned(),
        credits,
        ..Default::default()
    };
    let limits = vec![limit("ana", 1_000), limit("bo\u{1b}[2J", 25)];
    fake.answers(
        "list_limits",
        pb::ListLimitsResponse {
            limits,
            ..Default::default()
        },
    );
    let (_, text) = run(&fake, &["limits", "list"]);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            " user         credits  type  thresholds  file owned",
            " ana            1,000  hard  -           no",
            " bo\\u{1b}[2J       25  hard  -           no",
        ]
    );
    let (_, text) = run(&fake, &["rates", "list"]);
    assert_eq!(text, "no rates\n");
    assert_eq!(
        json(&fake, &["rates", "list"]),
        serde_json::json!({"rates": []})
    );
}

#[test]
fn users_are_shown_with_their_seats() {
    let fake = Fake::start();
    let ana = pb::Member {
        user: "ana".to_owned(),
        used: 800,
        limit: Some(1_000),
        limit_type: pb::MemberLimitType::Soft.into(),
        percent: Some(80),
        state: pb::State::Warning.into(),
        ..Default::default()
    };
    let answer = || pb::ListMembersResponse {
        members: vec![ana.clone()],
        seats_used: 1,
        seats: Some(50),
        purchased: 10_000,
        read_time: at(0),
        ..Default::default()
    };
    fake.answers("list_members", answer());
    let (code, text) = run(&fake, &["users"]);
    let figures = [
        "ana",
        "800",
        "1,000",
        "80",
        "soft",
        "WARNING",
        "1 of 50",
        "10,000 purchased",
        "1970-01-01T00:00:00Z",
    ];
    assert!(
        code == 0 && figures.iter().all(|it| text.contains(it)),
        "{text}"
    );
    fake.answers("list_members", answer());
    let printed = json(&fake, &["users", "list", "--organization", "acme"]);
    assert_eq!(
        (&printed["seats"], &printed["users"][0]["type"]),
        (&50.into(), &"soft".into())
    );
    let requests: Vec<pb::ListMembersRequest> = fake.asked("list_members");
    assert_eq!(requests[1].organization, "acme");
}

#[test]
fn balances_reservations_and_grants_are_listed() {
    let fake = Fake::start();
    let pool = pb::Balance {
        account: "pool".to_owned(),
        used: 7_000,
        limit: Some(9_000),
        ..Default::default()
    };
    let balances = vec![pool];
    fake.answers(
        "list_balances",
        pb::ListBalancesResponse {
            balances,
            read_time: at(1),
            ..Default::default()
        },
    );
    let printed = json(&fake, &["balances"]);
    assert_eq!(
        (&printed["balances"][0]["used"], &printed["read"]),
        (&7_000.into(), &"1970-01-01T00:00:01Z".into())
    );

    let hold = pb::OpenReservation {
        id: vec![0xab; 16],
        held: 500,
        subject: Some(pb::Subject {
            user: "ana".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    fake.answers(
        "list_reservations",
        pb::ListReservationsResponse {
            reservations: vec![hold],
            ..Default::default()
        },
    );
    let printed = json(&fake, &["reservations", "list"]);
    assert_eq!(printed["reservations"][0]["reservation"], "ab".repeat(16));

    let kind = pb::grant::Kind::License(pb::License {
        license: "power-automate-premium".to_owned(),
        count: 5,
        purchased: "2025-12-20".to_owned(),
    });
    let grant = pb::Grant {
        kind: Some(kind),
        valid_until: "2026-12-31".to_owned(),
        ..Default::default()
    };
    let grants = pb::Grants {
        grants: vec![grant],
        file_owned: true,
        ..Default::default()
    };
    fake.answers(
        "list_grants",
        pb::ListGrantsResponse {
            grants: Some(grants),
        },
    );
    let (_, text) = run(&fake, &["grants", "list"]);
    assert!(
        text.contains("2026-12-31") && text.contains("only the file changes it"),
        "{text}"
    );
}

#[test]
fn the_audit_is_filtered_and_the_last_so_many() {
    let fake = Fake::start();
    let entry = pb::AuditEntry {
        who: "ops".to_owned(),
        action: "SetLimit".to_owned(),
        why: "a\nb".to_owned(),
        ..Default::default()
    };
    fake.answers(
        "list_audit",
        pb::ListAuditResponse {
            entries: vec![entry; 3],
            next_page_token: "n".to_owned(),
        },
    );
    let typed = "audit --who ops --action SetLimit --organization acme --from 2026-01-01T00:00:00Z --last 2";
    let (code, text) = run(&fake, &typed.split(' ').collect::<Vec<_>>());
    assert!(
        code == 0 && text.matches("SetLimit").count() == 2 && text.contains("a\\nb"),
        "{text}"
    );
    let request: pb::ListAuditRequest = fake.asked_once("list_audit");
    assert_eq!(
        (
            request.who.as_str(),
            request.action.as_str(),
            request.page_size
        ),
        ("ops", "SetLimit", 2)
    );
    assert_eq!(
        (request.from_time, request.to_time),
        (at(1_767_225_600), None)
    );
    assert_eq!(run(&fake, &["audit", "--from", "yesterday"]).0, 2);
}

fn event(sequence: u64) -> pb::Notification {
    let reached = pb::ThresholdReached {
        account: "users/ana".to_owned(),
        percent: 80,
        ..Default::default()
    };
    pb::Notification {
        id: format!("id{sequence}"),
        sequence,
        organization: "acme".to_owned(),
        text: format!("event {sequence}"),
        event: Some(pb::notification::Event::ThresholdReached(reached)),
        ..Default::default()
    }
}

#[test]
fn notifications_are_listed_with_their_figures() {
    let fake = Fake::start();
    let answer = pb::ListNotificationsResponse {
        notifications: vec![event(2), event(1)],
        ..Default::default()
    };
    fake.answers("list_notifications", answer);
    let printed = json(&fake, &["notifications", "list", "--last", "5"]);
    assert_eq!(
        (
            &printed["notifications"][0]["account"],
            &printed["notifications"][1]["id"]
        ),
        (&"users/ana".into(), &"id1".into())
    );
    assert_eq!(
        fake.asked_once::<pb::ListNotificationsRequest>("list_notifications")
            .page_size,
        5
    );

    let sink = pb::Sink {
        name: "ops".to_owned(),
        kind: "webhook".to_owned(),
        waiting: 3,
        ..Default::default()
    };
    fake.answers("list_sinks", pb::ListSinksResponse { sinks: vec![sink] });
    assert_eq!(
        json(&fake, &["notifications", "sinks"])["sinks"][0]["waiting"],
        3
    );
    let letter = pb::DeadLetter {
        sink: "ops".to_owned(),
        notification: Some(event(1)),
        attempts: 9,
        ..Default::default()
    };
    fake.answers(
        "list_dead_letters",
        pb::ListDeadLettersResponse {
            dead_letters: vec![letter],
            ..Default::default()
        },
    );
    assert_eq!(
        json(&fake, &["notifications", "dead", "--sink", "ops"])["dead_letters"][0]["id"],
        "id1"
    );
    assert_eq!(
        fake.asked_once::<pb::ListDeadLettersRequest>("list_dead_letters")
            .sink,
        "ops"
    );
    fake.answers(
        "replay_dead_letters",
        pb::ReplayDeadLettersResponse { replayed: 2 },
    );
    let typed = [
        "notifications",
        "replay",
        "ops",
        "--id",
        "id1",
        "--id",
        "id2",
        "--why",
        "back",
    ];
    assert_eq!(json(&fake, &typed)["replayed"], 2);
    let request: pb::ReplayDeadLettersRequest = fake.asked_once("replay_dead_letters");
    assert_eq!((request.ids.len(), request.why.as_str()), (2, "back"));
}

#[test]
fn a_watch_goes_on_after_the_last_event_that_it_saw() {
    let fake = Fake::start();
    let part = |sequence| {
        Ok(pb::WatchNotificationsResponse {
            notification: Some(event(sequence)),
        })
    };
    let newest = pb::ListNotificationsResponse {
        notifications: vec![event(4)],
        ..Default::default()
    };
    fake.answers("list_notifications", newest);
    let broken: Parts<pb::WatchNotificationsResponse> =
        vec![part(5), Err(Status::unavailable("draining"))];
    fake.answers("watch_notifications", broken);
    let rest: Parts<pb::WatchNotificationsResponse> = vec![part(6), part(7)];
    fake.answers("watch_notifications", rest);
    let (code, text) = run(&fake, &["notifications", "watch", "--count", "3"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        ["event 5", "event 6", "event 7", "waiting for it"]
            .iter()
            .all(|it| text.contains(it)),
        "{text}"
    );
    let requests: Vec<pb::WatchNotificationsRequest> = fake.asked("watch_notifications");
    let after: Vec<_> = requests.iter().map(|it| it.after_id.as_str()).collect();
    assert_eq!(after, ["id4", "id5"]);

    let more: Parts<pb::WatchNotificationsResponse> = vec![part(8)];
    fake.answers("watch_notifications", more);
    let typed = [
        "notifications",
        "watch",
        "--count",
        "1",
        "--after",
        "id7",
        "-o",
        "json",
        "--organization",
        "acme",
    ];
    let (_, text) = run(&fake, &typed);
    let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((text.lines().count(), &line["id"]), (1, &"id8".into()));
    let request: pb::WatchNotificationsRequest = fake.asked_once("watch_notifications");
    assert_eq!(
        (request.after_id.as_str(), request.organization.as_str()),
        ("id7", "acme")
    );
    fake.refuses("watch_notifications", Status::permission_denied("no"));
    assert_eq!(
        run(&fake, &["notifications", "watch", "--after", "id1"]).0,
        5
    );
}

#[test]
fn what_has_no_rows_has_no_csv() {
    let fake = Fake::start();
    for typed in [&["plan"][..], &["notifications", "watch"], &["balance"]] {
        let (code, text) = run(&fake, &[typed, &["-o", "csv"]].concat());
        assert!(code == 2 && text.contains("no CSV"), "{typed:?}: {text}");
    }
    assert!(fake.methods().is_empty());
}
