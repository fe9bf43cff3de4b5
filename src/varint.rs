//! Numbers in seven bits a byte, the lowest first; all bytes but the last say that there are more. Protobuf writes them so,
//! and so does the journal.

/// Appends a number. Most take one byte.
#[inline(always)]
pub(crate) fn put(out: &mut Vec<u8>, number: u64) {
    match u8::try_from(number) {
        Ok(only @ ..0x80) => out.push(only),
        _ => put_several(out, number),
    }
}

/// Up to five bytes go down together: asking for room byte by byte costs more than they do.
#[inline(never)]
fn put_several(out: &mut Vec<u8>, number: u64) {
    // The lowest seven bits from this one on, and whether more follow.
    let last = |from: u32| (number >> from).to_le_bytes()[0];
    let more = |from: u32| last(from) | 0x80;
    match number {
        0..0x4000 => out.extend_from_slice(&[more(0), last(7)]),
        0x4000..0x20_0000 => out.extend_from_slice(&[more(0), more(7), last(14)]),
        0x20_0000..0x1000_0000 => {
            out.extend_from_slice(&[more(0), more(7), more(14), last(21)]);
        }
        0x1000_0000..0x8_0000_0000 => {
            out.extend_from_slice(&[more(0), more(7), more(14), more(21), last(28)]);
        }
        _ => {
            out.extend_from_slice(&[more(0), more(7), more(14), more(21), more(28)]);
            put(out, number >> 35);
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::encoding::encode_varint;

    use super::*;

    #[test]
    fn numbers_are_as_prost_writes_them() {
        for bit in 0..64 {
            let edge = 1_u64 << bit;
            for number in [edge - 1, edge, edge + 1, edge | 0x55, u64::MAX >> bit] {
                let (mut ours, mut theirs) = (vec![7], vec![7]);
                put(&mut ours, number);
                encode_varint(number, &mut theirs);
                assert_eq!(ours, theirs, "{number}");
            }
        }
    }
}
