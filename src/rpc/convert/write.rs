//! Writing protobuf straight behind what was written before.

/// The tags of all our messages take one byte with the kind of the field.
const TAG_MAX: u32 = 15;

const VARINT: u32 = 0;
const LENGTH_DELIMITED: u32 = 2;

fn key(tag: u32, kind: u32, out: &mut Vec<u8>) {
    debug_assert!((1..=TAG_MAX).contains(&tag), "{tag} takes more than a byte");
    let [key, ..] = (tag << 3 | kind).to_le_bytes();
    out.push(key);
}

/// Seven bits in each byte, the lowest first; all but the last say that there are more. Byte by byte: most take one or two,
/// and a copy of a length that is not known ahead costs more than they do.
fn varint(number: u64, out: &mut Vec<u8>) {
    let mut rest = number;
    while rest > 0x7f {
        let [low, ..] = rest.to_le_bytes();
        out.push(low | 0x80);
        rest >>= 7;
    }
    let [last, ..] = rest.to_le_bytes();
    out.push(last);
}

/// A number; protobuf leaves zero out.
pub(in crate::rpc) fn number(tag: u32, number: u64, out: &mut Vec<u8>) {
    if number != 0 {
        key(tag, VARINT, out);
        varint(number, out);
    }
}

/// Bytes that are there even if they are empty: within a `oneof` or a list.
pub(in crate::rpc) fn bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    key(tag, LENGTH_DELIMITED, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A text of several parts.
pub(in crate::rpc) fn text(tag: u32, parts: &[&str], out: &mut Vec<u8>) {
    key(tag, LENGTH_DELIMITED, out);
    let length: usize = parts.iter().map(|part| part.len()).sum();
    varint(length as u64, out);
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A message within a message. Its length stands before it and is known after it; most often the one byte that was kept for
/// it is enough.
pub(in crate::rpc) fn nested(tag: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    key(tag, LENGTH_DELIMITED, out);
    let at = out.len();
    out.push(0);
    fill(out);
    let length = out.len() - at - 1;
    if let Some(byte) = u8::try_from(length).ok().filter(|&byte| byte <= 0x7f) {
        out[at] = byte;
        return;
    }
    // The length goes to the end for a moment, and from there to its place.
    let end = out.len();
    varint(length as u64, out);
    let head = out.split_off(end);
    out.splice(at..=at, head);
}
