//! In the mode `power` a change is answered once it is safe; streams end with the listener and say why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quotad::domain::fact::Fact;
use quotad::domain::plan::Plan;
use quotad::engine::recorder::{NotKept, Receipt, Recorder, Unrecorded};
use quotad::rpc::access::Role;
use quotad::rpc::pb;
use quotad::storage::gate::Gate;
use quotad::world::vitals::Phase;
use tonic::Code;

use super::{Desk, by_tokens, token};

/// Counts what was recorded; nothing of it is safe until the gate is told.
#[derive(Default)]
struct Counting(AtomicU64);

impl Recorder for Counting {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        let count = facts.len() as u64;
        Ok(Receipt(self.0.fetch_add(count, Ordering::SeqCst) + count))
    }

    fn keep_plan(&self, _: &Arc<Plan>) -> Result<(), NotKept> {
        Ok(())
    }

    fn has_room(&self, _: u64) -> bool {
        true
    }
}

fn set_limit() -> pb::SetLimitRequest {
    pb::SetLimitRequest {
        limit: Some(pb::Limit {
            user: "bo".to_owned(),
            credits: 5,
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_change_is_answered_only_once_it_is_safe() {
    let gate = Arc::new(Gate::new(true));
    let books = crate::rpc::parts_over(Arc::new(Counting::default()), Arc::clone(&gate));
    let desk = Desk::start_over(books, by_tokens());
    let mut client = desk.admin().await;
    let mut writer = client.clone();
    let mut change = tokio::spawn(async move { writer.set_limit(set_limit()).await });
    let waited = tokio::time::timeout(Duration::from_millis(300), &mut change).await;
    assert!(waited.is_err(), "answered before it was safe");
    // It is in force, and whoever reads waits for nothing.
    let request = pb::GetLimitRequest {
        user: "bo".to_owned(),
        ..Default::default()
    };
    client.get_limit(request).await.unwrap();
    gate.pass(Receipt(u64::MAX - 1));
    let answer = change.await.unwrap().unwrap().into_inner();
    assert_eq!(answer.limit.unwrap().credits, 5);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_safe_is_not_acknowledged() {
    let gate = Arc::new(Gate::new(true));
    let books = crate::rpc::parts_over(Arc::new(Counting::default()), Arc::clone(&gate));
    let desk = Desk::start_over(books, by_tokens());
    let mut client = desk.admin().await;
    let change = tokio::spawn(async move { client.set_limit(set_limit()).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.fail();
    assert_eq!(change.await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(desk.parts.vitals.phase(), Phase::Failed);
}

#[tokio::test]
async fn a_watcher_hears_what_fires_goes_on_from_where_it_was_and_is_told_why_it_ends() {
    let desk = Desk::start(by_tokens());
    let mut viewer = desk.client(Some(token(Role::Viewer))).await;
    let watched = viewer
        .watch_notifications(pb::WatchNotificationsRequest::default())
        .await;
    let mut watched = watched.unwrap().into_inner();
    let mut admin = desk.admin().await;
    let request = pb::AdjustUsageRequest {
        user: "ana".to_owned(),
        credits: 1_000,
        why: "reaches both marks".to_owned(),
        ..Default::default()
    };
    admin.adjust_usage(request).await.unwrap();
    let mut ids = Vec::new();
    for percent in [80, 100] {
        let told = watched
            .message()
            .await
            .unwrap()
            .unwrap()
            .notification
            .unwrap();
        let Some(pb::notification::Event::ThresholdReached(reached)) = told.event else {
            panic!("{told:?}");
        };
        assert_eq!((&*reached.account, reached.percent), ("users/ana", percent));
        ids.push(told.id);
    }
    drop(watched);
    let again = pb::WatchNotificationsRequest {
        after_id: ids[0].clone(),
        ..Default::default()
    };
    let mut watched = viewer
        .watch_notifications(again)
        .await
        .unwrap()
        .into_inner();
    let told = watched
        .message()
        .await
        .unwrap()
        .unwrap()
        .notification
        .unwrap();
    assert_eq!(told.id, ids[1]);
    let unknown = pb::WatchNotificationsRequest {
        after_id: "0".repeat(32),
        ..Default::default()
    };
    assert_eq!(
        viewer
            .watch_notifications(unknown)
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    desk.parts.vitals.enter(Phase::Draining);
    assert_eq!(
        watched.message().await.unwrap_err().code(),
        Code::Unavailable
    );
    let refused = viewer
        .list_sinks(pb::ListSinksRequest {})
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}
