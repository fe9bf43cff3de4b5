//! The log of events: what is asked of it, what a crash tears, what is damaged, what grows old.

use std::sync::Arc;
use std::time::Duration;

use quotad::domain::fact::Fact;
use quotad::domain::notice::Audit;
use quotad::domain::time::Timestamp;
use quotad::engine::Engine;
use quotad::engine::recorder::Forgetful;
use quotad::notify::{
    AuditFilter, EventFilter, EventType, Keeper, Notifications, Options, Order, Pace, PageOf,
    RECENT_MAX,
};
use quotad::world::clock::{Clock, ManualClock};
use quotad::world::disk::{Disk, Kind, SimulatedDisk};

use super::house::{all, apply, charge, engine, fast, ids, open, plan, shown};

/// 2026-11-21T00:00:00Z.
pub const START_NS: i64 = 1_795_219_200_000_000_000;

const SEGMENT: &str = "events-0000000000000001";

const DAY: Duration = Duration::from_secs(86_400);

fn books(users: usize) -> (Arc<ManualClock>, Arc<dyn Clock>, Arc<Engine>) {
    let clock = Arc::new(ManualClock::at(START_NS));
    let as_clock: Arc<dyn Clock> = clock.clone();
    let engine = engine(Arc::clone(&as_clock), Arc::new(Forgetful));
    apply(&engine, &plan(users));
    (clock, as_clock, engine)
}

/// Passes until nothing waits.
fn drain(keeper: &mut Keeper, engine: &Engine) -> usize {
    let mut written = 0;
    while engine.notices_waiting() > 0 {
        written += keeper.pass(engine, |_| true).unwrap().written;
    }
    written
}

#[test]
fn a_notice_waits_in_the_books_until_the_journal_is_safe_and_is_written_once() {
    let (_, clock, engine) = books(2);
    let disk = SimulatedDisk::new();
    let (log, mut keeper) = open(&disk, &clock, fast(), Vec::new());
    charge(&engine, 0, 100);
    let passed = keeper.pass(&engine, |_| false).unwrap();
    assert!(passed.waits && passed.written == 0 && engine.notices_waiting() == 2);
    assert_eq!(keeper.pass(&engine, |_| true).unwrap().written, 2);
    assert_eq!(
        (engine.notices_waiting(), shown(&all(&log))),
        (0, vec!["users/u00000 80".into(), "users/u00000 100".into()])
    );
    // Another process whose books are older has the same notices: they are recognized.
    let (_, _, older) = books(2);
    charge(&older, 0, 100);
    let (log, mut keeper) = open(&disk, &clock, fast(), Vec::new());
    let passed = keeper.pass(&older, |_| true).unwrap();
    assert_eq!(
        (passed.written, passed.recognized, older.notices_waiting()),
        (0, 2, 0)
    );
    assert_eq!(all(&log).len(), 2);
}

#[test]
fn a_closed_cycle_is_an_event_with_the_figures_just_before_its_end() {
    let (manual, clock, engine) = books(1);
    let (log, mut keeper) = open(&SimulatedDisk::new(), &clock, fast(), Vec::new());
    charge(&engine, 0, 70);
    manual.advance(DAY * 40);
    engine.tick().unwrap();
    drain(&mut keeper, &engine);
    let events = all(&log);
    let [event] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(event.kind(), EventType::CycleClosed);
    assert_eq!(event.text(), "70 of 1,000,000,000 credits used (0%)");
}

#[test]
fn what_was_changed_stands_in_the_audit_and_nobody_is_told() {
    let (_, clock, engine) = books(1);
    let disk = SimulatedDisk::new();
    let (log, mut keeper) = open(&disk, &clock, fast(), Vec::new());
    charge(&engine, 0, 80);
    let organization = engine.pending_notices(1).unwrap().0[0].organization;
    for (who, at) in [("ops", 5), ("boss", 6), ("ops", 7)] {
        let audit = Audit {
            at: Timestamp::from_nanos(at),
            who: who.into(),
            action: "SetUserLimit".into(),
            organization: "acme".into(),
            target: "users/u00000".into(),
            before: "{limit: 100}".into(),
            after: "{limit: 200}".into(),
            why: "asked for".into(),
        };
        engine.apply(&Fact::Audited {
            organization,
            audit: Box::new(audit),
        });
    }
    assert_eq!(
        (engine.notices_waiting(), drain(&mut keeper, &engine)),
        (4, 4)
    );
    for log in [log, open(&disk, &clock, fast(), Vec::new()).0] {
        let asked = |filter: AuditFilter| -> Vec<i64> {
            let page = PageOf {
                most: 10,
                ..PageOf::default()
            };
            let page = log.audits(&filter, page).unwrap();
            page.events
                .iter()
                .map(|event| event.audit().unwrap().at.nanos())
                .collect()
        };
        let instant = |nanos| Some(Timestamp::from_nanos(nanos));
        assert_eq!(asked(AuditFilter::default()), [5, 6, 7]);
        assert_eq!(
            asked(AuditFilter {
                who: Some("ops".into()),
                ..Default::default()
            }),
            [5, 7]
        );
        assert_eq!(
            asked(AuditFilter {
                from: instant(6),
                until: instant(7),
                ..Default::default()
            }),
            [6]
        );
        assert_eq!(
            asked(AuditFilter {
                organization: Some("other".into()),
                ..Default::default()
            }),
            [0; 0]
        );
        assert_eq!(
            asked(AuditFilter {
                action: Some("Other".into()),
                ..Default::default()
            }),
            [0; 0]
        );
        assert_eq!(
            shown(&all(&log)),
            ["users/u00000 80"],
            "nobody is told of them"
        );
    }
}

#[test]
fn questions_are_filtered_and_paged_in_both_orders_also_beyond_what_is_in_memory() {
    let users = RECENT_MAX / 2 + 1_500;
    let (_, clock, engine) = books(users);
    let disk = SimulatedDisk::new();
    let (log, mut keeper) = open(&disk, &clock, fast(), Vec::new());
    for user in 0..users {
        charge(&engine, user, 100);
    }
    assert_eq!(drain(&mut keeper, &engine), 2 * users);
    for log in [log, open(&disk, &clock, fast(), Vec::new()).0] {
        let events = all(&log);
        assert_eq!(events.len(), 2 * users);
        assert!(
            events
                .windows(2)
                .all(|two| two[0].sequence < two[1].sequence)
        );
        let (mut newest, mut beyond) = (Vec::new(), None);
        loop {
            let page = PageOf {
                order: Order::NewestFirst,
                beyond,
                most: 999,
            };
            let page = log.events(&EventFilter::default(), page).unwrap();
            assert!(page.events.len() <= 999);
            newest.extend(page.events);
            beyond = page.next;
            if beyond.is_none() {
                break;
            }
        }
        newest.reverse();
        assert_eq!(newest, events);
        let filter = EventFilter {
            organization: Some("acme".into()),
            types: vec![EventType::CycleClosed],
        };
        let page = PageOf {
            most: 10,
            ..PageOf::default()
        };
        assert_eq!(log.events(&filter, page).unwrap(), Default::default());
        let nobody = EventFilter {
            organization: Some("nobody".into()),
            types: Vec::new(),
        };
        assert_eq!(log.events(&nobody, page).unwrap(), Default::default());
        assert_eq!(
            log.audits(&AuditFilter::default(), page).unwrap(),
            Default::default()
        );
    }
}

#[test]
fn a_log_that_is_torn_at_any_byte_keeps_what_is_before_and_gets_the_rest_again_once() {
    let whole = SimulatedDisk::new();
    let (_, clock, first) = books(3);
    let (log, mut keeper) = open(&whole, &clock, fast(), Vec::new());
    for user in 0..3 {
        charge(&first, user, 100);
    }
    drain(&mut keeper, &first);
    let (bytes, expected) = (whole.contents(SEGMENT).unwrap(), shown(&all(&log)));
    for cut in 0..=bytes.len() {
        let disk = SimulatedDisk::new();
        disk.create(SEGMENT).unwrap();
        disk.set_contents(SEGMENT, bytes[..cut].to_vec()).unwrap();
        let (_, _, engine) = books(3);
        for user in 0..3 {
            charge(&engine, user, 100);
        }
        let (log, mut keeper) = open(&disk, &clock, fast(), Vec::new());
        let kept = shown(&all(&log));
        assert!(expected.starts_with(&kept), "cut at {cut}: {kept:?}");
        assert_eq!(
            drain(&mut keeper, &engine),
            expected.len() - kept.len(),
            "cut at {cut}"
        );
        assert_eq!(shown(&all(&log)), expected, "cut at {cut}");
        // It is found so at the next start too.
        assert_eq!(
            shown(&all(&open(&disk, &clock, fast(), Vec::new()).0)),
            expected,
            "cut at {cut}"
        );
    }
    println!(
        "log: torn at each of {} bytes: missing 0, twice 0",
        bytes.len() + 1
    );
}

#[test]
fn a_damaged_line_costs_that_line_only() {
    let (_, clock, engine) = books(4);
    let disk = SimulatedDisk::new();
    let (log, mut keeper) = open(&disk, &clock, fast(), Vec::new());
    for user in 0..4 {
        charge(&engine, user, 80);
    }
    drain(&mut keeper, &engine);
    let (bytes, events) = (disk.contents(SEGMENT).unwrap(), all(&log));
    for at in 0..bytes.len() {
        let disk = SimulatedDisk::new();
        disk.create(SEGMENT).unwrap();
        disk.set_contents(SEGMENT, bytes.clone()).unwrap();
        disk.flip(SEGMENT, at, u8::try_from(at % 8).unwrap())
            .unwrap();
        let (log, mut keeper) = open(&disk, &clock, fast(), Vec::new());
        let left = all(&log);
        // A flipped end of a line costs two.
        assert!(
            left.len() >= events.len() - 2,
            "byte {at}: {:?}",
            shown(&left)
        );
        assert!(left.iter().all(|event| events.contains(event)), "byte {at}");
        // It can be written on, and what is new is not taken for old.
        let (_, _, other) = books(5);
        charge(&other, 4, 80);
        assert_eq!(drain(&mut keeper, &other), 1, "byte {at}");
    }
}

#[test]
fn a_full_disk_keeps_the_notices_in_the_books_until_there_is_room() {
    let (_, clock, engine) = books(4);
    let disk = SimulatedDisk::new();
    let (log, mut keeper) = open(&disk, &clock, fast(), Vec::new());
    charge(&engine, 0, 100);
    drain(&mut keeper, &engine);
    let errors = [
        (|disk: &SimulatedDisk| disk.set_capacity(Some(disk.bytes() + 30))) as fn(&SimulatedDisk),
        |disk| disk.fail_kind(Kind::Sync, 0, 5),
        |disk| disk.fail_kind(Kind::Write, 0, 5),
    ];
    for (user, fail) in (1..).zip(errors) {
        charge(&engine, user, 100);
        fail(&disk);
        keeper.pass(&engine, |_| true).unwrap_err();
        assert_eq!(
            engine.notices_waiting(),
            2,
            "nothing is taken that is not safe"
        );
        disk.set_capacity(None);
        assert_eq!(drain(&mut keeper, &engine), 2);
    }
    let expected = ids(&all(&log));
    assert_eq!(expected.len(), 8);
    let again = open(&disk, &clock, fast(), Vec::new()).0;
    assert_eq!(ids(&all(&again)), expected);
}

#[test]
fn old_segments_go_after_retention_and_not_while_a_sink_is_behind_within_its_day() {
    let users = 9_000;
    for is_behind in [false, true] {
        let (manual, clock, engine) = books(users);
        let disk = SimulatedDisk::new();
        let retention = Duration::from_secs(3_600);
        let start = || {
            let sinks = if is_behind {
                vec![nowhere()]
            } else {
                Vec::new()
            };
            let options = Options {
                sinks,
                pace: Pace::default(),
                retention: Some(retention),
            };
            let disk: Arc<dyn Disk> = Arc::new(disk.clone());
            Notifications::open(disk, Arc::clone(&clock), options).unwrap()
        };
        let (log, mut keeper) = start();
        for hour in 0..3 {
            for user in (0..users).filter(|user| user % 3 == hour) {
                charge(&engine, user, 100);
            }
            manual.advance(Duration::from_secs(1_800));
            drain(&mut keeper, &engine);
        }
        assert_eq!(all(&log).len(), 2 * users);
        let segments = || {
            disk.list()
                .unwrap()
                .iter()
                .filter(|name| name.starts_with("events-"))
                .count()
        };
        let before = segments();
        assert!(before > 1, "{before} segments");
        let remove = |after: Duration| {
            manual.advance(after);
            let (log, keeper) = start();
            let running = keeper
                .start(Arc::clone(&engine), Box::new(|_| true))
                .unwrap();
            std::thread::sleep(Duration::from_millis(150));
            running.stop(Duration::from_millis(50));
            log
        };
        remove(Duration::ZERO);
        assert_eq!(segments(), before, "nothing is old");
        let log = remove(Duration::from_secs(3 * 3_600));
        if is_behind {
            assert_eq!(segments(), before, "a sink is behind, within its day");
            let log = remove(DAY * 2);
            assert!(segments() < before, "its day is over");
            assert!(log.sinks()[0].waiting < 2 * users as u64);
            continue;
        }
        assert!(segments() < before);
        let left = all(&log);
        assert!(!left.is_empty() && left.len() < 2 * users);
        let again = all(&start().0);
        assert_eq!(ids(&again), ids(&left), "at the next start it is the same");
    }
}

/// A webhook at a port that nobody listens at.
fn nowhere() -> quotad::notify::Sink {
    use quotad::notify::{SigningKey, Sink, Target, Webhook};
    let key = SigningKey::parse(super::receiver::KEY).unwrap();
    Sink {
        name: "nowhere".into(),
        target: Target::Webhook(Webhook::new("http://127.0.0.1:9/", key).unwrap()),
    }
}
