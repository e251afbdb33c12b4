//! The de-multiplexer: exact on good streams, an error on bad ones.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

fn frame(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![number, 0, 0, 0];
    frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(payload);
    frame
}

/// Both streams' bytes, and how the whole ended, when the wire brings `pieces`.
async fn take_apart(pieces: Vec<Vec<u8>>, tty: bool) -> (Vec<u8>, Vec<u8>, Result<()>) {
    let (mut engine, ours) = tokio::io::duplex(1 << 20);
    let writer = async move {
        for piece in pieces {
            engine.write_all(&piece).await.unwrap();
            // Lets the reader see each piece on its own.
            tokio::task::yield_now().await;
        }
    };
    let reader = async move {
        let mut demux = Demux::new(ours, tty);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        loop {
            match demux.next().await {
                Ok(Some((Channel::Stdout, bytes))) => out.extend_from_slice(bytes),
                Ok(Some((Channel::Stderr, bytes))) => err.extend_from_slice(bytes),
                Ok(None) => return (out, err, Ok(())),
                Err(error) => return (out, err, Err(error)),
            }
        }
    };
    tokio::join!(writer, reader).1
}

#[tokio::test]
async fn frames_go_to_their_streams_and_empty_ones_are_nothing() {
    let wire =
        [frame(1, b"out"), frame(2, b"err"), frame(1, b""), frame(1, b"\x01\x02\n")].concat();
    let (out, err, end) = take_apart(vec![wire], false).await;
    assert_eq!((out.as_slice(), err.as_slice()), (&b"out\x01\x02\n"[..], &b"err"[..]));
    end.unwrap();
}

#[tokio::test]
async fn a_terminals_bytes_are_never_taken_for_a_header() {
    let wire = b"\x01\x00\x00\x00\x00\x00\x00\x02from a tty".to_vec();
    let (out, _, end) = take_apart(vec![wire.clone()], true).await;
    assert_eq!(out, wire);
    end.unwrap();
}

#[tokio::test]
async fn a_stream_cut_inside_a_frame_is_a_lost_connection_and_keeps_what_came() {
    for (keep, expected) in [(3, "3 of a frame header's 8"), (10, "2 bytes before the end")] {
        let mut wire = frame(2, b"half");
        wire.truncate(keep);
        let (_, err, end) = take_apart(vec![wire], false).await;
        assert_eq!(err, b"half"[..keep.saturating_sub(8)]);
        let error = end.unwrap_err();
        assert!(matches!(error, ClientError::Disconnected(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_header_is_an_error_and_not_output() {
    for wire in
        [&b"garbage from a proxy"[..], &[0, 0, 0, 0, 0, 0, 0, 1, b'x'], &[1, 9, 0, 0, 0, 0, 0, 1]]
    {
        let (out, err, end) = take_apart(vec![wire.to_vec()], false).await;
        assert!(out.is_empty() && err.is_empty());
        assert!(matches!(end, Err(ClientError::Protocol(_))));
    }
}

#[tokio::test]
async fn a_frame_of_four_gibibytes_is_handed_on_without_being_held() {
    let mut wire = vec![1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    wire.extend([7; 1000]);
    let (out, _, end) = take_apart(vec![wire], false).await;
    assert_eq!(out.len(), 1000);
    assert!(end.is_err());
}

proptest! {
    #[test]
    fn the_cut_of_the_wire_into_pieces_changes_nothing(
        frames in prop::collection::vec((1u8..=2, prop::collection::vec(any::<u8>(), 0..300)), 0..20),
        cuts in prop::collection::vec(1usize..40, 1..200),
    ) {
        let wire: Vec<u8> = frames.iter().flat_map(|(number, payload)| frame(*number, payload)).collect();
        let mut pieces = Vec::new();
        let mut rest = wire.as_slice();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece.to_vec());
            rest = after;
        }
        pieces.push(rest.to_vec());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (out, err, end) = runtime.block_on(take_apart(pieces, false));
        let of = |wanted| -> Vec<u8> {
            frames.iter().filter(|(n, _)| *n == wanted).flat_map(|(_, p)| p.clone()).collect()
        };
        prop_assert_eq!(out, of(1));
        prop_assert_eq!(err, of(2));
        prop_assert!(end.is_ok());
    }
}
