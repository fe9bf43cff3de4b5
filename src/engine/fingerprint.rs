//! A hash of what a request said, to tell a retry from another request with the same id.
//!
//! FNV-1a: it must be the same after a restart and on every machine, and the ids are the caller's own, so that nobody
//! gains by a collision.

use crate::domain::names::Name;
use crate::domain::rates::Cost;

use super::order::{Charge, Extend, Reserve, Subject};

struct Fingerprint(u64);

impl Fingerprint {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn of(kind: u8) -> Self {
        let mut print = Self::new();
        print.bytes(&[kind]);
        print
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn option(&mut self, number: Option<u64>) {
        self.bytes(&[u8::from(number.is_some())]);
        self.number(number.unwrap_or(0));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    fn subject(&mut self, subject: &Subject<'_>) {
        self.text(subject.organization.as_str());
        self.text(subject.environment.as_str());
        for name in [subject.user, subject.product, subject.model] {
            self.text(name.map_or("", Name::as_str));
        }
    }

    fn cost(&mut self, cost: &Cost<'_>) {
        match cost {
            Cost::Credits { amount, operation } => {
                self.bytes(&[0]);
                self.number(amount.get());
                self.text(operation.unwrap_or(""));
            }
            Cost::Usage {
                operation,
                quantity,
            } => {
                self.bytes(&[1]);
                self.number(*quantity);
                self.text(operation);
            }
        }
    }
}

fn nanos(span: Option<std::time::Duration>) -> Option<u64> {
    span.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

/// Of an organization's name, which gives its shard.
pub(super) fn of_name(name: &str) -> u64 {
    let mut print = Fingerprint::new();
    print.bytes(name.as_bytes());
    print.0
}

/// Of a Reserve.
pub(super) fn of_reserve(order: &Reserve<'_>) -> u64 {
    let mut print = Fingerprint::of(1);
    print.subject(&order.subject);
    print.cost(&order.cost);
    print.option(order.min.map(|min| min.get()));
    print.option(nanos(order.ttl));
    print.0
}

/// Of a Charge.
pub(super) fn of_charge(order: &Charge<'_>) -> u64 {
    let mut print = Fingerprint::of(2);
    print.subject(&order.subject);
    print.cost(&order.cost);
    print.0
}

/// Of an Extend.
pub(super) fn of_extend(order: &Extend) -> u64 {
    let mut print = Fingerprint::of(3);
    print.bytes(&order.id);
    print.number(order.additional.get());
    print.option(nanos(order.ttl));
    print.0
}

/// Of a correction of the books.
pub(super) fn of_adjust(
    [organization, environment, user]: [&str; 3],
    credits: i64,
    reason: &str,
) -> u64 {
    let mut print = Fingerprint::of(4);
    for name in [organization, environment, user] {
        print.text(name);
    }
    print.number(credits.cast_unsigned());
    print.text(reason);
    print.0
}
