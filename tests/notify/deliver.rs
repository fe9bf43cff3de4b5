//! Sinks: every event arrives, in order for each of them, whatever receivers do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quotad::notify::{After, Email, EventFilter, NotifyError, Pace, Replay, Sink, Target};

use super::house::{House, all, charge, fast, ids, once, until, webhook};
use super::mailer::Mailer;
use super::receiver::{Mood, Receiver};

const USERS: usize = 100;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn email(mailer: &Mailer) -> Sink {
    let (server, to) = (
        format!("smtp://{}", mailer.address),
        ["Ops <ops@example.org>".to_owned()],
    );
    let target =
        Target::Email(Email::new(&server, None, "Quota <quota@example.org>", &to).unwrap());
    Sink {
        name: "mail".into(),
        target,
    }
}

/// In turns: mostly well, else each way of going wrong.
fn flaky(attempt: u64) -> Mood {
    match attempt % 11 {
        1 => Mood::Answers(500),
        3 => Mood::Closes,
        5 => Mood::Refuses,
        7 => Mood::Answers(410),
        9 if attempt.is_multiple_of(3) => Mood::Hangs,
        10 => Mood::Answers(302),
        _ => Mood::Well,
    }
}

#[test]
fn every_event_arrives_in_order_at_receivers_that_fail_hang_close_and_answer_500() {
    runtime().block_on(async {
        let receiver = Receiver::start(0, |attempt, _| flaky(attempt)).await;
        let mailer = Mailer::start(|connection| match connection % 9 {
            1 => Mood::Answers(421),
            3 => Mood::Closes,
            4 => Mood::Answers(550),
            5 => Mood::Refuses,
            7 => Mood::Answers(500),
            8 if connection.is_multiple_of(5) => Mood::Hangs,
            _ => Mood::Well,
        })
        .await;
        let log = Sink { name: "log".into(), target: Target::Log };
        let sinks = vec![webhook("hook", &receiver, "/hook"), email(&mailer), log];
        let mut house = House::start(USERS, fast(), sinks);
        for user in 0..USERS {
            charge(&house.engine, user, 80);
            charge(&house.engine, user, 20);
            if user % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let delivered = || house.log.sinks().iter().all(|sink| sink.delivered == 2 * USERS as u64);
        until("everything is delivered", delivered).await;
        let expected = ids(&all(&house.log));
        assert_eq!(expected.len(), 2 * USERS);
        let (posted, posted_again) = once(receiver.posts("/hook").into_iter().map(|it| it.id));
        assert_eq!(posted, expected, "the webhook's order");
        let (mailed, mailed_again) = once(mailer.letters().into_iter().map(|it| it.id));
        assert_eq!(mailed, expected, "the letters' order");
        assert_eq!(receiver.wrongs(), Vec::<String>::new());
        assert!(receiver.posts("/elsewhere").is_empty(), "redirects are not followed");
        let letter = mailer.letters()[0].text.clone();
        for says in ["Subject: acme: user u00000 has reached 80%", "80 of 100 credits used (80%)", "Resets:", "What to do:"] {
            assert!(letter.replace("\n ", " ").contains(says), "{says}: {letter}");
        }
        let failed: u64 = house.log.sinks().iter().map(|sink| sink.failed_attempts).sum();
        println!(
            "deliver: {} events to 3 sinks; {} posts, {} letters in {} connections; {failed} attempts failed; again with \
             the same id {posted_again} posts and {mailed_again} letters; missing 0, out of order 0, signatures wrong 0",
            expected.len(),
            receiver.posts("/hook").len(),
            mailer.letters().len(),
            mailer.connections(),
        );
        assert!(failed > 50 && posted_again > 0 && mailed_again > 0, "the run never met what it is there to meet");
        assert!(house.log.dead_letters().is_empty());
        house.stop();
    });
}

#[test]
fn a_sink_that_hangs_delays_neither_the_other_one_on_the_same_receiver_nor_a_request() {
    runtime().block_on(async {
        let receiver = Receiver::start(0, |_, path| if path == "/hang" { Mood::Hangs } else { Mood::Well }).await;
        let pace = Pace { attempt_max: Duration::from_secs(10), ..fast() };
        let sinks = vec![webhook("a-hang", &receiver, "/hang"), webhook("good", &receiver, "/good")];
        let mut house = House::start(USERS, pace, sinks);
        let (mut slowest, mut slowest_charge) = (Duration::ZERO, Duration::ZERO);
        for user in 0..20 {
            let began = Instant::now();
            charge(&house.engine, user, 80);
            slowest_charge = slowest_charge.max(began.elapsed());
            until("the good one hears of it", || receiver.accepted("/good") == user + 1).await;
            slowest = slowest.max(began.elapsed());
        }
        println!(
            "hang: 20 events reached the good sink within {} ms each, a charge took at most {} us; the one that hangs \
             was asked {} times",
            slowest.as_millis(),
            slowest_charge.as_micros(),
            receiver.posts("/hang").len(),
        );
        assert_eq!(receiver.posts("/hang").len(), 1, "it hangs at the first");
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        assert_eq!(house.log.sinks()[0].waiting, 20);
        let began = Instant::now();
        house.stop();
        assert!(began.elapsed() < Duration::from_secs(2), "it holds up the end: {:?}", began.elapsed());
    });
}

#[test]
fn a_receiver_that_goes_and_comes_back_gets_everything_also_over_a_restart() {
    runtime().block_on(async {
        let receiver = Receiver::start(0, |_, _| Mood::Well).await;
        let sink = webhook("hook", &receiver, "/hook");
        let mut house = House::start(USERS, fast(), vec![sink.clone()]);
        for user in 0..10 {
            charge(&house.engine, user, 80);
        }
        until("the first ones arrive", || receiver.accepted("/hook") == 10).await;
        let before: Vec<_> = receiver
            .posts("/hook")
            .into_iter()
            .map(|it| it.id)
            .collect();
        let port = receiver.stop().await;
        for user in 10..20 {
            charge(&house.engine, user, 80);
        }
        until("it fails", || house.log.sinks()[0].failed_attempts > 3).await;
        house.restart(fast(), vec![sink.clone()]);
        for user in 20..30 {
            charge(&house.engine, user, 80);
        }
        let receiver = Receiver::start(port, |_, _| Mood::Well).await;
        until("the rest arrives", || receiver.accepted("/hook") == 20).await;
        let after = receiver.posts("/hook").into_iter().map(|it| it.id);
        let (order, _) = once(before.into_iter().chain(after));
        assert_eq!(order, ids(&all(&house.log)));
        // Another name is another sink: it is told from now on.
        house.restart(fast(), vec![sink, webhook("new", &receiver, "/new")]);
        charge(&house.engine, 30, 80);
        until("both hear of it", || {
            receiver.accepted("/new") == 1 && receiver.accepted("/hook") == 21
        })
        .await;
        house.stop();
    });
}

#[test]
fn what_is_not_taken_in_time_is_a_dead_letter_that_can_be_replayed() {
    runtime().block_on(async {
        let is_well = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&is_well);
        let mood = move |_, _: &str| {
            if watched.load(Ordering::SeqCst) {
                Mood::Well
            } else {
                Mood::Answers(503)
            }
        };
        let receiver = Receiver::start(0, mood).await;
        let pace = Pace {
            give_up_after: Duration::from_millis(60),
            ..fast()
        };
        let sink = webhook("hook", &receiver, "/hook?token=hidden");
        let mut house = House::start(USERS, pace.clone(), vec![sink.clone()]);
        for user in 0..3 {
            charge(&house.engine, user, 80);
        }
        until("all are given up", || house.log.dead_letters().len() == 3).await;
        // They survive a restart.
        house.restart(pace, vec![sink]);
        let dead = house.log.dead_letters();
        let events = all(&house.log);
        let dead_ids: Vec<_> = dead.iter().map(|letter| letter.id.to_string()).collect();
        assert_eq!(dead_ids, ids(&events));
        assert!(
            dead[0].attempts > 1 && dead[0].error.contains("503"),
            "{:?}",
            dead[0]
        );
        assert!(!format!("{dead:?} {:?}", house.log.sinks()).contains("hidden"));
        assert!(matches!(
            house.log.replay("nobody", &Replay::All),
            Err(NotifyError::UnknownSink(_))
        ));
        // It fails again, and stays.
        assert_eq!(
            house
                .log
                .replay("hook", &Replay::Events(vec![dead[1].id]))
                .unwrap(),
            1
        );
        until("it was tried", || {
            house
                .log
                .dead_letters()
                .iter()
                .any(|it| it.attempts > dead[1].attempts)
        })
        .await;
        assert_eq!(house.log.dead_letters().len(), 3);
        is_well.store(true, Ordering::SeqCst);
        charge(&house.engine, 3, 80);
        until("what comes later is not held up", || {
            house.log.sinks()[0].delivered == 1
        })
        .await;
        assert_eq!(
            house
                .log
                .replay("hook", &Replay::Events(vec![dead[1].id]))
                .unwrap(),
            1
        );
        until("one is alive again", || house.log.dead_letters().len() == 2).await;
        assert_eq!(house.log.replay("hook", &Replay::All).unwrap(), 2);
        until("all are", || house.log.dead_letters().is_empty()).await;
        let replayed = receiver
            .posts("/hook?token=hidden")
            .into_iter()
            .filter(|post| post.mood == Mood::Well);
        let replayed: Vec<_> = replayed.map(|post| post.id).collect();
        let expected = [3, 1, 0, 2].map(|at| all(&house.log)[at].id.to_string());
        assert_eq!(replayed, expected);
        assert!(
            house
                .log
                .replay("hook", &Replay::Events(vec![dead[1].id]))
                .is_err()
        );
        house.stop();
    });
}

#[test]
fn a_watcher_resumes_from_an_event_at_its_own_speed() {
    runtime().block_on(async {
        let mut house = House::start(USERS, fast(), Vec::new());
        for user in 0..50 {
            charge(&house.engine, user, 100);
        }
        until("all are in the log", || all(&house.log).len() == 100).await;
        let events = all(&house.log);
        let after = After::Event(events[39].id);
        let mut watcher = house.log.subscribe(EventFilter::default(), after).unwrap();
        for event in &events[40..] {
            assert_eq!(watcher.next().await.unwrap(), *event);
        }
        // What comes later too; a future that was dropped while it waited loses nothing.
        let cut = tokio::time::timeout(Duration::from_millis(20), watcher.next()).await;
        assert!(cut.is_err());
        charge(&house.engine, 50, 80);
        let next = tokio::time::timeout(Duration::from_secs(10), watcher.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(next.account(), "users/u00050");
        let mut now = house
            .log
            .subscribe(EventFilter::default(), After::Now)
            .unwrap();
        charge(&house.engine, 50, 20);
        assert_eq!(
            now.next().await.unwrap().notice.to_string(),
            "users/u00050 100"
        );
        let unknown = house.log.subscribe(
            EventFilter::default(),
            After::Event(quotad::notify::EventId([7; 16])),
        );
        assert!(matches!(unknown, Err(NotifyError::UnknownEvent(_))));
        house.stop();
    });
}
