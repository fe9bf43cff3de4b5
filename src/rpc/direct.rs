//! The direct way: a call of one message answered where its bytes arrive, without the generated service.
//!
//! For every call the generated service boxes a future, a decoder, a stream and a body, and copies the message twice. Here a
//! call whose one message arrived whole and plain is decoded where it lies, answered, and encoded once. Whatever else comes
//! (a message in several frames or of several parts, compressed, too large, bytes that are no message) goes to the generated
//! service together with what was read already, so that one place words those errors. Streams: see `rpc/stream.rs`.

use crate::engine::recorder::Receipt;
use crate::rpc::REQUEST_BYTES_MAX;
pub use crate::rpc::door::Deadline;
use crate::rpc::status::Head;
pub use crate::rpc::stream::Terms;

/// What stands before a message: a flag that says whether it is compressed, and its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// The calls that have a direct way: those of one message, but for the rare ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Keeps credits.
    Reserve,
    /// Books what was used.
    Commit,
    /// Gives a hold up.
    Release,
    /// Holds more, or longer.
    Extend,
    /// Reserves and commits.
    Charge,
    /// What Reserve would answer.
    Check,
    /// Several at once.
    Batch,
}

impl Call {
    /// By the name that the contract gives it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "Reserve" => Some(Self::Reserve),
            "Commit" => Some(Self::Commit),
            "Release" => Some(Self::Release),
            "Extend" => Some(Self::Extend),
            "Charge" => Some(Self::Charge),
            "Check" => Some(Self::Check),
            "Batch" => Some(Self::Batch),
            _ => None,
        }
    }
}

/// An answer on its way.
pub struct Message {
    /// Framed.
    pub bytes: Vec<u8>,
    /// How far the record must be safe before it leaves.
    pub receipt: Receipt,
    /// When its call began, in steady time, if it is measured.
    pub began_ns: Option<i64>,
}

/// What becomes of a message.
pub enum Answer {
    /// It leaves once its receipt is safe.
    Message(Message),
    /// The head of an answer without a message.
    Refused(Head),
    /// It is no message of this call; nothing has happened.
    Unreadable,
}

/// A service that answers without a future of its own: it waits for nothing but the gate, and others do that for it.
pub trait Direct: Send + Sync {
    /// Answers one message of a call, if there is still time.
    fn answer(&self, call: Call, message: &[u8], deadline: Option<&Deadline>) -> Answer;

    /// What the messages of a stream are answered with, if streams have a direct way. The stream counts as opened.
    fn stream(&self, _deadline: Option<Deadline>) -> Option<Terms> {
        None
    }

    /// The answer of a call that is measured has left.
    fn left(&self, _call: Call, _began_ns: i64) {}

    /// An answer never leaves: what it tells cannot be made safe.
    fn lost(&self) {}
}

/// What is said of a message by the bytes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    /// Not all of them are there yet.
    Cut,
    /// It is plain, and so long.
    Plain(usize),
    /// It is compressed, or too large, or no message at all.
    Other,
}

impl Prefix {
    /// That of the message with which these bytes begin.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let Some(&[flag, length @ ..]) = bytes.first_chunk::<PREFIX_BYTES>() else {
            return Self::Cut;
        };
        match usize::try_from(u32::from_be_bytes(length)) {
            Ok(length) if flag == 0 && length <= REQUEST_BYTES_MAX => Self::Plain(length),
            _ => Self::Other,
        }
    }
}

/// The one plain message that bytes are, without its prefix; `None` if they are anything else.
pub(super) fn only_message(bytes: &[u8]) -> Option<&[u8]> {
    let message = bytes.get(PREFIX_BYTES..)?;
    (Prefix::of(bytes) == Prefix::Plain(message.len())).then_some(message)
}

/// A message behind its prefix.
pub fn framed(message: &impl prost::Message) -> Vec<u8> {
    framed_by(|bytes| message.encode_raw(bytes))
}

/// What is written, behind its prefix.
pub(super) fn framed_by(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    /// Most answers fit.
    const ANSWER_BYTES: usize = 128;
    let mut bytes = Vec::with_capacity(ANSWER_BYTES);
    frame_into(&mut bytes, write);
    bytes
}

/// The same behind what was written before.
pub(super) fn frame_into<T>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let at = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    let written = write(out);
    // What we answer is far below 4 GiB: requests end at 1 MiB.
    let length = u32::try_from(out.len() - at - PREFIX_BYTES).unwrap_or(u32::MAX);
    out[at + 1..at + PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    written
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn only_one_plain_whole_message_goes_the_direct_way() {
        let huge = u32::try_from(REQUEST_BYTES_MAX + 1).unwrap().to_be_bytes();
        let too_large = [&[0], &huge[..], &vec![0; REQUEST_BYTES_MAX + 1]].concat();
        for (bytes, expected) in [
            (&[0, 0, 0, 0, 0][..], Some(&[][..])),
            (&[0, 0, 0, 0, 2, 7, 8], Some(&[7, 8])),
            (&[], None),
            (&[0, 0, 0, 0], None),
            (&[1, 0, 0, 0, 1, 7], None),
            (&[2, 0, 0, 0, 1, 7], None),
            (&[0, 0, 0, 0, 2, 7], None),
            (&[0, 0, 0, 0, 1, 7, 8], None),
            (&too_large, None),
        ] {
            assert_eq!(only_message(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_framed_is_read_again() {
        let message = crate::rpc::pb::CommitResponse {
            committed: 80,
            returned: 1 << 40,
            ..Default::default()
        };
        let bytes = framed(&message);
        assert_eq!(
            only_message(&bytes).unwrap(),
            message.encode_to_vec().as_slice()
        );
    }
}
