//! What stands in a line is read back, and nothing else.
#![allow(clippy::unwrap_used)]

use super::*;

/// One of each kind.
pub(in crate::notify) fn events() -> Vec<Event> {
    let at = Timestamp::from_nanos(1_790_000_000_123_456_789);
    let cycle = CycleSpan {
        start: Timestamp::from_nanos(7),
        end: Timestamp::MAX,
    };
    let account = |account| Notice::Threshold {
        account,
        percent: 80,
        at,
        used: 8,
        limit: 10,
        cycle,
    };
    let audit = Audit {
        at,
        who: "ops".into(),
        action: "SetUserLimit".into(),
        organization: "acme".into(),
        target: "users/ana".into(),
        before: "{limit: 1}\n".into(),
        after: "{limit: 2}\u{1f600}\"\\\u{0}".into(),
        why: "asked".into(),
    };
    let notices = vec![
        account(Account::User("a+b@x.org".into())),
        account(Account::Environment("prod".into())),
        account(Account::Pool),
        account(Account::Organization),
        Notice::Extension {
            at,
            usable: at,
            credits: 200_000,
            by: "".into(),
            cycle,
        },
        Notice::CycleClosed {
            cycle,
            used: 1,
            trial_used: 2,
            entitlement: 3,
            rolled_over: 4,
        },
        Notice::Audit(Box::new(audit)),
    ];
    let event = |(sequence, notice)| {
        let id = EventId::of("acme", &notice);
        let (organization, zone) = ("acme".into(), Tz::Europe__Paris);
        Event {
            sequence,
            id,
            organization,
            scale: 1_000,
            zone,
            notice,
        }
    };
    (1_u64..).zip(notices).map(event).collect()
}

#[test]
fn what_is_written_is_read() {
    for event in events() {
        let mut bytes = Vec::new();
        Line::Event(EventLine::of(&event)).put(&mut bytes);
        assert_eq!(
            bytes.iter().filter(|&&byte| byte == b'\n').count(),
            1,
            "one line"
        );
        let Line::Event(read) = Line::read(&bytes[..bytes.len() - 1]).unwrap() else {
            panic!("another kind of line")
        };
        assert_eq!(read.event(), event);
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    let mut bytes = Vec::new();
    Line::Event(EventLine::of(&events()[0])).put(&mut bytes);
    bytes.pop();
    for at in 0..bytes.len() {
        Line::read(&bytes[..at]).unwrap_err();
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            Line::read(&flipped).unwrap_err();
        }
    }
}
