//! Reading protobuf where it lies: what belongs to a text or an id stays in the message.

use prost::encoding::{WireType, decode_key, decode_varint};

/// It is no message of this kind, or one that only prost reads: groups, which nobody has sent for twenty years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of four or eight bytes: none of our messages has such a field.
    Fixed,
}

impl<'a> Value<'a> {
    pub(super) fn number(self) -> Result<u64, Unreadable> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed => Err(Unreadable),
        }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], Unreadable> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) | Self::Fixed => Err(Unreadable),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Unreadable)
    }
}

/// A message that can be read so. As protobuf says, a field that comes again replaces the one before, and a message that
/// comes again is merged into it.
pub trait Read<'a>: Default {
    /// Takes a field; ignores one that it does not know.
    #[doc(hidden)]
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable>;

    /// Takes all fields of these bytes.
    fn merge(&mut self, mut bytes: &'a [u8]) -> Result<(), Unreadable> {
        while !bytes.is_empty() {
            let field = next(&mut bytes)?;
            self.take(field)?;
        }
        Ok(())
    }

    /// The message that these bytes are.
    fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut message = Self::default();
        message.merge(bytes)?;
        Ok(message)
    }
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub(super) tag: u32,
    pub(super) value: Value<'a>,
}

/// Merges a message within a message.
pub(super) fn merge_into<'a, M: Read<'a>>(
    message: &mut Option<M>,
    value: Value<'a>,
) -> Result<(), Unreadable> {
    message.get_or_insert_default().merge(value.bytes()?)
}

fn next<'a>(bytes: &mut &'a [u8]) -> Result<Field<'a>, Unreadable> {
    let (tag, kind) = decode_key(bytes).map_err(|_| Unreadable)?;
    let value = match kind {
        WireType::Varint => Value::Number(decode_varint(bytes).map_err(|_| Unreadable)?),
        WireType::LengthDelimited => {
            let length = decode_varint(bytes).map_err(|_| Unreadable)?;
            Value::Bytes(split(bytes, length)?)
        }
        WireType::SixtyFourBit => split(bytes, 8).map(|_| Value::Fixed)?,
        WireType::ThirtyTwoBit => split(bytes, 4).map(|_| Value::Fixed)?,
        WireType::StartGroup | WireType::EndGroup => return Err(Unreadable),
    };
    Ok(Field { tag, value })
}

fn split<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], Unreadable> {
    let length = usize::try_from(length).map_err(|_| Unreadable)?;
    let (part, rest) = bytes.split_at_checked(length).ok_or(Unreadable)?;
    *bytes = rest;
    Ok(part)
}
