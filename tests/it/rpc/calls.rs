//! Each call of `QuotaService`, and what it answers to bad input.

use quotad::rpc::pb;
use tonic::Code;
use tonic_types::StatusExt;

use super::{Server, charge, charge_operation, commit, credits, reserve, subject};

#[tokio::test]
async fn credits_are_reserved_extended_committed_and_seen_in_the_balance() {
    let server = Server::start();
    let mut client = server.client().await;
    let reserved = client
        .reserve(reserve("ana", 400))
        .await
        .unwrap()
        .into_inner();
    let reservation = reserved.reservation.unwrap();
    assert_eq!((reservation.id.len(), reservation.granted), (16, 400));
    let standing = reserved.standing.unwrap();
    assert_eq!(
        (standing.held, standing.limit, standing.available),
        (400, 1_000, 600)
    );

    let extended = client
        .extend(pb::ExtendRequest {
            reservation_id: reservation.id.clone(),
            additional: 100,
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(extended.reservation.unwrap().granted, 500);

    let committed = client
        .commit(commit(&reservation.id, 300))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (committed.committed, committed.returned, committed.late),
        (300, 200, false)
    );
    let again = client
        .commit(commit(&reservation.id, 300))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.committed, 300);
    let otherwise = client
        .commit(commit(&reservation.id, 301))
        .await
        .unwrap_err();
    assert_eq!(otherwise.code(), Code::FailedPrecondition);

    let balance = client
        .get_balance(pb::GetBalanceRequest {
            subject: subject("ana"),
        })
        .await
        .unwrap()
        .into_inner();
    let (user, organization) = (balance.user.unwrap(), balance.organization.unwrap());
    assert_eq!(
        (user.used, user.limit, user.percent),
        (300, Some(1_000), Some(30))
    );
    assert_eq!(user.text, "300 of 1,000 credits used (30%)");
    assert_eq!(
        (
            organization.used,
            organization.entitlement,
            organization.set_aside
        ),
        (300, 10_000, 1_000)
    );
    assert_eq!(organization.entitlement_sources.unwrap().contract, 10_000);
    assert!(balance.environment.is_some() && balance.read_time.is_some());
}

#[tokio::test]
async fn a_release_gives_back_and_a_check_changes_nothing() {
    let server = Server::start();
    let mut client = server.client().await;
    let reserved = client
        .reserve(reserve("", 9_000))
        .await
        .unwrap()
        .into_inner();
    let check = |amount| pb::CheckRequest {
        subject: None,
        cost: credits(amount),
        min_amount: None,
    };
    let denied = client
        .check(check(1))
        .await
        .unwrap()
        .into_inner()
        .decision
        .unwrap();
    assert!(!denied.allowed);
    let denial = denied.denial.unwrap();
    assert_eq!(
        (denial.account.as_str(), denial.available, denial.held),
        ("pool", 0, 9_000)
    );

    let reservation_id = reserved.reservation.unwrap().id;
    let released = client
        .release(pb::ReleaseRequest { reservation_id })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(released.returned, 9_000);
    let allowed = client
        .check(check(9_000))
        .await
        .unwrap()
        .into_inner()
        .decision
        .unwrap();
    assert!(allowed.allowed && allowed.granted == 9_000 && allowed.denial.is_none());
    assert_eq!(server.drawn(), 0);
}

#[tokio::test]
async fn less_will_do_only_if_the_request_says_so() {
    let server = Server::start();
    let mut client = server.client().await;
    let all_or_nothing = client.reserve(reserve("ana", 1_001)).await.unwrap_err();
    assert_eq!(all_or_nothing.code(), Code::ResourceExhausted);
    let less = pb::ReserveRequest {
        min_amount: Some(0),
        ..reserve("ana", 1_001)
    };
    let granted = client.reserve(less).await.unwrap().into_inner();
    assert_eq!(granted.reservation.unwrap().granted, 1_000);
}

#[tokio::test]
async fn a_denial_tells_programs_the_figures_and_people_a_sentence() {
    let server = Server::start();
    let mut client = server.client().await;
    client.charge(charge("ana", 1_000)).await.unwrap();
    let denied = client.charge(charge("ana", 1)).await.unwrap_err();
    assert_eq!(denied.code(), Code::ResourceExhausted);
    assert!(
        denied
            .message()
            .starts_with("All credits of user ana have been consumed: 1,000 of 1,000; resets "),
        "{}",
        denied.message()
    );
    let details = denied.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        ("QUOTA_EXCEEDED", "quotad")
    );
    for (key, value) in [
        ("account", "users/ana"),
        ("limit", "1000"),
        ("used", "1000"),
        ("held", "0"),
        ("available", "0"),
        ("requested", "1"),
    ] {
        assert_eq!(info.metadata[key], value, "{key}");
    }
    assert!(info.metadata["reset"].ends_with("T00:00:00Z"), "{info:?}");
    assert_eq!(
        details.quota_failure().unwrap().violations[0].subject,
        "users/ana"
    );
    assert!(details.retry_info().is_none());
    assert_eq!(server.drawn(), 1_000);
}

#[tokio::test]
async fn bad_input_names_its_field_and_changes_nothing() {
    let server = Server::start();
    let mut client = server.client().await;
    let operation = |operation: &str| {
        Some(pb::Cost {
            operation: operation.to_owned(),
            ..credits(1).unwrap()
        })
    };
    let mut statuses = Vec::new();
    for (path, request) in [
        ("subject.user", charge("a\nb", 1)),
        ("cost.credits", charge("ana", 1 << 53)),
        (
            "cost",
            pb::ChargeRequest {
                cost: None,
                ..charge("ana", 1)
            },
        ),
        (
            "cost.operation",
            pb::ChargeRequest {
                cost: operation("no-such"),
                ..charge("ana", 1)
            },
        ),
        (
            "request_id",
            pb::ChargeRequest {
                request_id: vec![1; 15],
                ..charge("ana", 1)
            },
        ),
    ] {
        statuses.push((path, client.charge(request).await.unwrap_err()));
    }
    let min = pb::ReserveRequest {
        min_amount: Some(11),
        ..reserve("ana", 10)
    };
    statuses.push(("min_amount", client.reserve(min).await.unwrap_err()));
    statuses.push((
        "reservation_id",
        client.commit(commit(&[], 1)).await.unwrap_err(),
    ));
    for (path, status) in statuses {
        assert_eq!(status.code(), Code::InvalidArgument, "{path}: {status:?}");
        let details = status.get_error_details();
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            path
        );
    }
    assert_eq!(server.drawn(), 0);
}

#[tokio::test]
async fn what_is_unknown_is_not_found() {
    let server = Server::start();
    let mut client = server.client().await;
    assert_eq!(
        client.commit(commit(&[9; 16], 1)).await.unwrap_err().code(),
        Code::NotFound
    );
    let elsewhere = pb::ChargeRequest {
        subject: Some(pb::Subject {
            organization: "nowhere".to_owned(),
            ..Default::default()
        }),
        ..charge("", 1)
    };
    assert_eq!(
        client.charge(elsewhere).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn the_same_id_again_is_done_once_and_with_other_contents_refused() {
    let server = Server::start();
    let mut client = server.client().await;
    let request = pb::ChargeRequest {
        request_id: vec![5; 16],
        ..charge("ana", 100)
    };
    for _ in 0..3 {
        assert_eq!(
            client
                .charge(request.clone())
                .await
                .unwrap()
                .into_inner()
                .committed,
            100
        );
    }
    let other = pb::ChargeRequest {
        request_id: vec![5; 16],
        ..charge("ana", 101)
    };
    assert_eq!(
        client.charge(other).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(server.drawn(), 100);
}

#[tokio::test]
async fn a_batch_answers_each_item_by_itself() {
    use pb::operation::Request;
    use pb::outcome::Result as Done;
    let server = Server::start();
    let mut client = server.client().await;
    let mut operations = vec![
        charge_operation("ana", 1_000),
        charge_operation("ana", 1),
        charge_operation("a\u{7f}", 1),
        pb::Operation { request: None },
        charge_operation("bo", 7),
    ];
    operations.push(pb::Operation {
        request: Some(Request::Commit(commit(&[9; 16], 1))),
    });
    let batch = pb::BatchRequest { operations };
    let outcomes = client.batch(batch).await.unwrap().into_inner().outcomes;
    let results: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.result.unwrap())
        .collect();
    assert!(matches!(&results[0], Done::Charge(answer) if answer.committed == 1_000));
    assert!(
        matches!(&results[1], Done::Denial(denial) if denial.account == "users/ana" && denial.requested == 1)
    );
    assert!(
        matches!(&results[2], Done::Failure(failure) if failure.field == "operations[2].charge.subject.user"),
        "{:?}",
        results[2]
    );
    assert!(
        matches!(&results[3], Done::Failure(failure) if failure.field == "operations[3].request")
    );
    assert!(matches!(&results[4], Done::Charge(answer) if answer.committed == 7));
    assert!(
        matches!(&results[5], Done::Failure(failure) if failure.code == 5),
        "{:?}",
        results[5]
    );
    assert_eq!((results.len(), server.drawn()), (6, 1_007));
}

#[tokio::test]
async fn a_batch_of_none_or_of_1001_is_refused_as_a_whole() {
    let server = Server::start();
    let mut client = server.client().await;
    for (count, is_valid) in [(0, false), (1_000, true), (1_001, false)] {
        let operations = vec![charge_operation("", 1); count];
        match client.batch(pb::BatchRequest { operations }).await {
            Ok(answer) => assert!(is_valid && answer.into_inner().outcomes.len() == count),
            Err(status) => {
                assert!(!is_valid, "{status:?}");
                let details = status.get_error_details();
                assert_eq!(
                    details.bad_request().unwrap().field_violations[0].field,
                    "operations"
                );
            }
        }
    }
    assert_eq!(server.drawn(), 1_000);
}

#[tokio::test]
async fn the_longest_batch_fits_and_a_longer_message_is_refused() {
    let server = Server::start();
    let mut client = server.client().await;
    let long = || "n".repeat(128);
    let longest = pb::ReserveRequest {
        subject: Some(pb::Subject {
            organization: long(),
            environment: long(),
            user: long(),
            product: long(),
            model: long(),
        }),
        cost: Some(pb::Cost {
            amount: Some(pb::cost::Amount::Credits((1 << 53) - 1)),
            operation: long(),
        }),
        min_amount: Some((1 << 53) - 1),
        ttl: Some(prost_types::Duration {
            seconds: 3_599,
            nanos: 999_999_999,
        }),
        reservation_id: vec![1; 16],
    };
    let operation = pb::Operation {
        request: Some(pb::operation::Request::Reserve(longest)),
    };
    let operations = vec![operation.clone(); 1_000];
    let answer = client
        .batch(pb::BatchRequest { operations })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.outcomes.len(), 1_000);
    let operations = vec![operation; 2_000];
    let too_long = client
        .batch(pb::BatchRequest { operations })
        .await
        .unwrap_err();
    assert_eq!(too_long.code(), Code::OutOfRange, "{too_long:?}");
    client.charge(charge("", 1)).await.unwrap();
}
