//! Changes: versions, masks, what the file owns, pages, the audit.

use std::collections::BTreeSet;
use std::time::Duration;

use quotad::config::plan_file;
use quotad::rpc::access::Role;
use quotad::rpc::pb;
use tonic::Code;
use tonic_types::StatusExt;

use super::{Client, Desk, by_tokens, token};

fn limit(user: &str, credits: u64) -> Option<pb::Limit> {
    Some(pb::Limit {
        user: user.to_owned(),
        credits,
        ..pb::Limit::default()
    })
}

fn set_limit(user: &str, credits: u64, etag: &str) -> pb::SetLimitRequest {
    pb::SetLimitRequest {
        limit: limit(user, credits),
        etag: etag.to_owned(),
        why: "a test".to_owned(),
        ..pb::SetLimitRequest::default()
    }
}

async fn get_limit(client: &mut Client, user: &str) -> pb::Limit {
    let request = pb::GetLimitRequest {
        user: user.to_owned(),
        ..pb::GetLimitRequest::default()
    };
    let answer = client.get_limit(request).await.unwrap();
    answer.into_inner().limit.unwrap()
}

#[tokio::test]
async fn of_two_administrators_who_read_the_same_one_is_aborted_and_nothing_is_lost() {
    let desk = Desk::start(by_tokens());
    let (mut one, mut other) = (desk.admin().await, desk.admin().await);
    let read = get_limit(&mut one, "ana").await;
    assert_eq!(get_limit(&mut other, "ana").await.etag, read.etag);
    let first = one
        .set_limit(set_limit("ana", 2_000, &read.etag))
        .await
        .unwrap();
    let second = other.set_limit(set_limit("ana", 3_000, &read.etag)).await;
    let refused = second.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "STALE_ETAG");
    let now = get_limit(&mut other, "ana").await;
    assert_eq!(
        (now.credits, &now.etag),
        (2_000, &first.into_inner().limit.unwrap().etag)
    );
    other
        .set_limit(set_limit("ana", 3_000, &now.etag))
        .await
        .unwrap();
    assert_eq!(get_limit(&mut one, "ana").await.credits, 3_000);
}

/// Each of several administrators adds 1 to the same limit, again and again, by reading and setting with the etag.
#[tokio::test]
async fn no_update_is_lost_among_administrators() {
    const ADMINISTRATORS: u64 = 4;
    const ADDED_BY_EACH: u64 = 25;
    let desk = Desk::start(by_tokens());
    let mut tasks = Vec::new();
    for _ in 0..ADMINISTRATORS {
        let mut client = desk.admin().await;
        tasks.push(tokio::spawn(async move {
            let (mut added, mut aborted) = (0, 0);
            while added < ADDED_BY_EACH {
                let now = get_limit(&mut client, "ana").await;
                match client
                    .set_limit(set_limit("ana", now.credits + 1, &now.etag))
                    .await
                {
                    Ok(_) => added += 1,
                    Err(status) if status.code() == Code::Aborted => aborted += 1,
                    Err(status) => panic!("{status:?}"),
                }
            }
            aborted
        }));
    }
    let mut aborted = 0;
    for task in tasks {
        aborted += task.await.unwrap();
    }
    let last = get_limit(&mut desk.admin().await, "ana").await.credits;
    println!(
        "administrators: {ADMINISTRATORS} added {ADDED_BY_EACH} each, {aborted} tries aborted, lost {}",
        1_000 + ADMINISTRATORS * ADDED_BY_EACH - last
    );
    assert_eq!(last, 1_000 + ADMINISTRATORS * ADDED_BY_EACH);
}

#[tokio::test]
async fn a_mask_changes_what_it_names_and_nothing_else() {
    let desk = Desk::start(by_tokens());
    let mut client = desk.admin().await;
    let masked = |paths: &[&str], limit: pb::Limit| pb::SetLimitRequest {
        limit: Some(limit),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
        }),
        ..pb::SetLimitRequest::default()
    };
    let says = pb::Limit {
        user: "ana".to_owned(),
        credits: 7,
        r#type: pb::LimitType::Soft.into(),
        thresholds: vec![50, 90],
        ..pb::Limit::default()
    };
    let set = client
        .set_limit(masked(&["thresholds"], says.clone()))
        .await;
    let limit = set.unwrap().into_inner().limit.unwrap();
    assert_eq!(
        (limit.credits, limit.r#type(), &*limit.thresholds),
        (1_000, pb::LimitType::Hard, &[50, 90][..])
    );
    let set = client
        .set_limit(masked(&["credits", "type"], says.clone()))
        .await;
    let limit = set.unwrap().into_inner().limit.unwrap();
    assert_eq!(
        (limit.credits, limit.r#type(), &*limit.thresholds),
        (7, pb::LimitType::Soft, &[50, 90][..])
    );
    for path in ["limit", "user", "etag", "type.x"] {
        let refused = client
            .set_limit(masked(&[path], says.clone()))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{path}");
        let details = refused.get_error_details();
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            "update_mask"
        );
    }
}

const FILE: &str = "
organizations:
  default:
    time_zone: Europe/Paris
    grants: [{kind: contract, credits: 10000}]
    users: {ana: {limit: 1000}}
";

#[tokio::test]
async fn what_the_plan_file_names_only_the_file_changes() {
    let desk = Desk::start(by_tokens());
    let plan = plan_file::parse(FILE, "plan.yaml").unwrap();
    desk.engine().apply_plan(plan).unwrap();
    let mut client = desk.admin().await;
    let refused = client.set_limit(set_limit("ana", 5, "")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let details = refused.get_error_details();
    let violation = &details.precondition_failure().unwrap().violations[0];
    assert_eq!(
        (&*violation.r#type, &*violation.subject),
        ("OWNED_BY_PLAN_FILE", "organizations.default.users.ana")
    );
    assert!(get_limit(&mut client, "ana").await.file_owned);
    client.set_limit(set_limit("bo", 5, "")).await.unwrap();
    // The whole message may be sent back: what the file owns stays as it is.
    let read = client
        .get_organization(pb::GetOrganizationRequest::default())
        .await;
    let mut organization = read.unwrap().into_inner().organization.unwrap();
    assert_eq!(organization.file_owned, ["time_zone"]);
    organization.display_name = "Acme".to_owned();
    let request = |organization: &pb::Organization| pb::SetOrganizationRequest {
        organization: Some(organization.clone()),
        etag: organization.etag.clone(),
        ..pb::SetOrganizationRequest::default()
    };
    let set = client
        .set_organization(request(&organization))
        .await
        .unwrap();
    let mut organization = set.into_inner().organization.unwrap();
    assert_eq!(
        (&*organization.display_name, &*organization.time_zone),
        ("Acme", "Europe/Paris")
    );
    organization.time_zone = "UTC".to_owned();
    let refused = client
        .set_organization(request(&organization))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused
            .message()
            .contains("organizations.default.time_zone"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_plan_that_is_read_can_be_applied_and_only_looking_changes_nothing() {
    let desk = Desk::start(by_tokens());
    let mut client = desk.admin().await;
    let rate = pb::Rate {
        operation: "chat: \"x\"".to_owned(),
        credits: 3,
        per: 1_000,
        ..pb::Rate::default()
    };
    let request = pb::SetRateRequest {
        rate: Some(rate),
        ..Default::default()
    };
    client.set_rate(request).await.unwrap();
    let read = client
        .get_plan(pb::GetPlanRequest {})
        .await
        .unwrap()
        .into_inner();
    let apply = |plan: &str, validate_only: bool, etag: &str| pb::ApplyPlanRequest {
        plan: plan.to_owned(),
        validate_only,
        etag: etag.to_owned(),
        why: String::new(),
    };
    let same = client
        .apply_plan(apply(&read.plan, false, &read.etag))
        .await
        .unwrap();
    assert_eq!(same.into_inner().differences, []);
    let other = read.plan.replace("limit: 1000", "limit: 2000");
    let looked = client
        .apply_plan(apply(&other, true, ""))
        .await
        .unwrap()
        .into_inner();
    let paths: Vec<_> = looked.differences.iter().map(|it| &*it.path).collect();
    assert_eq!(paths, ["organizations.default.users.ana"]);
    assert_eq!(looked.etag, read.etag, "of the plan in force");
    assert_eq!(get_limit(&mut client, "ana").await.credits, 1_000);
    let too_much = read.plan.replace("limit: 1000", "limit: 20000");
    for validate_only in [true, false] {
        let refused = client
            .apply_plan(apply(&too_much, validate_only, ""))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    }
    let applied = client
        .apply_plan(apply(&other, false, &read.etag))
        .await
        .unwrap();
    assert_ne!(applied.into_inner().etag, read.etag);
    assert_eq!(get_limit(&mut client, "ana").await.credits, 2_000);
    let stale = client
        .apply_plan(apply(&read.plan, false, &read.etag))
        .await
        .unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    for wrong in [
        "",
        "organizations: {}",
        "x: y",
        "organizations: {acme: {display_name: \"${HOME}/x\"}}\n# ${HOME}",
    ] {
        let refused = client.apply_plan(apply(wrong, true, "")).await;
        match refused {
            Err(status) => assert_eq!(status.code(), Code::InvalidArgument, "{wrong:?}"),
            Ok(answer) => {
                // A variable stays as it is written: the environment of the sidecar is not for whoever sends a plan.
                let shown = format!("{:?}", answer.into_inner());
                assert!(shown.contains("${HOME}"), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn each_of_2500_users_is_listed_once() {
    let desk = Desk::start(by_tokens());
    let mut client = desk.admin().await;
    let users: Vec<String> = (0..2_500)
        .map(|number| format!("user-{number:05}"))
        .collect();
    let request = pb::AssignEqualLimitsRequest {
        users: users.clone(),
        credits: 3,
        ..Default::default()
    };
    let answer = client
        .assign_equal_limits(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.limits.len(), 2_500);
    for size in [1, 7, 100, 999, 5_000] {
        let (mut limits, mut members, mut balances) = (Vec::new(), Vec::new(), Vec::new());
        let mut token = String::new();
        let mut pages = 0;
        while pages == 0 || !token.is_empty() {
            if size == 1 && pages > 50 {
                break;
            }
            let request = pb::ListLimitsRequest {
                page_size: size,
                page_token: token,
                ..Default::default()
            };
            let page = client.list_limits(request).await.unwrap().into_inner();
            assert!(page.limits.len() <= 1_000);
            limits.extend(page.limits.into_iter().map(|it| it.user));
            (token, pages) = (page.next_page_token, pages + 1);
        }
        if size == 1 {
            continue;
        }
        loop {
            let request = pb::ListMembersRequest {
                page_size: size,
                page_token: token,
                ..Default::default()
            };
            let page = client.list_members(request).await.unwrap().into_inner();
            members.extend(page.members.into_iter().map(|it| it.user));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        loop {
            let request = pb::ListBalancesRequest {
                page_size: size,
                page_token: token,
                ..Default::default()
            };
            let page = client.list_balances(request).await.unwrap().into_inner();
            balances.extend(page.balances.into_iter().map(|it| it.account));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        for seen in [&limits, &members] {
            let distinct: BTreeSet<_> = seen.iter().collect();
            assert_eq!((seen.len(), distinct.len()), (2_501, 2_501), "size {size}");
            assert!(seen.is_sorted());
        }
        assert_eq!(balances.len(), 2_503, "organization, pool, users");
    }
    let refused = pb::ListLimitsRequest {
        page_token: "x".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        client.list_limits(refused).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn sharing_out_equally_leaves_the_rest_in_the_pool() {
    let desk = Desk::start(by_tokens());
    let mut client = desk.admin().await;
    let request = |users: &[&str]| pb::DistributeEquallyRequest {
        users: users.iter().map(|&user| user.to_owned()).collect(),
        ..Default::default()
    };
    let shared = client
        .distribute_equally(request(&["ana", "bo", "cy"]))
        .await
        .unwrap();
    assert_eq!(shared.into_inner().credits, 3_333);
    let removed = pb::RemoveUserRequest {
        user: "bo".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        client
            .remove_user(removed)
            .await
            .unwrap()
            .into_inner()
            .returned,
        3_333
    );
    for users in [&[][..], &["ana", "ana"]] {
        let refused = client.distribute_equally(request(users)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_change_stands_in_the_audit_with_who_and_why() {
    let desk = Desk::start(by_tokens());
    let mut client = desk.admin().await;
    client.set_limit(set_limit("ana", 2_000, "")).await.unwrap();
    let request = pb::AdjustUsageRequest {
        user: "ana".to_owned(),
        credits: 5,
        request_id: vec![7; 16],
        why: "a correction".to_owned(),
        ..Default::default()
    };
    for _ in 0..2 {
        client.adjust_usage(request.clone()).await.unwrap();
    }
    let mut viewer = desk.client(Some(token(Role::Viewer))).await;
    let mut tries = 0;
    let entries = loop {
        tries += 1;
        let answer = viewer
            .list_audit(pb::ListAuditRequest::default())
            .await
            .unwrap();
        let entries = answer.into_inner().entries;
        if entries.len() >= 2 || tries > 500 {
            break entries;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let shown: Vec<_> = entries
        .iter()
        .map(|it| {
            format!(
                "{} {} {} {} {} {} {}",
                it.who, it.action, it.organization, it.target, it.before, it.after, it.why
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "admin AdjustUsage default environments/default/users/ana used 0 used 5 a correction",
            "admin SetLimit default organizations.default.users.ana {limit: 1000, type: hard} {limit: 2000, type: hard} a test",
        ]
    );
    let by = pb::ListAuditRequest {
        who: "nobody".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        viewer.list_audit(by).await.unwrap().into_inner().entries,
        []
    );
    let long = pb::SetLimitRequest {
        why: "x".repeat(1_025),
        ..set_limit("ana", 1, "")
    };
    assert_eq!(
        client.set_limit(long).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}
