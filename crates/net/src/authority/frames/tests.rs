use super::*;

/// `:authority` as C core sends it, and what becomes of it.
const PATH: &[u8] = b"\x41\x0etmp%2Fapi.sock";
const LOCAL: &[u8] = b"\x41\x0elocalhost-----";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Head { length: payload.len(), kind, flags, stream }.write(&mut out);
    out.extend_from_slice(payload);
    out
}

fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE.to_vec(), frame(4, 0, 0, &[]), frames.concat()].concat()
}

/// What comes out of `bytes` that come in pieces of `piece`, however the filter hands them over.
fn filtered(bytes: &[u8], piece: usize) -> Result<Vec<u8>, RefusedFrame> {
    let mut frames = Frames::default();
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        let mut ready = Vec::new();
        let passed = frames.feed(piece, &mut ready)?;
        out.extend_from_slice(&piece[..passed]);
        out.append(&mut ready);
    }
    Ok(out)
}

#[track_caller]
fn becomes(frames: &[Vec<u8>], expected: &[Vec<u8>]) {
    let (bytes, expected) = (connection(frames), connection(expected));
    for piece in [1, 2, 3, 5, 9, 10, 24, 33, 1000, usize::MAX] {
        assert!(filtered(&bytes, piece).unwrap() == expected, "in pieces of {piece}");
    }
}

#[track_caller]
fn refused(frames: &[Vec<u8>], reason: RefusedFrame, text: &str) {
    let bytes = connection(frames);
    for piece in [1, 7, 1000, usize::MAX] {
        assert_eq!(filtered(&bytes, piece), Err(reason), "in pieces of {piece}");
    }
    assert_eq!(reason.to_string(), text);
}

#[test]
fn frames_without_such_an_authority_pass() {
    let frames = [
        frame(8, 0, 0, &[0, 0, 1, 0]),
        frame(HEADERS, END_HEADERS, 1, b"\x83\x86\x41\x09localhost\x84"),
        frame(0, 0, 1, &[7; 5000]),
        frame(0, END_STREAM, 1, &[]),
        frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0x83, 0x86, 0xbe, 0x84]),
        frame(0x77, 0xff, 3, &[1, 2, 3]),
        frame(6, 0, 0, &[0; 8]),
    ];
    becomes(&frames, &frames);
    // And stay where they are.
    let bytes = connection(&frames);
    let mut ready = Vec::new();
    assert_eq!(Frames::default().feed(&bytes, &mut ready), Ok(bytes.len()));
    assert!(ready.is_empty());
}

#[test]
fn authority_is_replaced_and_later_blocks_pass() {
    let later = [frame(0, END_STREAM, 1, b"hello"), frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0x83, 0xbe])];
    let with = |block: &[u8]| [&[frame(HEADERS, END_HEADERS, 1, block)], &later[..]].concat();
    becomes(&with(PATH), &with(LOCAL));
}

#[test]
fn padding_goes_and_priority_stays() {
    let priority = [0x80, 0, 0, 0, 15];
    let padded = [&[3][..], &priority, PATH, &[0; 3]].concat();
    let flags = END_HEADERS | END_STREAM;
    becomes(
        &[frame(HEADERS, flags | PADDED | PRIORITY, 1, &padded)],
        &[frame(HEADERS, flags | PRIORITY, 1, &[&priority[..], LOCAL].concat())],
    );
    // Where nothing is replaced they pass as they are.
    let passing = [frame(HEADERS, flags | PADDED | PRIORITY, 1, &[&[3][..], &priority, &[0x83], &[0; 3]].concat())];
    becomes(&passing, &passing);
}

#[test]
fn blocks_in_continuations_are_joined() {
    let (first, second) = PATH.split_at(4);
    becomes(
        &[
            frame(HEADERS, END_STREAM, 1, first),
            frame(CONTINUATION, 0, 1, &[]),
            frame(CONTINUATION, END_HEADERS, 1, second),
            frame(HEADERS, END_HEADERS, 3, &[0xbe]),
        ],
        &[frame(HEADERS, END_STREAM | END_HEADERS, 1, LOCAL), frame(HEADERS, END_HEADERS, 3, &[0xbe])],
    );
    let passing = [frame(HEADERS, 0, 1, &[0x83]), frame(CONTINUATION, END_HEADERS, 1, &[0x84])];
    becomes(&passing, &passing);
}

#[test]
fn long_blocks_are_written_in_frames_of_the_allowed_length() {
    // An authority, then a field of 40,000 bytes.
    let mut field = vec![0x00, 0x01, b'x', 0x7f, 0xc1, 0xb7, 0x02];
    field.extend(vec![b'v'; 40_000]);
    let frames = |first: &[u8]| {
        let block = [first, &field].concat();
        let mut parts = block.chunks(FRAME).peekable();
        let mut frames = vec![frame(HEADERS, END_STREAM, 1, parts.next().unwrap())];
        while let Some(part) = parts.next() {
            frames.push(frame(CONTINUATION, if parts.peek().is_none() { END_HEADERS } else { 0 }, 1, part));
        }
        frames
    };
    becomes(&frames(PATH), &frames(LOCAL));
}

#[test]
fn what_is_not_http2_is_refused_at_its_first_byte() {
    let mut frames = Frames::default();
    assert_eq!(frames.feed(b"GET / HTTP/1.1\r\n", &mut Vec::new()), Err(RefusedFrame::Preface));
    assert_eq!(frames.feed(PREFACE, &mut Vec::new()), Err(RefusedFrame::Preface), "refused for good");
    assert_eq!(filtered(b"PRI * HTTP/1.1\r\n", 1), Err(RefusedFrame::Preface));
    let text = "not HTTP/2: the connection does not begin with its preface";
    assert_eq!(RefusedFrame::Preface.to_string(), text);
}

#[test]
fn frames_within_a_header_block_are_refused() {
    let open = frame(HEADERS, 0, 1, &[0x83]);
    refused(
        &[open.clone(), frame(0, 0, 1, b"x")],
        RefusedFrame::Interleaved { kind: 0, stream: 1, block: 1 },
        "HTTP/2 frame of type 0 on stream 1 within the header block of stream 1",
    );
    refused(
        &[open, frame(CONTINUATION, END_HEADERS, 3, &[])],
        RefusedFrame::Interleaved { kind: 9, stream: 3, block: 1 },
        "HTTP/2 frame of type 9 on stream 3 within the header block of stream 1",
    );
    refused(
        &[frame(CONTINUATION, END_HEADERS, 1, &[])],
        RefusedFrame::LooseContinuation(1),
        "HTTP/2 CONTINUATION frame on stream 1 without a header block before it",
    );
}

#[test]
fn frames_out_of_their_bounds_are_refused() {
    refused(
        &[frame(HEADERS, END_HEADERS, 1, &vec![0; FRAME + 1])],
        RefusedFrame::FrameLength { frame: "HEADERS", stream: 1, length: FRAME + 1 },
        "HTTP/2 HEADERS frame on stream 1 has 16385 bytes, the limit is 16384",
    );
    refused(
        &[frame(HEADERS, END_HEADERS | PADDED, 1, &[5, 0x83])],
        RefusedFrame::Padding(1),
        "HTTP/2 HEADERS frame on stream 1 is shorter than its padding and priority",
    );
    refused(&[frame(HEADERS, END_HEADERS | PRIORITY, 1, &[0; 4])], RefusedFrame::Padding(1), &padding_text());
    refused(&[frame(HEADERS, END_HEADERS | PADDED, 1, &[])], RefusedFrame::Padding(1), &padding_text());
    refused(&[frame(HEADERS, END_HEADERS, 0, &[0x83])], RefusedFrame::NoStream, "HTTP/2 HEADERS frame on stream 0");
    let push = frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]);
    refused(&[push], RefusedFrame::Push, "HTTP/2 PUSH_PROMISE frame from a client");
}

fn padding_text() -> String {
    RefusedFrame::Padding(1).to_string()
}

#[test]
fn endless_header_blocks_are_refused() {
    let mut frames = vec![frame(HEADERS, 0, 1, &[0x83])];
    frames.extend((0..5).map(|_| frame(CONTINUATION, 0, 1, &vec![0x83; FRAME])));
    let text = "HTTP/2 header block on stream 1 is over the limit of 65536 bytes";
    refused(&frames, RefusedFrame::BlockLength(1), text);
    // Empty ones too.
    let mut frames = vec![frame(HEADERS, 0, 1, &[0x83])];
    frames.extend((0..8000).map(|_| frame(CONTINUATION, 0, 1, &[])));
    refused(&frames, RefusedFrame::BlockLength(1), text);
}

#[test]
fn malformed_blocks_name_their_stream() {
    refused(
        &[frame(HEADERS, END_HEADERS, 5, &[0xbe])],
        RefusedFrame::Block { stream: 5, reason: MalformedBlock::Index(62) },
        "HTTP/2 header block on stream 5 is malformed: index 62 is not in the table",
    );
}
