//! What is not plain, or ends a stream, by name; and what only the direct way does.

use super::*;

/// What comes of these bytes behind a good message, cut into frames of each of some lengths.
fn ended_by(bytes: &[u8], end: &Step) -> (Code, String) {
    let good = framed(1, vec![charge("", 1)]);
    let mut said = None;
    for (before, length) in [(0, 1), (0, 7), (1, 1), (1, 7), (1, 10_000)] {
        let all = [&good.repeat(before), bytes].concat();
        let mut sides = [Side::direct(false, None), Side::generated(false, None)];
        for side in &mut sides {
            for part in all.chunks(length) {
                side.step(&Step::Frame(part.to_vec()));
            }
            side.step(end);
        }
        let [direct, generated] = sides;
        assert_eq!(direct.bytes, generated.bytes);
        assert_eq!(direct.trailers, generated.trailers);
        assert_eq!(direct.messages().len(), before);
        let status = Status::from_header_map(direct.trailers.as_ref().unwrap()).unwrap();
        let seen = (status.code(), status.message().to_owned());
        assert_eq!(said.get_or_insert_with(|| seen.clone()), &seen);
    }
    said.unwrap()
}

#[test]
fn what_is_not_plain_is_refused_as_the_generated_service_refuses_it() {
    let good = framed(2, vec![charge("", 1)]);
    let flagged = |flag: u8| [&[flag], &good[1..]].concat();
    let too_large = u32::try_from(REQUEST_BYTES_MAX + 1).unwrap().to_be_bytes();
    for (bytes, code, text) in [
        (flagged(1), Code::Internal, "compressed-flag"),
        (flagged(7), Code::Internal, "invalid compression flag: 7"),
        (
            [&[0], &too_large[..]].concat(),
            Code::OutOfRange,
            "too large",
        ),
        (vec![0, 0, 0, 0, 2, 0xff, 0xff], Code::Internal, "decode"),
        (good[..good.len() - 1].to_vec(), Code::Internal, "EOF"),
        (good[..3].to_vec(), Code::Internal, "EOF"),
        // The generated service forgets a message of which nothing but the prefix came.
        (good[..5].to_vec(), Code::Ok, ""),
        (vec![], Code::Ok, ""),
    ] {
        let (seen, said) = ended_by(&bytes, &Step::End);
        assert_eq!(seen, code, "{bytes:?}: {said}");
        assert!(said.contains(text), "{bytes:?}: {said}");
    }
}

#[test]
fn trailers_end_a_stream_and_a_broken_connection_says_why() {
    let half = &framed(2, vec![charge("", 1)])[..9];
    for bytes in [half, &[]] {
        assert_eq!(ended_by(bytes, &Step::Trailers).0, Code::Ok);
        let (code, said) = ended_by(bytes, &Step::Break);
        assert_eq!(
            (code, said.as_str()),
            (Code::Unknown, "the connection broke")
        );
    }
}

#[test]
fn after_a_message_that_only_the_generated_code_reads_the_stream_goes_on() {
    let mut group = framed(2, vec![charge("", 1)]);
    group.extend_from_slice(&[0x7b, 0x7c]);
    group[4] += 2;
    let bytes = [group, framed(3, vec![charge("", 2)])].concat();
    let mut direct = Side::direct(false, None);
    let (first, second) = bytes.split_at(bytes.len() - 4);
    direct.step(&Step::Frame(first.to_vec()));
    assert_eq!(direct.messages().len(), 1);
    direct.step(&Step::Frame(second.to_vec()));
    direct.step(&Step::End);
    let tags: Vec<u64> = direct.messages().iter().map(|it| it.tag).collect();
    assert_eq!((tags, direct.code()), (vec![2, 3], Code::Ok));
}

#[test]
fn answers_that_may_leave_together_are_one_frame_and_those_that_wait_follow_in_order() {
    let mut direct = Side::direct(true, None);
    let frames = |tags: std::ops::Range<u64>| {
        let messages = tags.map(|tag| framed(tag, vec![charge("", 1)]));
        Step::Frame(messages.collect::<Vec<_>>().concat())
    };
    let tags = |side: &Side| -> Vec<u64> { side.messages().iter().map(|it| it.tag).collect() };
    // The plan was recorded first.
    direct.step(&Step::Safe(1));
    direct.step(&frames(0..5));
    assert_eq!(direct.frames, 0);
    direct.step(&Step::Safe(2));
    assert_eq!((direct.frames, tags(&direct)), (1, vec![0, 1]));
    direct.step(&frames(5..8));
    assert_eq!(direct.frames, 1);
    direct.step(&Step::Safe(100));
    assert_eq!((direct.frames, tags(&direct)), (2, (0..8).collect()));
    direct.step(&frames(8..50));
    assert_eq!((direct.frames, tags(&direct)), (3, (0..50).collect()));
}

#[test]
fn a_round_that_is_large_leaves_in_several_frames() {
    let mut direct = Side::direct(false, None);
    let messages: Vec<_> = (0..2_000)
        .map(|tag| framed(tag, vec![charge("", 1)]))
        .collect();
    direct.step(&Step::Frame(messages.concat()));
    let (frames, bytes) = (direct.frames, direct.bytes.len());
    assert!(
        frames > 2 && bytes / frames >= 16 * 1_024,
        "{bytes} in {frames}"
    );
    assert_eq!(direct.messages().len(), 2_000);
}

/// A body that ends in a panic.
struct Panicking;

impl Body for Panicking {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        panic!("on purpose");
    }
}

#[test]
fn a_panic_ends_its_stream_and_is_counted() {
    let (parts, _) = parts(false);
    let quota = Quota::new(parts.clone(), Waiting::at(&parts.gate));
    let mut exchange = Exchange::new(quota.stream(None).unwrap(), Panicking);
    let mut context = Context::from_waker(Waker::noop());
    let mut next = || exchange.poll(&mut context);
    let Poll::Ready(Some(frame)) = next() else {
        panic!("it ends at once");
    };
    let trailers = frame.into_trailers().unwrap();
    let status = Status::from_header_map(&trailers).unwrap();
    assert_eq!((status.code(), parts.vitals.panics()), (Code::Internal, 1));
    assert!(matches!(next(), Poll::Ready(None)));
}
