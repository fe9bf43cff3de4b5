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

#[inline(always)]
fn next<'a>(bytes: &mut &'a [u8]) -> Result<Field<'a>, Unreadable> {
    let (tag, kind) = key(bytes)?;
    let value = if kind == WireType::LengthDelimited {
        let length = varint(bytes)?;
        Value::Bytes(split(bytes, length)?)
    } else if kind == WireType::Varint {
        Value::Number(varint(bytes)?)
    } else {
        fixed(bytes, kind)?
    };
    Ok(Field { tag, value })
}

/// What none of our messages has.
#[cold]
fn fixed<'a>(bytes: &mut &'a [u8], kind: WireType) -> Result<Value<'a>, Unreadable> {
    let length = match kind {
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        _ => return Err(Unreadable),
    };
    split(bytes, length).map(|_| Value::Fixed)
}

/// A tag and the kind of its value: one byte in all our messages.
#[inline(always)]
fn key(bytes: &mut &[u8]) -> Result<(u32, WireType), Unreadable> {
    if let [key @ 8..0x80, rest @ ..] = *bytes {
        let kind = match key & 7 {
            0 => WireType::Varint,
            2 => WireType::LengthDelimited,
            _ => return key_of_any(bytes),
        };
        *bytes = rest;
        return Ok((u32::from(key >> 3), kind));
    }
    key_of_any(bytes)
}

#[cold]
fn key_of_any(bytes: &mut &[u8]) -> Result<(u32, WireType), Unreadable> {
    decode_key(bytes).map_err(|_| Unreadable)
}

/// A number: most take one byte.
#[inline(always)]
fn varint(bytes: &mut &[u8]) -> Result<u64, Unreadable> {
    match *bytes {
        [number @ ..0x80, rest @ ..] => {
            *bytes = rest;
            Ok((*number).into())
        }
        _ => decode_varint(bytes).map_err(|_| Unreadable),
    }
}

#[inline(always)]
fn split<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], Unreadable> {
    let length = usize::try_from(length).map_err(|_| Unreadable)?;
    let (part, rest) = bytes.split_at_checked(length).ok_or(Unreadable)?;
    *bytes = rest;
    Ok(part)
}
