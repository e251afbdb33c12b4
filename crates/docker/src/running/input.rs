//! The task's input, streamed and half-closed at its end.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::client::stream::ToContainer;

/// How much is read at once.
const PIECE: usize = 16 * 1024;

/// Copies input until it ends or the task does not take it any more. Neither is an error: a task
/// may end, or close its input, before it has read everything.
pub(super) async fn pump(mut from: Box<dyn AsyncRead + Send + Unpin>, mut to: ToContainer) {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece).await {
            // A reader that fails has no more to give either.
            Ok(0) | Err(_) => break,
            Ok(read) => {
                if to.write_all(&piece[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = to.shutdown().await;
    // Dropping the writing half would not close anything, the reading half holds the connection.
}
