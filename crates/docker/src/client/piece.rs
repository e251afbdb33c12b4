//! Reading without a buffer that waits: thousands of connections stand still.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;

use tokio::io::{AsyncRead, ReadBuf};

/// Reads what is there, at most `MOST` bytes; none at the end. Whoever waits holds no memory for it, and
/// dropping the future loses nothing.
pub(super) async fn piece<const MOST: usize>(
    reader: &mut (impl AsyncRead + Unpin),
) -> io::Result<Box<[u8]>> {
    poll_fn(|context| {
        let mut bytes = [0; MOST];
        let mut read = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut *reader).poll_read(context, &mut read))?;
        Ok(Box::from(read.filled())).into()
    })
    .await
}
