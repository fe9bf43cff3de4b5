//! Writing protobuf straight behind what was written before.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// A number; protobuf leaves zero out.
pub(in crate::rpc) fn number(tag: u32, number: u64, out: &mut Vec<u8>) {
    if number != 0 {
        encode_key(tag, WireType::Varint, out);
        encode_varint(number, out);
    }
}

/// Bytes that are there even if they are empty: within a `oneof` or a list.
pub(in crate::rpc) fn bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A text of several parts.
pub(in crate::rpc) fn text(tag: u32, parts: &[&str], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    let length: usize = parts.iter().map(|part| part.len()).sum();
    encode_varint(length as u64, out);
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A message within a message. Its length stands before it and is known after it; most often one byte was kept for that,
/// and is enough.
pub(in crate::rpc) fn nested(tag: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    encode_key(tag, WireType::LengthDelimited, out);
    let at = out.len();
    out.push(0);
    let begin = out.len();
    fill(out);
    let end = out.len();
    let length = (end - begin) as u64;
    let missing = encoded_len_varint(length) - 1;
    if missing > 0 {
        out.resize(end + missing, 0);
        out.copy_within(begin..end, begin + missing);
    }
    encode_varint(length, &mut &mut out[at..begin + missing]);
}
