//! Bytes through pipes, as the task's output goes.

use std::future::poll_fn;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

use super::*;

/// A pipe whose writing end lives as long as the process, as stdout does.
fn pipe(flags: PipeFlags) -> (OwnedFd, Output) {
    let (reader, writer) = pipe_with(flags).unwrap();
    let writer: &'static OwnedFd = Box::leak(Box::new(writer));
    (reader, Output::new("stdout", writer.as_fd()))
}

#[tokio::test]
async fn every_byte_comes_through_even_where_somebody_made_the_pipe_non_blocking() {
    for flags in [PipeFlags::empty(), PipeFlags::NONBLOCK] {
        let (reader, mut output) = pipe(flags);
        let bytes: Vec<u8> = (0..1_000_003_u32).map(|n| n.to_le_bytes()[1]).collect();
        let expected = bytes.clone();
        let length = bytes.len();
        let reading = spawn_blocking(move || {
            rustix::io::ioctl_fionbio(&reader, false).unwrap();
            let mut read = vec![0; length];
            std::fs::File::from(reader).read_exact(&mut read).unwrap();
            read
        });
        output.write_all(&bytes).await.unwrap();
        assert_eq!(reading.await.unwrap(), expected);
        assert_eq!(output.watch().error(), None);
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_is_noticed_and_named() {
    let (reader, mut output) = pipe(PipeFlags::empty());
    let watch = output.watch();
    drop(reader);
    let error = output.write_all(b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    watch.broken().await;
    assert!(watch.error().unwrap().starts_with("stdout: "));
}

#[tokio::test]
async fn a_write_that_was_given_up_is_never_taken_for_another() {
    let (reader, mut output) = pipe(PipeFlags::empty());
    // A pipe holds one chunk, so the second write waits for the reader.
    output.write_all(&[7; CHUNK]).await.unwrap();
    let waits = poll_fn(|cx| Poll::Ready(Pin::new(&mut output).poll_write(cx, &[8; CHUNK])));
    assert!(waits.await.is_pending());
    let reading = spawn_blocking(move || {
        let mut reader = std::fs::File::from(reader);
        reader.read_exact(&mut vec![0; 2 * CHUNK]).unwrap();
        reader
    });
    let error = output.write_all(b"other").await.unwrap_err();
    assert!(error.to_string().contains("given up"), "{error}");
    reading.await.unwrap();
}
