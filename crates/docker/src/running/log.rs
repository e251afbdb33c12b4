//! Output that the engine has kept, delivered to a later owner of the task.
//!
//! Of the engine's log drivers only `local` keeps every byte. It writes files of a bounded size, and
//! forgets the oldest when it begins a new one too many. As long as all that it holds would fit into
//! one file it has begun no second one: then a position in the task's output is a position in what
//! the engine tells, however often that is read. Beyond that nothing is certain.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::output::LAST_CALL;
use crate::client::api::DockerApi;
use crate::client::demux::{BUFFER, Channel, Demux};
use crate::client::error::Result;
use crate::client::reply::LogConfig;
use crate::client::stream::FromContainer;
use crate::container::core::Core;
use crate::retry::{again, pause};

/// The one that keeps every byte.
const LOCAL: &str = "local";
/// A file's size where the options do not say: 20 MB, and it is not said whether of 1,000,000 bytes.
const USUAL_SIZE: u64 = 20_000_000;
/// More than an entry takes in a file beside its bytes.
const ENTRY: u64 = 192;
/// The longest entry.
const LONGEST_ENTRY: u64 = 16 * 1024;
/// How soon the end of what is told follows the end of the task.
const FOLLOWS: Duration = Duration::from_secs(1);
/// How often the last word is asked for, at least.
const ATTEMPTS: u32 = 8;

/// What is read of a task's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    /// How much it surely holds.
    size: u64,
    tty: bool,
    /// Up to where the two streams were delivered.
    passed: [u64; 2],
}

/// Whether the request that makes a container has the engine keep its output.
pub(crate) fn keeps_output(body: &Value) -> bool {
    let config = body.pointer("/HostConfig/LogConfig").cloned().unwrap_or_default();
    serde_json::from_value::<LogConfig>(config).is_ok_and(|config| size_of(&config).is_some())
}

/// How much a log surely holds, if it holds any output whole.
fn size_of(config: &LogConfig) -> Option<u64> {
    let option = |name: &str| config.config.get(name).map(String::as_str);
    // A log that is not waited for drops what comes too fast; a single file is begun anew when it
    // is full.
    let waits = option("mode").is_none_or(|mode| mode == "blocking");
    let files: u64 = option("max-file").unwrap_or("5").parse().ok()?;
    let size = option("max-size").map_or(Some(USUAL_SIZE), bytes)?;
    (config.kind == LOCAL && waits && files >= 2).then_some(size)
}

/// At least so many bytes are meant: `20m` can be either kind of megabytes.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = match unit.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// How much room bytes take in a file, at most.
#[derive(Debug, Default)]
struct Weight(u64);

impl Weight {
    fn add(&mut self, bytes: &[u8]) {
        // Each entry ends with its line, or is full.
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let length = bytes.len() as u64;
        self.0 += length + (lines + length / LONGEST_ENTRY) * ENTRY;
    }

    /// Whether what was counted is in the first file of a log of this size. Both streams have an
    /// entry more that is not full.
    fn fits(&self, size: u64) -> bool {
        self.0 + 4 * ENTRY + 2 * LONGEST_ENTRY < size
    }
}

impl Log {
    /// The log of a container, if the engine keeps its output.
    pub(crate) fn of(config: &LogConfig, tty: bool, passed: [u64; 2]) -> Option<Self> {
        size_of(config).map(|size| Self { size, tty, passed })
    }

    /// Reads it once, and says whether it holds all output from the beginning.
    pub(crate) async fn is_whole(&self, api: &dyn DockerApi, id: &str) -> Result<bool> {
        let reader = again("logs", || api.logs(id, false)).await?;
        let (mut wire, mut weight) = (Demux::new(reader, self.tty), Weight::default());
        while let Some((_, bytes)) = wire.next().await? {
            weight.add(bytes);
            if !weight.fits(self.size) {
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
        for attempt in 1_u32.. {
            let is_last = self.exited.is_cancelled();
            let api = Arc::clone(&self.core.shared.api);
            let read = match api.logs(&self.id, !is_last).await {
                Ok(reader) => self.tell(reader, is_last).await,
                Err(error) => Ok(Err(error)),
            };
            match read {
                Err(Deaf) => return false,
                Ok(Ok(())) if is_last => return self.whole && engine == self.engine().await,
                // What an engine had in hand when it ended is lost, and positions are wrong then.
                Ok(Err(_)) => self.whole = false,
                // That is the end of the task, which is known by now or will be soon; or of the engine.
                Ok(Ok(())) => {
                    let ended = tokio::time::timeout(FOLLOWS, self.exited.cancelled()).await;
                    self.whole &= ended.is_ok();
                }
            }
            if attempt > ATTEMPTS && is_last {
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
            };
            let (channel, bytes) = match piece {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            };
            weight.add(bytes);
            self.whole &= weight.fits(self.log.size);
            let stream = usize::from(channel == Channel::Stderr);
            let (begin, end) = (at[stream], at[stream] + bytes.len() as u64);
            at[stream] = end;
            let passed = &mut self.log.passed[stream];
            if end <= *passed {
                continue;
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
        }
    }
}

/// The header of a frame of an attach stream.
fn frame(channel: Channel, length: usize) -> [u8; 8] {
    let number = if channel == Channel::Stdout { 1 } else { 2 };
    // A piece is at most what a buffer holds.
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [number, 0, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config(kind: &str, options: &[(&str, &str)]) -> LogConfig {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        LogConfig { kind: kind.into(), config: options.collect::<BTreeMap<_, _>>() }
    }

    #[test]
    fn only_a_local_log_of_several_files_that_is_waited_for_keeps_output() {
        assert_eq!(size_of(&config("local", &[])), Some(USUAL_SIZE));
        let two = [("max-size", "64k"), ("max-file", "2"), ("mode", "blocking")];
        assert_eq!(size_of(&config("local", &two)), Some(64_000));
        for (kind, options) in [
            ("json-file", vec![]),
            ("none", vec![]),
            ("", vec![]),
            ("local", vec![("max-file", "1")]),
            ("local", vec![("max-file", "many")]),
            ("local", vec![("max-size", "-1")]),
            ("local", vec![("mode", "non-blocking")]),
        ] {
            assert_eq!(size_of(&config(kind, &options)), None, "{kind} {options:?}");
        }
    }

    #[test]
    fn sizes_are_read_as_the_engine_does_and_never_as_more() {
        for (text, expected) in [
            ("1048576", Some(1_048_576)),
            ("10k", Some(10_000)),
            ("20m", Some(20_000_000)),
            ("1 GB", Some(1_000_000_000)),
            ("2MiB", Some(2_000_000)),
            ("m", None),
            ("1t", None),
            ("1.5m", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn many_short_lines_weigh_more_than_a_long_one() {
        let (mut long, mut short) = (Weight::default(), Weight::default());
        long.add(&[b'x'; 100_000]);
        for _ in 0..50_000 {
            short.add(b"x\n");
        }
        assert!(long.fits(200_000) && !short.fits(1_000_000));
    }

    #[test]
    fn the_request_says_whether_output_is_kept() {
        let body = |kind: &str| serde_json::json!({"HostConfig": {"LogConfig": {"Type": kind, "Config": {}}}});
        assert!(keeps_output(&body("local")));
        assert!(!keeps_output(&body("none")));
        assert!(!keeps_output(&Value::Null));
    }
}
