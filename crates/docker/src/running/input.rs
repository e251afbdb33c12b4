//! The task's input, streamed and ended at its end.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// What a terminal takes for the end of a line that has not ended, or else of the input.
const END_OF_TRANSMISSION: u8 = 4;

/// Copies input until it ends or the task does not take it any more. Neither is an error: a task
/// may end, or close its input, before it has read everything.
///
/// A terminal cannot be half-closed: the engine ends the task's output together with its input
/// then. So the end is typed, as a person would.
pub(crate) async fn pump(
    mut from: Box<dyn AsyncRead + Send + Unpin>,
    mut to: impl AsyncWrite + Unpin,
    tty: bool,
) {
    let mut piece = vec![0; PIECE];
    let mut last = b'\n';
    loop {
        match from.read(&mut piece).await {
            // A reader that fails has no more to give either.
            Ok(0) | Err(_) => break,
            Ok(read) => {
                if to.write_all(&piece[..read]).await.is_err() {
                    return;
                }
                last = piece[read - 1];
            }
        }
    }
    if tty {
        let end_of_line_too = !matches!(last, b'\n' | b'\r');
        let typed = [END_OF_TRANSMISSION; 2];
        let _ = to.write_all(&typed[..1 + usize::from(end_of_line_too)]).await;
        let _ = to.flush().await;
    } else {
        let _ = to.shutdown().await;
    }
    // Dropping the writing half would not close anything, the reading half holds the connection.
}

#[cfg(test)]
mod tests {
    use tokio::io::{duplex, split};

    use super::*;

    /// What arrives of an input, and whether the stream was half-closed behind it.
    async fn pumped(input: &'static [u8], tty: bool) -> (Vec<u8>, bool) {
        let (ours, mut theirs) = duplex(1024);
        let (reading, writing) = split(ours);
        pump(Box::new(input), writing, tty).await;
        let mut arrived = Vec::new();
        let closed = tokio::select! {
            biased;
            read = theirs.read_to_end(&mut arrived) => read.is_ok(),
            () = std::future::ready(()) => false,
        };
        drop(reading);
        (arrived, closed)
    }

    #[tokio::test]
    async fn the_end_of_input_half_closes_the_stream() {
        assert_eq!(pumped(b"in\x04", false).await, (b"in\x04".to_vec(), true));
        assert_eq!(pumped(b"", false).await, (Vec::new(), true));
    }

    #[tokio::test]
    async fn at_a_terminal_the_end_is_typed_and_the_stream_stays_open() {
        assert_eq!(pumped(b"", true).await, (b"\x04".to_vec(), false));
        assert_eq!(pumped(b"line\n", true).await, (b"line\n\x04".to_vec(), false));
        assert_eq!(pumped(b"half", true).await, (b"half\x04\x04".to_vec(), false));
    }
}
