//! Writing protobuf straight behind what was written before.

use crate::varint;

/// The tags of all our messages take one byte with the kind of the field.
pub(super) const TAG_MAX: u32 = 15;

const VARINT: u32 = 0;
const LENGTH_DELIMITED: u32 = 2;

#[inline]
fn key(tag: u32, kind: u32) -> u8 {
    debug_assert!((1..=TAG_MAX).contains(&tag), "{tag} takes more than a byte");
    let [key, ..] = (tag << 3 | kind).to_le_bytes();
    key
}

/// A number; protobuf leaves zero out.
#[inline]
pub(in crate::rpc) fn number(tag: u32, number: u64, out: &mut Vec<u8>) {
    let key = key(tag, VARINT);
    if let Ok(only @ ..0x80) = u8::try_from(number) {
        if only != 0 {
            out.extend_from_slice(&[key, only]);
        }
    } else {
        out.push(key);
        varint::put(out, number);
    }
}

/// Bytes that are there even if they are empty: within a `oneof` or a list.
#[inline]
pub(in crate::rpc) fn bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    head(tag, bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// What stands before so many bytes.
#[inline]
fn head(tag: u32, length: usize, out: &mut Vec<u8>) {
    let key = key(tag, LENGTH_DELIMITED);
    match u8::try_from(length) {
        Ok(length @ ..=0x7f) => out.extend_from_slice(&[key, length]),
        _ => {
            out.push(key);
            varint::put(out, length as u64);
        }
    }
}

/// A text of several parts.
pub(in crate::rpc) fn text(tag: u32, parts: &[&str], out: &mut Vec<u8>) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    head(tag, length, out);
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A message within a message. Its length stands before it and is known after it; most often the one byte that was kept for
/// it is enough.
#[inline]
pub(in crate::rpc) fn nested(tag: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[key(tag, LENGTH_DELIMITED), 0]);
    let at = out.len() - 1;
    fill(out);
    let length = out.len() - at - 1;
    if let Some(byte) = u8::try_from(length).ok().filter(|&byte| byte <= 0x7f) {
        out[at] = byte;
        return;
    }
    // The length goes to the end for a moment, and from there to its place.
    let end = out.len();
    varint::put(out, length as u64);
    let head = out.split_off(end);
    out.splice(at..=at, head);
}

#[cfg(test)]
mod tests {
    use prost::encoding::uint64;

    use super::*;

    #[test]
    fn numbers_are_laid_out_as_prost_does() {
        let edges = (0..64).flat_map(|bit| {
            let edge = 1_u64 << bit;
            [edge - 1, edge, edge + 1, edge | 0x55, u64::MAX >> bit]
        });
        for it in edges {
            for tag in [1, TAG_MAX] {
                let (mut ours, mut theirs) = (vec![7], vec![7]);
                number(tag, it, &mut ours);
                if it != 0 {
                    uint64::encode(tag, &it, &mut theirs);
                }
                assert_eq!(ours, theirs, "{tag}: {it}");
            }
        }
    }

    #[test]
    fn a_length_takes_as_many_bytes_as_it_needs() {
        for length in [0, 1, 127, 128, 16_383, 16_384] {
            let text = "x".repeat(length);
            let mut theirs = Vec::new();
            prost::encoding::string::encode(3, &text, &mut theirs);
            let mut ours = [Vec::new(), Vec::new(), Vec::new()];
            bytes(3, text.as_bytes(), &mut ours[0]);
            let (head, tail) = text.split_at(length / 2);
            self::text(3, &[head, tail], &mut ours[1]);
            nested(3, &mut ours[2], |out| {
                out.extend_from_slice(text.as_bytes())
            });
            for ours in ours {
                assert!(ours == theirs, "{length}");
            }
        }
    }
}
