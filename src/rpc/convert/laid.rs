//! Answers of the hot path laid out as protobuf without a message in between. The tests compare them with `answer.rs`.

use std::cell::Cell;

use prost::Message;

use super::answer::answered_check;
use super::write::{TAG_MAX, bytes, nested, number};
use super::{answered_denial, answered_state};
use crate::domain::time::Timestamp;
use crate::engine::answer::{Checked, Committed, Released, Reserved, Standing};
use crate::rpc::operate::Done;

/// As [`crate::rpc::pb::ReserveResponse`] and [`crate::rpc::pb::ExtendResponse`].
pub(in crate::rpc) fn reserved(answer: &Reserved, out: &mut Vec<u8>) {
    nested(1, out, |reservation| {
        bytes(1, &answer.id, reservation);
        number(2, answer.granted.get(), reservation);
        time(3, answer.expires, reservation);
    });
    standing(2, &answer.standing, out);
}

/// As [`crate::rpc::pb::CommitResponse`].
pub(in crate::rpc) fn committed(answer: &Committed, out: &mut Vec<u8>) {
    number(1, answer.committed.get(), out);
    number(2, answer.returned.get(), out);
    number(3, answer.overrun.get(), out);
    number(4, answer.late.into(), out);
    standing(5, &answer.standing, out);
}

/// As [`crate::rpc::pb::ChargeResponse`].
pub(in crate::rpc) fn charged(answer: &Committed, out: &mut Vec<u8>) {
    number(1, answer.committed.get(), out);
    standing(2, &answer.standing, out);
    number(3, answer.overrun.get(), out);
}

/// As [`crate::rpc::pb::ReleaseResponse`].
pub(in crate::rpc) fn released(answer: &Released, out: &mut Vec<u8>) {
    number(1, answer.returned.get(), out);
    standing(2, &answer.standing, out);
}

/// As [`crate::rpc::pb::CheckResponse`].
pub(in crate::rpc) fn checked(answer: &Checked, out: &mut Vec<u8>) {
    answered_check(answer).encode_raw(out);
}

/// As [`crate::rpc::pb::Outcome`].
pub(in crate::rpc) fn outcome(done: &Done, out: &mut Vec<u8>) {
    match done {
        Done::Reserve(answer) => nested(1, out, |out| reserved(answer, out)),
        Done::Commit(answer) => nested(2, out, |out| committed(answer, out)),
        Done::Release(answer) => nested(3, out, |out| released(answer, out)),
        Done::Extend(answer) => nested(4, out, |out| reserved(answer, out)),
        Done::Charge(answer) => nested(5, out, |out| charged(answer, out)),
        Done::Check(answer) => nested(6, out, |out| checked(answer, out)),
        Done::Denied(denial) => nested(7, out, |out| answered_denial(denial).encode_raw(out)),
        Done::Failed(failure) => nested(8, out, |out| failure.encode_raw(out)),
    }
}

fn standing(tag: u32, standing: &Standing, out: &mut Vec<u8>) {
    nested(tag, out, |out| {
        // States are numbered from 0 up.
        number(
            1,
            (answered_state(standing.state) as i32)
                .unsigned_abs()
                .into(),
            out,
        );
        number(2, standing.used, out);
        number(3, standing.held, out);
        number(4, standing.limit, out);
        number(5, standing.available, out);
        time(6, standing.cycle_end, out);
    });
}

/// Room for an instant, which takes 19 bytes at most.
const TIME_BYTES: usize = 24;

/// An instant as it was laid out last.
#[derive(Clone, Copy)]
struct Laid {
    instant: Timestamp,
    /// 0 is none.
    length: usize,
    bytes: [u8; TIME_BYTES],
}

thread_local! {
    /// One for each tag. A cycle ends when it ended in the answer before, and so do most holds: they are made at the same
    /// tick of the coarse clock.
    static LAST: [Cell<Laid>; TAG_MAX as usize + 1] = const { [const { Cell::new(Laid::NONE) }; TAG_MAX as usize + 1] };
}

impl Laid {
    const NONE: Self = Self {
        instant: Timestamp::MIN,
        length: 0,
        bytes: [0; TIME_BYTES],
    };
}

fn time(tag: u32, instant: Timestamp, out: &mut Vec<u8>) {
    LAST.with(|last| {
        let last = &last[tag as usize];
        let laid = last.get();
        let at = out.len();
        if laid.instant == instant && laid.length > 0 {
            // So many that the number of bytes to copy is known.
            out.extend_from_slice(&laid.bytes);
            out.truncate(at + laid.length);
            return;
        }
        time_anew(tag, instant, out);
        let mut bytes = [0; TIME_BYTES];
        let length = out.len() - at;
        if let Some(room) = bytes.get_mut(..length) {
            room.copy_from_slice(&out[at..]);
            last.set(Laid {
                instant,
                length,
                bytes,
            });
        }
    });
}

fn time_anew(tag: u32, instant: Timestamp, out: &mut Vec<u8>) {
    let time = super::answered_time(instant);
    nested(tag, out, |out| {
        number(1, time.seconds.cast_unsigned(), out);
        // From 0 to 999,999,999.
        number(2, time.nanos.unsigned_abs().into(), out);
    });
}

#[cfg(test)]
mod tests;
