//! The same cases as in the other languages, against the running binary: QUOTAD=/path/of/quotad cargo test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, SystemTime};

use quotad_client::{Error, OnUnavailable, Quota, Request, pb};
use support::{Lossy, Sidecar};
use tonic::Code;

const CREDITS_MAX: u64 = (1 << 53) - 1;

async fn balance(quota: &Quota, user: &str, environment: &str) -> pb::GetBalanceResponse {
    let subject = pb::Subject {
        user: user.to_owned(),
        environment: environment.to_owned(),
        ..Default::default()
    };
    quota.balance(subject).await.unwrap().unwrap()
}

async fn used_and_held(quota: &Quota, user: &str) -> (u64, u64) {
    let balance = balance(quota, user, "").await.user.unwrap();
    (balance.used, balance.held)
}

async fn charge(quota: &Quota, user: &str, credits: u64) -> pb::ChargeResponse {
    quota
        .charge(Request::credits(credits).user(user))
        .await
        .unwrap()
        .unwrap()
}

/// A charge as it is on the wire.
fn raw_charge(user: &str, environment: &str, credits: u64) -> pb::ChargeRequest {
    pb::ChargeRequest {
        subject: Some(pb::Subject {
            user: user.to_owned(),
            environment: environment.to_owned(),
            ..Default::default()
        }),
        cost: Some(pb::Cost {
            amount: Some(pb::cost::Amount::Credits(credits)),
            ..Default::default()
        }),
        request_id: vec![9; 16],
    }
}

#[tokio::test]
async fn reserve_and_commit() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    let mut hold = quota.reserve(Request::credits(70).user("u")).await.unwrap();
    assert_eq!(hold.granted(), 70);
    let answer = hold.commit(45).await.unwrap().unwrap();
    assert_eq!(
        (
            answer.committed,
            answer.returned,
            answer.overrun,
            answer.late
        ),
        (45, 25, 0, false)
    );
}

#[tokio::test]
async fn leaving_without_commit_releases() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    let hold = quota.reserve(Request::credits(10).user("r")).await.unwrap();
    assert_eq!(used_and_held(&quota, "r").await, (0, 10));
    let id = hold.id().to_vec();
    drop(hold);
    for _ in 0..100 {
        if used_and_held(&quota, "r").await == (0, 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(used_and_held(&quota, "r").await, (0, 0));
    let commit = pb::CommitRequest {
        reservation_id: id,
        actual: Some(pb::commit_request::Actual::Amount(1)),
        ..Default::default()
    };
    let refused = quota.stub.clone().commit(commit).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);

    let hold = quota.reserve(Request::credits(10).user("r")).await.unwrap();
    assert_eq!(hold.release().await.unwrap().unwrap().returned, 10);
    assert_eq!(used_and_held(&quota, "r").await, (0, 0));
}

#[tokio::test]
async fn a_commit_in_quantities_has_the_rate_of_the_reservation() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    let mut hold = quota
        .reserve(Request::usage("receipt", 10).user("q"))
        .await
        .unwrap();
    assert_eq!(hold.granted(), 320);
    assert_eq!(
        hold.commit_quantity(3).await.unwrap().unwrap().committed,
        96
    );
}

#[tokio::test]
async fn extend_adds_credits_once_and_time() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    let request = Request::credits(10).user("e").ttl(Duration::from_secs(30));
    let mut hold = quota.reserve(request).await.unwrap();
    let answer = hold
        .extend(5, Some(Duration::from_secs(60)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(hold.granted(), 15);
    let ends = SystemTime::try_from(answer.reservation.unwrap().expire_time.unwrap()).unwrap();
    assert!(ends.elapsed().unwrap_err().duration() > Duration::from_secs(50));
    for _ in 0..2 {
        let request = pb::ExtendRequest {
            reservation_id: hold.id().to_vec(),
            additional: 15,
            request_id: vec![7; 16],
            ttl: None,
        };
        let answer = quota
            .stub
            .clone()
            .extend(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.reservation.unwrap().granted, 30);
    }
}

#[tokio::test]
async fn the_same_request_is_done_once() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    for _ in 0..3 {
        let answer = quota
            .stub
            .clone()
            .charge(raw_charge("o", "", 5))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.committed, 5);
    }
    assert_eq!(used_and_held(&quota, "o").await, (5, 0));
    let refused = quota
        .stub
        .clone()
        .charge(raw_charge("o", "", 6))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn every_request_has_a_uuidv7_of_its_own() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    let one = quota.reserve(Request::credits(1)).await.unwrap();
    let other = quota.reserve(Request::credits(1)).await.unwrap();
    assert_ne!(one.id(), other.id());
    assert_eq!(
        (one.id().len(), one.id()[6] >> 4, one.id()[8] >> 6),
        (16, 7, 2)
    );
}

#[tokio::test]
async fn a_denial_carries_its_figures() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    charge(&quota, "ana", 700).await;
    let _hold = quota
        .reserve(Request::credits(100).user("ana"))
        .await
        .unwrap();
    let denied = match quota.charge(Request::credits(201).user("ana")).await {
        Err(Error::Denied(denied)) => denied,
        other => panic!("201 of 200: {other:?}"),
    };
    assert_eq!(
        (denied.reason.as_str(), denied.account.as_str()),
        ("QUOTA_EXCEEDED", "users/ana")
    );
    let figures = [
        denied.limit,
        denied.used,
        denied.held,
        denied.available,
        denied.requested,
    ];
    assert_eq!(figures, [1_000, 700, 100, 200, 201]);
    let reset = SystemTime::try_from(denied.reset.unwrap()).unwrap();
    assert!(reset.elapsed().is_err(), "the reset is in the past");
    assert!(denied.to_string().contains("ana"));
}

#[tokio::test]
async fn a_standing_warns_from_80_percent_on() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    let standing = async |credits| charge(&quota, "bo", credits).await.standing.unwrap();
    assert_eq!(standing(79).await.state(), pb::State::Ok);
    let at_80 = standing(1).await;
    assert_eq!(
        (at_80.state(), at_80.used, at_80.limit, at_80.available),
        (pb::State::Warning, 80, 100, 20)
    );
    assert_eq!(standing(20).await.state(), pb::State::Blocked);
}

#[tokio::test]
async fn check_never_fails_because_of_quota() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    let check = async |request| {
        quota
            .check(request)
            .await
            .unwrap()
            .unwrap()
            .decision
            .unwrap()
    };
    let request = Request::credits(101).environment("prod");
    let decision = check(request.clone()).await;
    assert_eq!(
        (decision.allowed, decision.denial.unwrap().available),
        (false, 100)
    );
    assert_eq!(check(request.min_amount(1)).await.granted, 100);
    assert_eq!(
        balance(&quota, "", "prod").await.environment.unwrap().used,
        0
    );
}

#[tokio::test]
async fn a_balance_has_three_views() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    charge(&quota, "ana", 700).await;
    let answer = balance(&quota, "ana", "prod").await;
    let (user, environment, organization) = (
        answer.user.unwrap(),
        answer.environment.unwrap(),
        answer.organization.unwrap(),
    );
    let accounts = [user.account, environment.account, organization.account];
    assert_eq!(accounts, ["users/ana", "environments/prod", "organization"]);
    assert_eq!(user.text, "700 of 1,000 credits used (70%)");
    assert_eq!(organization.entitlement, 10_000);
}

#[tokio::test]
async fn a_batch_answers_each_operation() {
    let sidecar = Sidecar::start();
    let quota = sidecar.client();
    let unknown = pb::ReleaseRequest {
        reservation_id: vec![0; 16],
    };
    let requests = [
        pb::operation::Request::Charge(raw_charge("b", "", 7)),
        pb::operation::Request::Charge(pb::ChargeRequest {
            request_id: vec![],
            ..raw_charge("", "prod", 101)
        }),
        pb::operation::Request::Release(unknown),
    ];
    let operations = requests
        .map(|request| pb::Operation {
            request: Some(request),
        })
        .to_vec();
    let answer = quota
        .stub
        .clone()
        .batch(pb::BatchRequest { operations })
        .await
        .unwrap()
        .into_inner();
    let results: Vec<_> = answer
        .outcomes
        .into_iter()
        .filter_map(|outcome| outcome.result)
        .collect();
    let [
        pb::outcome::Result::Charge(charged),
        pb::outcome::Result::Denial(denial),
        pb::outcome::Result::Failure(failure),
    ] = &results[..]
    else {
        panic!("{results:?}")
    };
    assert_eq!(charged.committed, 7);
    assert_eq!(denial.reason(), pb::DenialReason::QuotaExceeded);
    assert_eq!(Code::from(failure.code), Code::NotFound);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_booked_once() {
    let sidecar = Sidecar::start();
    let lossy = Lossy::before(&sidecar);
    let client = lossy.client();
    lossy.lose(2);
    assert_eq!(charge(&client, "l", 5).await.committed, 5);
    assert_eq!(lossy.counts(), (0, 3));
    lossy.lose(1);
    let mut hold = client
        .reserve(Request::credits(10).user("l"))
        .await
        .unwrap();
    lossy.lose(1);
    assert_eq!(hold.commit(7).await.unwrap().unwrap().committed, 7);
    assert_eq!(used_and_held(&sidecar.client(), "l").await, (12, 0));
}

#[tokio::test]
async fn only_unavailable_is_tried_again_and_not_for_ever() {
    let sidecar = Sidecar::start();
    let lossy = Lossy::before(&sidecar);
    let client = lossy.client();
    lossy.lose(100);
    let unanswered = client.charge(Request::credits(3).user("m")).await;
    assert!(
        matches!(unanswered, Err(Error::Unavailable(_))),
        "{unanswered:?}"
    );
    assert_eq!(lossy.counts().1, 4);
    lossy.lose(0);
    let denied = client
        .charge(Request::credits(101).environment("prod"))
        .await;
    assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
    let wrong = client
        .charge(Request::credits(CREDITS_MAX + 1).user("m"))
        .await;
    assert!(
        matches!(&wrong, Err(Error::Failed(status)) if status.code() == Code::InvalidArgument),
        "{wrong:?}"
    );
    assert_eq!(lossy.counts().1, 4 + 2);
    assert_eq!(used_and_held(&sidecar.client(), "m").await, (3, 0));
}

#[tokio::test]
async fn without_a_sidecar_the_client_does_as_it_was_told() {
    let client = |told| Quota::new("http://127.0.0.1:1", told).unwrap();
    let mut hold = client(OnUnavailable::Allow)
        .reserve(Request::credits(1))
        .await
        .unwrap();
    assert_eq!(hold.granted(), 0);
    assert_eq!(hold.commit(1).await.unwrap(), None);
    let denied = client(OnUnavailable::Deny)
        .charge(Request::credits(1))
        .await;
    assert!(matches!(denied, Err(Error::Unavailable(_))), "{denied:?}");
}

#[tokio::test]
async fn a_commit_that_found_nobody_can_be_made_again() {
    let mut sidecar = Sidecar::start();
    let quota = sidecar.client();
    let mut hold = quota.reserve(Request::credits(50).user("k")).await.unwrap();
    let mut left = quota.reserve(Request::credits(20).user("k")).await.unwrap();
    sidecar.kill();
    for hold in [&mut hold, &mut left] {
        let unanswered = hold.commit(20).await;
        assert!(
            matches!(unanswered, Err(Error::Unavailable(_))),
            "{unanswered:?}"
        );
    }
    sidecar.restart();
    drop(left);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        used_and_held(&quota, "k").await,
        (0, 70),
        "leaving has released what may be booked"
    );
    assert_eq!(hold.commit(20).await.unwrap().unwrap().committed, 20);
    assert_eq!(used_and_held(&quota, "k").await, (20, 20));
}
