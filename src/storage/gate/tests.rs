//! Who goes when, who is woken how often, and that nobody stays behind.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::atomic::AtomicUsize;
use std::task::Wake;
use std::thread;
use std::time::Duration;

use super::*;

/// Counts how often it was woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counter {
    fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn at_an_open_gate_nobody_waits_and_after_a_failure_nobody_passes() {
    let gate = Gate::open();
    assert_eq!(gate.lets_pass(Receipt(u64::MAX)), Ok(true));
    gate.pass(Receipt(7));
    assert_eq!(gate.lets_pass(Receipt(u64::MAX)), Ok(true));
    gate.fail();
    assert_eq!(gate.lets_pass(Receipt(0)), Err(Unsafe));
}

#[test]
fn a_receipt_passes_when_the_record_is_safe_up_to_it_and_not_one_slot_earlier() {
    let gate = Gate::new(true);
    assert_eq!(gate.lets_pass(Receipt(0)), Ok(true));
    assert_eq!(gate.lets_pass(Receipt(10)), Ok(false));
    gate.pass(Receipt(9));
    assert_eq!(gate.lets_pass(Receipt(10)), Ok(false));
    gate.pass(Receipt(10));
    assert_eq!(gate.lets_pass(Receipt(10)), Ok(true));
    gate.pass(Receipt(3));
    assert_eq!(gate.lets_pass(Receipt(10)), Ok(true));
}

#[test]
fn one_sync_rings_once_and_lets_go_all_who_may_in_any_order_of_receipts() {
    let gate = Arc::new(Gate::new(true));
    let waiting = Waiting::at(&gate);
    let (bell, caller) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    let mut served = Box::pin(waiting.serve());
    assert!(bell.poll(&mut served).is_pending());
    let mut waits: Vec<Wait> = [5, 3, 9, 4, 5]
        .map(|receipt| waiting.until_safe(Receipt(receipt)))
        .into();
    for wait in &mut waits {
        assert_eq!(caller.poll(wait), Poll::Pending);
    }
    gate.pass(Receipt(2));
    assert_eq!((bell.woken(), caller.woken()), (0, 0), "nobody may go yet");
    gate.pass(Receipt(5));
    assert_eq!((bell.woken(), caller.woken()), (1, 0));
    assert!(bell.poll(&mut served).is_pending());
    assert_eq!((bell.woken(), caller.woken(), waiting.count()), (1, 4, 1));
    let went: Vec<bool> = waits
        .iter_mut()
        .map(|wait| caller.poll(wait).is_ready())
        .collect();
    assert_eq!(went, [true, true, false, true, true]);
}

#[test]
fn who_waits_asks_for_a_sync_and_who_passes_does_not() {
    let gate = Arc::new(Gate::new(true));
    let waiting = Waiting::at(&gate);
    let asked = || gate.to_sync.wait(Duration::ZERO);
    let caller = Arc::new(Counter::default());
    let mut passes = waiting.until_safe(Receipt(0));
    assert!(caller.poll(&mut passes).is_ready());
    assert!(!asked());
    let mut waits = waiting.until_safe(Receipt(1));
    assert!(caller.poll(&mut waits).is_pending());
    assert!(asked());
    assert!(!asked(), "once is enough");
    // More may have been recorded since, which the sync that is under way does not make safe.
    assert!(caller.poll(&mut waits).is_pending());
    assert!(asked());
}

#[test]
fn a_failure_tells_all_who_wait_and_all_who_come() {
    let gate = Arc::new(Gate::new(true));
    let waiting = Waiting::at(&gate);
    let (bell, caller) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    let mut served = Box::pin(waiting.serve());
    assert!(bell.poll(&mut served).is_pending());
    let mut waits = [1, 2].map(|receipt| waiting.until_safe(Receipt(receipt)));
    for wait in &mut waits {
        assert_eq!(caller.poll(wait), Poll::Pending);
    }
    gate.pass(Receipt(1));
    gate.fail();
    assert!(bell.poll(&mut served).is_pending());
    assert_eq!((caller.woken(), waiting.count()), (2, 0));
    for wait in &mut waits {
        assert_eq!(caller.poll(wait), Poll::Ready(Err(Unsafe)));
    }
    let mut late = waiting.until_safe(Receipt(0));
    assert_eq!(caller.poll(&mut late), Poll::Ready(Err(Unsafe)));
}

#[test]
fn who_goes_away_leaves_nothing_behind_and_wakes_nobody() {
    let gate = Arc::new(Gate::new(true));
    let waiting = Waiting::at(&gate);
    let caller = Arc::new(Counter::default());
    for receipt in (1..1_000).rev() {
        let mut wait = waiting.until_safe(Receipt(receipt));
        assert_eq!(caller.poll(&mut wait), Poll::Pending);
        assert_eq!(
            caller.poll(&mut wait),
            Poll::Pending,
            "polled again by chance"
        );
        assert_eq!(waiting.count(), 1);
    }
    assert_eq!(waiting.count(), 0);
    let bell = Arc::new(Counter::default());
    let mut served = Box::pin(waiting.serve());
    assert!(bell.poll(&mut served).is_pending());
    gate.pass(Receipt(2_000));
    assert_eq!((bell.woken(), caller.woken()), (0, 0));
}

#[test]
fn a_runtime_that_has_ended_is_forgotten() {
    let gate = Arc::new(Gate::new(true));
    for _ in 0..3 {
        drop(Waiting::at(&gate));
    }
    let _last = Waiting::at(&gate);
    assert_eq!(gate.runtimes.lock().len(), 1);
}

/// Calls of one runtime that wait at the same time, as often as given, each for a receipt of its own. Answers how often
/// the runtime was rung at.
async fn many_calls(waiting: Arc<Waiting>, recorded: Arc<AtomicU64>, rounds: usize) -> usize {
    let (server, rung) = (Arc::clone(&waiting), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&rung);
    tokio::spawn(async move {
        let mut served = Box::pin(server.serve());
        std::future::poll_fn(|context| {
            counted.fetch_add(1, Ordering::SeqCst);
            served.as_mut().poll(context)
        })
        .await;
    });
    let calls: Vec<_> = (0..16)
        .map(|call| {
            let (waiting, recorded) = (Arc::clone(&waiting), Arc::clone(&recorded));
            tokio::spawn(async move {
                for round in 0..rounds {
                    let receipt = Receipt(recorded.fetch_add(1, Ordering::SeqCst) + 1);
                    let wait = waiting.until_safe(receipt);
                    if (call + round) % 5 == 0 {
                        // Some do not want to wait so long.
                        let _late = tokio::time::timeout(Duration::from_micros(50), wait).await;
                    } else {
                        wait.await.unwrap();
                        assert_eq!(waiting.gate().lets_pass(receipt), Ok(true));
                    }
                }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    rung.load(Ordering::SeqCst) - 1
}

#[test]
fn with_several_runtimes_everybody_goes_and_none_is_rung_more_often_than_was_synced() {
    const ROUNDS: usize = 200;
    let gate = Arc::new(Gate::new(true));
    let recorded = Arc::new(AtomicU64::new(0));
    let runtimes: Vec<_> = (0..3)
        .map(|_| {
            let (waiting, recorded) = (Waiting::at(&gate), Arc::clone(&recorded));
            let counted = Arc::clone(&waiting);
            let thread = thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .unwrap();
                runtime.block_on(many_calls(waiting, recorded, ROUNDS))
            });
            (thread, counted)
        })
        .collect();
    let mut syncs = 0_usize;
    while runtimes.iter().any(|(thread, _)| !thread.is_finished()) {
        gate.pass(Receipt(recorded.load(Ordering::SeqCst)));
        syncs += 1;
        thread::sleep(Duration::from_micros(100));
    }
    for (thread, waiting) in runtimes {
        let rung = thread.join().unwrap();
        assert!(rung <= syncs, "rung at {rung} times for {syncs} syncs");
        assert_eq!(waiting.count(), 0);
        println!("rung at {rung} times");
    }
    let calls = recorded.load(Ordering::SeqCst);
    assert_eq!(calls, 3 * 16 * ROUNDS as u64);
    println!("{calls} calls, {syncs} syncs");
}
