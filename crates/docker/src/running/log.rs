//! Output that the engine has kept, delivered to a later owner of the task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::Capabilities;
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::output::{LAST_CALL, SILENT};
use super::room::{Room, Weight};
use crate::client::api::DockerApi;
use crate::client::demux::{BUFFER, Channel, Demux};
use crate::client::error::{ClientError, Result};
use crate::client::reply::LogConfig;
use crate::client::stream::FromContainer;
use crate::container::core::Core;
use crate::retry::{again, pause};

/// How soon the end of what is told follows the end of the task.
const FOLLOWS: Duration = Duration::from_secs(1);
/// How often the last word is asked for, at most.
const ATTEMPTS: u32 = 8;
/// What is held back of a log that is read while its monitor writes it: a line that is half there is
/// told wrongly, and no line is as long.
const HELD_BACK: usize = 16 * 1024;

/// What is read of a task's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    room: Room,
    tty: bool,
    /// Up to where the two streams were delivered.
    passed: [u64; 2],
}

impl Log {
    /// The log of a container, if the engine keeps its output.
    pub(crate) fn of(
        can: &Capabilities,
        config: &LogConfig,
        tty: bool,
        passed: [u64; 2],
    ) -> Option<Self> {
        Room::of(can, config).map(|room| Self { room, tty, passed })
    }

    /// Whether the engine's own process writes it: one that was started anew has lost what it had in
    /// hand.
    pub(crate) fn is_the_engines(&self) -> bool {
        self.room.is_the_engines
    }

    /// Reads it to its end, and says whether it holds all output from the beginning.
    pub(crate) async fn is_whole(&self, api: &dyn DockerApi, id: &str) -> Result<bool> {
        // One that breaks off is read from its beginning, like one that was refused.
        again("logs", || self.fits(api, id)).await
    }

    async fn fits(&self, api: &dyn DockerApi, id: &str) -> Result<bool> {
        let reader = api.logs(id, false).await?;
        let (mut wire, mut weight) = (Demux::new(reader, self.tty), Weight::default());
        while let Some((_, bytes)) = wire.next().await? {
            weight.add(bytes);
            if !weight.fits(self.room.size) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Begins to tell it from where it was delivered, in the form of an attach stream.
    pub(super) fn relay(
        self,
        core: &Arc<Core>,
        id: &str,
        exited: &CancellationToken,
    ) -> (FromContainer, Relay) {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let telling = Telling {
            core: Arc::clone(core),
            id: id.to_owned(),
            log: self,
            exited: exited.clone(),
            to: theirs,
            whole: true,
        };
        (Box::new(ours), Relay(core.shared.tasks.spawn(telling.run())))
    }
}

/// What tells a log.
pub(super) struct Relay(JoinHandle<bool>);

impl Relay {
    /// Whether everything was told, and surely so; to be asked when nothing is read any more.
    pub(super) async fn was_whole(mut self) -> bool {
        matches!(tokio::time::timeout(LAST_CALL, &mut self.0).await, Ok(Ok(true)))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Telling {
    core: Arc<Core>,
    id: String,
    log: Log,
    exited: CancellationToken,
    to: DuplexStream,
    whole: bool,
}

/// Nobody reads any more.
struct Deaf;

impl Telling {
    /// Says whether all was told. The engine ends what it tells of a running task when that ends, and
    /// may do so a little too early: the last word is what it has when the task has ended.
    async fn run(mut self) -> bool {
        let engine = self.engine().await;
        let mut give_up = None;
        let mut last = 0;
        for attempt in 1_u32.. {
            let is_last = self.exited.is_cancelled();
            if is_last {
                let patience = self.core.shared.timeouts.engine_gone;
                give_up.get_or_insert_with(|| Instant::now() + patience);
                last += 1;
            }
            let follows = !is_last && self.log.is_the_engines();
            let api = Arc::clone(&self.core.shared.api);
            let read = match api.logs(&self.id, follows).await {
                Ok(reader) => self.tell(reader, is_last).await,
                Err(error) => Ok(Err(error)),
            };
            match read {
                Err(Deaf) => return false,
                Ok(Ok(())) if is_last => return self.whole && engine == self.engine().await,
                // That says nothing about the engine.
                Ok(Err(error)) if error.is_ours() => {}
                // What an engine had in hand when it ended is lost, and positions are wrong then.
                Ok(Err(_)) => self.whole &= !self.log.is_the_engines(),
                // That is the end of the task, which is known by now or will be soon; or of the engine.
                Ok(Ok(())) => {
                    let ended = tokio::time::timeout(FOLLOWS, self.exited.cancelled()).await;
                    self.whole &= ended.is_ok() || !self.log.is_the_engines();
                }
            }
            if last >= ATTEMPTS || give_up.is_some_and(|it| Instant::now() >= it) {
                return false;
            }
            // The engine is being started anew, or the end of the task is about to be known.
            tokio::select! {
                () = self.exited.cancelled(), if !is_last => {}
                () = tokio::time::sleep(pause(attempt.min(5))) => {}
            }
        }
        false
    }

    /// The engine's process, where it can be seen.
    async fn engine(&self) -> Option<String> {
        self.core.shared.engine_process().await.ok().flatten()
    }

    /// Tells what of it was not told yet.
    async fn tell(
        &mut self,
        reader: impl AsyncRead + Unpin,
        is_last: bool,
    ) -> std::result::Result<Result<()>, Deaf> {
        let (mut wire, mut weight) = (Demux::new(reader, self.log.tty), Weight::default());
        let mut at = [0_u64; 2];
        let (mut held, mut held_size) = (VecDeque::new(), 0);
        let exited = self.exited.clone();
        let mut late = std::pin::pin!(async {
            exited.cancelled().await;
            tokio::time::sleep(FOLLOWS).await;
        });
        loop {
            let piece = tokio::select! {
                biased;
                piece = wire.next() => piece,
                () = &mut late, if !is_last => return Ok(Ok(())),
                // All of it is there: what stands still is begun anew.
                () = tokio::time::sleep(SILENT), if is_last => {
                    return Ok(Err(ClientError::Deadline { bound: SILENT }));
                }
            };
            let (channel, bytes) = match piece {
                Ok(Some(piece)) => piece,
                Ok(None) => {
                    // What was delivered once is in it, or it is another log than it was then.
                    self.whole &= !is_last || at == self.log.passed;
                    return Ok(Ok(()));
                }
                Err(error) => return Ok(Err(error)),
            };
            weight.add(bytes);
            self.whole &= weight.fits(self.log.room.size);
            let stream = usize::from(channel == Channel::Stderr);
            let begin = at[stream];
            at[stream] += bytes.len() as u64;
            if is_last || self.log.is_the_engines() {
                self.pass_on(channel, begin, bytes).await?;
                continue;
            }
            held_size += bytes.len();
            held.push_back((channel, begin, bytes.to_vec()));
            while let Some((channel, begin, bytes)) =
                held.pop_front_if(|(.., bytes)| held_size - bytes.len() >= HELD_BACK)
            {
                held_size -= bytes.len();
                self.pass_on(channel, begin, &bytes).await?;
            }
        }
    }

    /// Tells what of a piece was not told yet, which begins there in its stream.
    async fn pass_on(
        &mut self,
        channel: Channel,
        begin: u64,
        bytes: &[u8],
    ) -> std::result::Result<(), Deaf> {
        let passed = &mut self.log.passed[usize::from(channel == Channel::Stderr)];
        let end = begin + bytes.len() as u64;
        if end <= *passed {
            return Ok(());
        }
        // At most the length of the piece.
        let told = usize::try_from(passed.saturating_sub(begin)).unwrap_or(bytes.len());
        let rest = &bytes[told..];
        *passed = end;
        let head = frame(channel, rest.len());
        if (!self.log.tty && self.to.write_all(&head).await.is_err())
            || self.to.write_all(rest).await.is_err()
        {
            return Err(Deaf);
        }
        Ok(())
    }
}

/// The header of a frame of an attach stream.
fn frame(channel: Channel, length: usize) -> [u8; 8] {
    let number = if channel == Channel::Stdout { 1 } else { 2 };
    // A piece is at most what a buffer holds.
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [number, 0, 0, 0, a, b, c, d]
}
