//! Of a whole process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use quotad::rpc::pb;

use super::load::{EYE, PLAN, balances, configured, hanging_webhook, load};
use super::page::Page;
use super::{Watched, get};
use crate::rpc::{charge, charge_operation};

#[tokio::test]
async fn every_metric_is_documented_and_everything_documented_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (_webhook, url) = hanging_webhook();
    let arguments = configured(folder.path(), &url);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let watched = Watched::start(PLAN, &[&arguments[..], &["--metrics-users", "10"]].concat());
    load(&mut watched.client().await).await;
    let has_audited = |page: &Page| page.value("quotad_audit_rounds_total", "") >= 1.0;
    let page = watched.until(has_audited);
    assert_eq!(documented(), shown(&page));

    // The same to whoever reads OpenMetrics, on both listeners.
    let open = "accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let (_, head, text) = get(&watched.probes, "/metrics", &[open]);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    let of_probes = Page::open_metrics(&text);
    assert_eq!(of_probes.shape(), page.shape());
    for (name, family) in &of_probes.families {
        let unit = ["credits", "seconds", "bytes"].into_iter().find(|unit| {
            let name = name.trim_end_matches("_total");
            name.ends_with(&format!("_{unit}"))
        });
        assert_eq!(family.unit.as_deref(), unit, "{name}");
    }
    let (status, ..) = get(&watched.management, "/metrics", &[open]);
    assert_eq!(status, 401);
    let token = format!("authorization: Bearer {EYE}");
    let (status, _, text) = get(&watched.management, "/metrics", &[open, &token]);
    assert_eq!(
        (status, Page::open_metrics(&text).shape()),
        (200, page.shape())
    );
}

/// What docs/metrics.md lists: type and labels by name.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let text = fs::read_to_string(path).unwrap();
    let quoted = |cell: &str| -> Vec<String> {
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    let rows = text.lines().filter(|line| line.starts_with("| `quotad_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = quoted(cells[1]).remove(0);
        let labels = quoted(cells[3]).into_iter().collect();
        (name, (cells[2].to_owned(), labels))
    })
    .collect()
}

/// The same of a page. Every series of a family has the same labels.
fn shown(page: &Page) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let families = page.families.iter();
    families
        .map(|(name, family)| {
            let labels: BTreeSet<BTreeSet<String>> = family
                .samples
                .keys()
                .map(|(_, labels)| labels.keys().filter(|it| *it != "le").cloned().collect())
                .collect();
            let mut labels = labels.into_iter();
            let first = labels.next().unwrap();
            assert_eq!(labels.next(), None, "{name} has other labels too");
            (name.clone(), (family.kind.clone(), first))
        })
        .collect()
}

#[tokio::test]
async fn the_values_are_what_the_api_says_of_a_known_load() {
    let watched = Watched::start(PLAN, &["--metrics-users", "10"]);
    let mut client = watched.client().await;
    load(&mut client).await;
    let balances = balances(&mut client).await;
    let page = watched.page();
    assert_eq!(balances.len(), 5, "{balances:?}");
    for (account, figures) in &balances {
        let (organization, account) = account.split_once(' ').unwrap();
        let labels = format!("organization={organization},account={account}");
        let shown = ["limit", "used", "held", "available"]
            .map(|it| page.value(&format!("quotad_{it}_credits"), &labels));
        assert_eq!(&shown, figures, "{labels}");
    }
    let sets = &page.families["quotad_limit_credits"].samples;
    assert_eq!(sets.len(), 6, "the pool of default besides: {sets:#?}");
    for (name, labels, expected) in [
        ("used_credits", "organization=default,account=pool", 6.0),
        (
            "limit_credits",
            "organization=default,account=pool",
            4_500.0,
        ),
        ("over_allocated_credits", "organization=default", 0.0),
        ("accounts_shown", "kind=user", 2.0),
        ("accounts_shown", "kind=environment", 1.0),
        ("accounts_folded", "kind=user", 0.0),
        // 300, 150, 200, 100, 20, 7, 1, 2 and 3 credits.
        ("decisions_total", "decision=granted,reason=", 9.0),
        (
            "decisions_total",
            "decision=denied,reason=QUOTA_EXCEEDED",
            2.0,
        ),
        (
            "decisions_total",
            "decision=denied,reason=RESOURCE_LIMIT",
            0.0,
        ),
        ("shadow_denials_total", "reason=QUOTA_EXCEEDED", 1.0),
        ("requests_total", "rpc=Reserve", 3.0),
        ("requests_total", "rpc=Commit", 2.0),
        ("requests_total", "rpc=Release", 1.0),
        ("requests_total", "rpc=Extend", 1.0),
        ("requests_total", "rpc=Charge", 4.0),
        ("requests_total", "rpc=Check", 1.0),
        ("requests_total", "rpc=GetBalance", 3.0),
        ("requests_total", "rpc=Batch", 1.0),
        ("requests_total", "rpc=Stream", 1.0),
        ("operations_total", "rpc=Batch", 3.0),
        ("operations_total", "rpc=Stream", 2.0),
        ("request_failures_total", "code=NOT_FOUND", 2.0),
        ("request_failures_total", "code=INVALID_ARGUMENT", 1.0),
        ("request_failures_total", "code=RESOURCE_EXHAUSTED", 0.0),
        ("holds_open", "", 1.0),
        ("holds_expired_total", "", 0.0),
        ("bound_entries", "bound=holds", 1.0),
        ("bound_max_entries", "bound=holds", 1_000_000.0),
        ("bound_max_entries", "bound=labels", 100_000.0),
        ("folded_cells", "", 0.0),
        ("started_with_empty_books", "", 1.0),
        ("journal_max_bytes", "", 268_435_456.0),
        ("panics_total", "", 0.0),
        ("ready", "", 1.0),
        ("stuck_threads", "", 0.0),
        ("reload_current", "file=plan", 1.0),
        ("audit_difference_credits", "", 0.0),
    ] {
        assert_eq!(
            page.value(&format!("quotad_{name}"), labels),
            expected,
            "{name} {labels}"
        );
    }
    // The first call of each kind is measured, on whichever thread it was.
    for rpc in ["Reserve", "Commit", "Charge", "Batch", "Stream"] {
        let labels = format!("rpc={rpc}");
        assert!(
            page.value("quotad_request_duration_seconds_count", &labels) >= 1.0,
            "{rpc}"
        );
        let sum = page.value("quotad_request_duration_seconds_sum", &labels);
        assert!(sum > 0.0 && sum < 1.0, "{rpc}: {sum}");
    }
    assert!(page.value("quotad_settled_horizon_age_seconds", "") <= 900.0);
    assert_eq!(
        page.value("quotad_settled_remembered", ""),
        page.value("quotad_bound_entries", "bound=settled")
    );
    let connections: f64 = page.families["quotad_connections"].samples.values().sum();
    assert_eq!(connections, 1.0);
}

#[tokio::test]
async fn a_page_of_100_000_users_is_bounded() {
    let mut plan =
        "organizations: {default: {grants: [{kind: contract, credits: 100000000}], users: {"
            .to_owned();
    // Half of them have a limit: a plan file has no more than 250,000 nodes of YAML.
    for user in 0..50_000 {
        plan.push_str(&format!("user-{user:06}: {{limit: 500}}, "));
    }
    plan.push_str("}}}\n");
    let mut watched = Watched::start(&plan, &[]);
    let mut client = watched.client().await;
    for hundred in 0..100 {
        let users = (0..1_000).map(|it| format!("user-{:06}", hundred * 1_000 + it));
        let operations = users.map(|user| charge_operation(&user, 5)).collect();
        client.batch(pb::BatchRequest { operations }).await.unwrap();
    }
    let without = watched.page();
    assert_eq!(
        without.value(
            "quotad_used_credits",
            "organization=default,account=organization"
        ),
        500_000.0
    );
    assert_eq!(
        without.value("quotad_accounts_folded", "kind=user"),
        50_000.0
    );
    assert!(without.bytes < 40_000, "{} bytes", without.bytes);
    for (most, bytes_max) in [("100", 80_000), ("10000", 4_000_000)] {
        watched.sidecar.kill();
        let arguments = [&super::EVERYWHERE[..], &["--metrics-users", most]].concat();
        watched.sidecar.start_again(&arguments);
        watched.find();
        let asked = Instant::now();
        let page = watched.page();
        println!(
            "100,000 users, {most} on the page: {} bytes in {} ms; without users {} bytes",
            page.bytes,
            asked.elapsed().as_millis(),
            without.bytes
        );
        let most: u32 = most.parse().unwrap();
        assert_eq!(
            page.value("quotad_accounts_shown", "kind=user"),
            f64::from(most)
        );
        assert_eq!(
            page.value("quotad_accounts_folded", "kind=user"),
            50_000.0 - f64::from(most)
        );
        assert_eq!(
            page.value(
                "quotad_used_credits",
                "organization=default,account=users/user-000099"
            ),
            5.0
        );
        assert_eq!(
            page.families["quotad_used_credits"].samples.len(),
            usize::try_from(most).unwrap() + 2
        );
        assert!(page.bytes < bytes_max, "{} bytes", page.bytes);
        // Everything was replayed, or loaded from a snapshot.
        let brought = page.value("quotad_recovery_replayed_records", "")
            + page.value("quotad_recovery_loaded_entries", "");
        assert!(brought > 100_000.0, "{brought}");
        assert_eq!(page.value("quotad_started_with_empty_books", ""), 0.0);
    }
    // The audit of so many takes its time, and finds nothing.
    let page = watched.until(|page| page.value("quotad_audit_accounts_total", "") >= 100_000.0);
    assert_eq!(page.value("quotad_audit_difference_credits", ""), 0.0);
}

#[test]
fn organizations_and_environments_beyond_the_bound_are_folded() {
    let environments: String = (0..5)
        .map(|it| format!("e{it}: {{allocation: 10}}, "))
        .collect();
    let organization = format!(
        "{{grants: [{{kind: contract, credits: 100}}], environments: {{{environments}}}, users: {{ana: {{limit: 1}}}}}}"
    );
    let plan =
        format!("organizations: {{a: {organization}, b: {organization}, c: {organization}}}\n");
    let watched = Watched::start(&plan, &["--metrics-accounts", "9", "--metrics-users", "9"]);
    let page = watched.page();
    // a has 7 accounts, b 2 of 7 and its user; c none, not even its user.
    let count = |kind: &str| {
        let labels = format!("kind={kind}");
        let value = |name| page.value(name, &labels);
        (
            value("quotad_accounts_shown"),
            value("quotad_accounts_folded"),
        )
    };
    assert_eq!(count("organization"), (2.0, 1.0));
    assert_eq!(count("pool"), (2.0, 1.0));
    assert_eq!(count("environment"), (5.0, 10.0));
    assert_eq!(count("user"), (2.0, 1.0));
    assert_eq!(page.families["quotad_used_credits"].samples.len(), 11);
}

#[tokio::test]
async fn a_webhook_that_hangs_is_seen_and_no_probe_cares() {
    let folder = tempfile::tempdir().unwrap();
    let (webhook, url) = hanging_webhook();
    let arguments = configured(folder.path(), &url);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let watched = Watched::start(PLAN, &arguments);
    let mut client = watched.client().await;
    client.charge(charge("ana", 900)).await.unwrap();
    let _called = webhook.accept().unwrap();
    let page = watched.until(|page| {
        page.value("quotad_notifications_waiting", "sink=hook") == 1.0
            && page.value("quotad_notices_waiting", "") == 0.0
    });
    assert_eq!(
        page.value("quotad_notifications_total", "sink=hook,outcome=delivered"),
        0.0
    );
    std::thread::sleep(Duration::from_millis(300));
    let age = watched
        .page()
        .value("quotad_notifications_oldest_age_seconds", "sink=hook");
    assert!((0.2..30.0).contains(&age), "{age}");
    for path in ["/startupz", "/readyz", "/healthz"] {
        assert_eq!(get(&watched.probes, path, &[]).0, 200, "{path}");
    }
    let asked = Instant::now();
    client.charge(charge("ana", 1)).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(1));
}

#[test]
fn what_came_of_reading_a_file_again_is_counted() {
    let mut watched = Watched::start(PLAN, &[]);
    assert!(watched.sidecar.log().contains("starting with empty books"));
    let count = |page: &Page, outcome: &str| {
        page.value(
            "quotad_reloads_total",
            &format!("file=plan,outcome={outcome}"),
        )
    };
    let first = watched.page();
    assert_eq!(first.value("quotad_started_with_empty_books", ""), 1.0);
    assert_eq!(first.find("quotad_reload_current", "file=tokens"), None);
    let at = |page: &Page| page.value("quotad_reload_last_success_timestamp_seconds", "file=plan");
    watched.write_plan(&PLAN.replace("allocation: 4000", "allocation: 5000"));
    let page = watched.until(|page| count(page, "applied") == 1.0);
    assert_eq!(
        page.value(
            "quotad_limit_credits",
            "organization=default,account=environments/prod"
        ),
        5_000.0
    );
    assert!(at(&page) > at(&first));
    watched.write_plan("organizations: {default: {grant: []}}\n");
    let wrong = watched.until(|page| count(page, "refused") == 1.0);
    assert_eq!(wrong.value("quotad_reload_current", "file=plan"), 0.0);
    assert_eq!(
        (wrong.value("quotad_ready", ""), at(&wrong)),
        (1.0, at(&page))
    );
    fs::remove_file(watched.sidecar.plan()).unwrap();
    watched.until(|page| count(page, "refused") == 2.0);
    watched.write_plan(&PLAN.replace("allocation: 4000", "allocation: 5000"));
    let page = watched.until(|page| page.value("quotad_reload_current", "file=plan") == 1.0);
    assert_eq!(
        (count(&page, "applied"), count(&page, "unchanged")),
        (1.0, 1.0)
    );

    // The next start finds its books.
    watched.sidecar.kill();
    watched.sidecar.start_again(&super::EVERYWHERE);
    watched.find();
    let page = watched.page();
    assert_eq!(page.value("quotad_started_with_empty_books", ""), 0.0);
    assert!(page.value("quotad_recovery_duration_seconds", "") > 0.0);
    assert!(page.value("quotad_snapshot_last_bytes", "") > 0.0);
}
