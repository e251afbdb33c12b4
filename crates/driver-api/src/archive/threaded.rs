//! Unpacking on a thread of its own: files are written there, so that no thread that carries tasks
//! waits for a disk.

use std::io::{self, Read};
use std::path::Path;

use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, oneshot};

use super::unpack::unpack as unpack_now;
use super::{TarStream, UnpackLimits, Unpacked};
use crate::{Error, ErrorKind, Result};

/// What is handed over at once.
const PIECE: usize = 64 * 1024;
/// How many pieces may wait.
const WAITING: usize = 4;

type Piece = io::Result<Vec<u8>>;

/// Unpacks an archive that somebody else made into a folder of this host, which has to be absent or
/// empty: as [`ContainerExt::copy_out_to`](crate::ContainerExt::copy_out_to) does.
///
/// Files are written by a thread of its own. Dropping the future ends that at the next piece of the
/// archive, and leaves what was unpacked until then, as an error does.
///
/// # Errors
///
/// `UnsafeArchive` with the entry at fault, `InvalidInput` if the folder is not empty, `Io` if it
/// cannot be written or the archive is cut.
pub async fn unpack(
    mut archive: TarStream,
    folder: &Path,
    limits: UnpackLimits,
) -> Result<Unpacked> {
    let (pieces, received) = mpsc::channel::<Piece>(WAITING);
    let (tell, told) = oneshot::channel();
    let folder = folder.to_owned();
    let thread = std::thread::Builder::new().name("longshore-unpack".to_owned());
    let begun = thread.spawn(move || {
        let reader = Pieces { received, piece: Vec::new(), at: 0 };
        // Whoever waited may have gone.
        let _ = tell.send(unpack_now(reader, &folder, limits));
    });
    begun.map_err(|error| failed(&error))?;
    let feeding = async {
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = archive.read_buf(&mut piece).await;
            let last = !matches!(read, Ok(1..));
            let piece = read.map(|_| piece);
            // The thread takes no more once it is done, or has met an error.
            if pieces.send(piece).await.is_err() || last {
                break;
            }
        }
    };
    feeding.await;
    drop(pieces);
    told.await.unwrap_or_else(|_| Err(failed(&io::Error::other("the thread ended"))))
}

fn failed(error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, "copy out").message(format!("cannot unpack: {error}"))
}

/// The pieces as the thread reads them. An empty one is the end.
struct Pieces {
    received: mpsc::Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            // Whoever fed it has gone in the middle: that is no end of the archive.
            let gone = || io::Error::other("nobody waits for it any more");
            self.piece = self.received.blocking_recv().ok_or_else(gone)??;
            self.at = 0;
            if self.piece.is_empty() {
                // Asked again, it would wait for ever.
                self.received.close();
            }
        }
        let taken = buffer.len().min(self.piece.len() - self.at);
        buffer[..taken].copy_from_slice(&self.piece[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}
