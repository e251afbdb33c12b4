//! One task that watches over a further process from its start to its end.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use longshore_driver_api::{
    Exit, ExitFacts, NotStarted, OutputReport, OverLimit, Result, SentFor, SentSignal, Signal,
    StreamEnd, StreamReport, TaskIo,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::end::end_of;
use super::{Run, kill};
use crate::client::error::ClientError;
use crate::client::reply::ExecState;
use crate::client::stream::{FromContainer, RawStream};
use crate::error::not_started;
use crate::running::output::{Output, Signals};
use crate::running::sink::Sink;
use crate::running::{cut_short, drain, input, until};

/// What the engine says against a process is shorter than this.
const LONGEST_REFUSAL: usize = 8 * 1024;
/// How long the rest of the first frame may be on its way when the process has ended.
const SILENT: Duration = Duration::from_secs(1);
/// How long one that was killed in a frozen container is waited for: with some versions of cgroups it
/// goes at once.
const STANDS: Duration = Duration::from_secs(1);
/// A frame's header.
const HEADER: usize = 8;

/// A task that is ended when its handle goes.
struct Helper(Option<JoinHandle<()>>);

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Answers those who wait if the supervisor vanishes with its runtime.
struct Unwatched(Arc<Run>);

impl Drop for Unwatched {
    fn drop(&mut self) {
        let run = &self.0;
        run.exit.send_if_modified(|exit| {
            let unanswered = exit.is_none();
            if unanswered {
                *exit = Some(Arc::new(run.lost("the runtime of the process's owner ended")));
            }
            unanswered
        });
    }
}

/// What came of the output: what became of the streams, or that there were none because the engine
/// refused to start the process, in its words.
enum Pumped {
    Output(OutputReport),
    Refused(String),
}

/// Watches over a process to its end, and says how it ended.
pub(super) async fn supervise(run: Arc<Run>, container: String, stream: RawStream, io: TaskIo) {
    let _unwatched = Unwatched(Arc::clone(&run));
    let core = &run.core;
    let started = Instant::now();
    let signals = Signals::default();
    let streams_ended = CancellationToken::new();
    let TaskIo { stdin, stdout, stderr, .. } = io;
    let (from, to) = stream.split();
    let tty = run.spec.tty;
    let input = Helper(stdin.map(|reader| core.shared.tasks.spawn(input::pump(reader, to, tty))));
    let limit = run.spec.output;
    let bytes = limit.map(|limit| limit.bytes.bytes());
    let stops_beyond = limit.is_some_and(|limit| limit.then == OverLimit::Stop);
    let wanted = (stdout.is_some(), stderr.is_some() && !tty);
    let (stdout, stderr) = (Sink::new(stdout, bytes), Sink::new(stderr, bytes));
    let output = Output { stdout, stderr, relayed: false };
    let mut pump = spawn_pump(&run, output, from, &signals);

    let (mut cancelled, mut output_limit, mut refused) = (false, false, false);
    let mut give_up: Option<Instant> = None;
    let mut killing: FuturesUnordered<BoxFuture<'_, Result<()>>> = FuturesUnordered::new();
    let mut pumped: Option<Pumped> = None;
    let patience = core.shared.timeouts.work;
    let send_kill = |reason| -> BoxFuture<'_, Result<()>> {
        let (run, container) = (&run, &container);
        Box::pin(async move {
            if kill::kill(&run.core, container, &run.id).await? {
                run.sent.lock().push(SentSignal::new(Signal::KILL, reason));
            }
            Ok(())
        })
    };
    let ended = {
        let mut end = std::pin::pin!(end_of(&run, &streams_ended));
        loop {
            tokio::select! {
                biased;
                end = &mut end => break end,
                () = core.ending.cancelled(), if !cancelled => {
                    // The removal kills it.
                    cancelled = true;
                    signals.hurry.cancel();
                    give_up = Some(Instant::now() + patience);
                }
                () = run.cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    signals.hurry.cancel();
                    give_up = Some(Instant::now() + patience);
                    killing.push(send_kill(SentFor::Cancel));
                }
                () = signals.over_limit.cancelled(), if stops_beyond && !output_limit => {
                    output_limit = true;
                    signals.hurry.cancel();
                    give_up.get_or_insert(Instant::now() + patience);
                    killing.push(send_kill(SentFor::OutputLimit));
                }
                Some(killed) = killing.next(), if !killing.is_empty() => {
                    if let Err(error) = killed && !core.ending.is_cancelled() {
                        break Err(error.to_string());
                    }
                    if *core.frozen.borrow() {
                        // Where it stands still, it may go only with the rest.
                        let soon = Instant::now() + STANDS;
                        give_up = give_up.map(|at| at.min(soon));
                    }
                }
                () = until(give_up) => break Err(match *core.frozen.borrow() {
                    true => "it was killed in a frozen container, and ends when that goes on",
                    false => "its end was not seen after it was killed",
                }.to_owned()),
                done = &mut pump, if pumped.is_none() => {
                    let done = done.unwrap_or_else(|_| nothing_known());
                    if let Pumped::Refused(words) = &done {
                        refused = true;
                        break Err(words.clone());
                    }
                    pumped = Some(done);
                    streams_ended.cancel();
                }
            }
        }
    };
    let run_time = started.elapsed();
    // The rest of its session is killed after it. A signal that ended it counts as sent, though the
    // end was seen before. What was refused never begins: there is nothing to look for.
    if !core.ending.is_cancelled() && !refused {
        let rest = async { while killing.next().await.is_some() {} };
        let _ = tokio::time::timeout(core.shared.timeouts.call, rest).await;
    }
    drop(killing);
    signals.exited.cancel();
    drop(input);
    let facts = facts_of(&run, &ended, refused, cancelled, output_limit);
    let mut report = match (pumped, refused) {
        (_, true) => nothing_written(wanted),
        (Some(Pumped::Output(report)), _) => report,
        _ => {
            let nobody_waits = nobody_waits(&run, ended.is_err());
            match drain(&mut pump, nobody_waits, &signals, nothing_known).await {
                Pumped::Output(report) => report,
                Pumped::Refused(_) => nothing_written(wanted),
            }
        }
    };
    if ended.is_err() && !refused && !cancelled {
        report = cut_short(report);
    }
    let mut exit = Exit::from_facts(facts);
    exit.output = report;
    exit.timings.run = Some(run_time);
    run.exit.send_replace(Some(Arc::new(exit)));
}

fn facts_of(
    run: &Run,
    ended: &std::result::Result<ExecState, String>,
    refused: bool,
    cancelled: bool,
    output_limit: bool,
) -> ExitFacts {
    let mut facts = ExitFacts::default();
    // What is being removed cannot take a further process: that is no reason of its own.
    facts.cancelled =
        cancelled || run.cancel.is_cancelled() && refused || run.core.ending.is_cancelled();
    facts.output_limit = output_limit;
    facts.code_hides_signal = true;
    let proves_start = run.core.shared.capabilities.exec_proves_start;
    facts.code_hides_start = !proves_start;
    facts.code_hides_refusal = !proves_start;
    facts.sent.clone_from(&run.sent.lock());
    match ended {
        Ok(state) => facts.code = state.exit_code.and_then(|code| i32::try_from(code).ok()),
        Err(words) if refused => {
            let error = ClientError::Status { status: 400, message: words.clone() };
            let why = not_started(&error).unwrap_or(NotStarted::Refused);
            facts.not_started = Some(why);
            facts.code = Some(if why == NotStarted::NotFound { 127 } else { 126 });
            facts.engine_error = Some(words.clone());
        }
        Err(words) => facts.engine_error = Some(words.clone()),
    }
    facts
}

fn spawn_pump(
    run: &Arc<Run>,
    output: Output,
    from: FromContainer,
    signals: &Signals,
) -> JoinHandle<Pumped> {
    let (run, signals) = (Arc::clone(run), signals.clone());
    let tasks = run.core.shared.tasks.clone();
    tasks.spawn(async move {
        let mut from = from;
        let tty = run.spec.tty;
        let mut early = Vec::with_capacity(LONGEST_REFUSAL);
        tokio::select! {
            biased;
            () = first_piece(&mut from, tty, &mut early) => {}
            () = signals.abandon.cancelled() => {}
            // The rest of the frame does not come any more. What there is of it is delivered.
            () = overdue(&signals.exited) => {}
        }
        // Where the number of a process that has ended is gone, its absence proves nothing.
        if run.core.shared.capabilities.exec_proves_start
            && let Some(words) = refusal(&early, tty)
            && let Ok(state) = run.core.shared.api.inspect_exec(&run.id).await
            && state.pid == 0
            && !state.running
        {
            return Pumped::Refused(words);
        }
        let (report, _) = output.pump(Cursor::new(early).chain(from), tty, signals).await;
        Pumped::Output(report)
    })
}

/// Returns once nothing can be expected of a process that has ended.
async fn overdue(exited: &CancellationToken) {
    exited.cancelled().await;
    tokio::time::sleep(SILENT).await;
}

/// Reads the first bytes of the stream, a short frame as a whole.
async fn first_piece(from: &mut (impl AsyncRead + Unpin), tty: bool, early: &mut Vec<u8>) {
    loop {
        // An error shows again at the next read.
        match from.read_buf(early).await {
            Ok(0) | Err(_) => return,
            Ok(_) if tty => return,
            Ok(_) => {}
        }
        let whole = frame_length(early).is_some_and(|length| early.len() >= HEADER + length);
        let long = frame_length(early).is_some_and(|length| length > LONGEST_REFUSAL - HEADER);
        if whole || long || early.len() >= LONGEST_REFUSAL {
            return;
        }
    }
}

fn frame_length(bytes: &[u8]) -> Option<usize> {
    let length: [u8; 4] = bytes.get(4..HEADER)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(length)).ok()
}

/// The words with which an engine would refuse a process: it writes them where the process's output
/// would begin, as one line that ends as terminals' lines do. A process may write the same, so the
/// engine has to be asked.
fn refusal(early: &[u8], tty: bool) -> Option<String> {
    let text = if tty {
        early
    } else {
        let length = frame_length(early)?;
        // It is one frame, on stdout.
        (early[0] == 1).then_some(early.get(HEADER..HEADER.checked_add(length)?)?)?
    };
    text.strip_suffix(b"\r\n").map(|text| String::from_utf8_lossy(text).trim().to_owned())
}

/// Returns once nobody waits for the rest of the output: cancelling and closing end that wait; so
/// does a lost end.
async fn nobody_waits(run: &Run, lost: bool) {
    if !lost {
        tokio::select! {
            () = run.cancel.cancelled() => {}
            () = run.core.ending.cancelled() => {}
        }
    }
}

/// The caller's writer panicked, and took the pump with it.
fn nothing_known() -> Pumped {
    let failed = StreamReport::new(StreamEnd::WriterFailed, 0, 0);
    Pumped::Output(OutputReport::new(failed, failed))
}

/// The process never was: nothing was written.
fn nothing_written(wanted: (bool, bool)) -> OutputReport {
    let whole = |wanted: bool| {
        let end = if wanted { StreamEnd::Complete } else { StreamEnd::NotAttached };
        StreamReport::new(end, 0, 0)
    };
    OutputReport::new(whole(wanted.0), whole(wanted.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(channel: u8, text: &[u8]) -> Vec<u8> {
        let mut frame = vec![channel, 0, 0, 0];
        frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(text);
        frame
    }

    #[test]
    fn only_one_whole_line_on_stdout_could_be_a_refusal() {
        let words = "OCI runtime exec failed";
        let line = format!("{words}\r\n");
        assert_eq!(refusal(&framed(1, line.as_bytes()), false).as_deref(), Some(words));
        assert_eq!(refusal(line.as_bytes(), true).as_deref(), Some(words));
        assert_eq!(refusal(&framed(2, line.as_bytes()), false), None);
        assert_eq!(refusal(&framed(1, b"output\n"), false), None);
        assert_eq!(refusal(&framed(1, line.as_bytes())[..12], false), None);
        assert_eq!(refusal(b"", false), None);
        assert_eq!(refusal(b"", true), None);
    }

    #[tokio::test]
    async fn a_short_first_frame_is_read_as_a_whole_and_a_long_one_is_not_waited_for() {
        let frame = framed(1, b"in two pieces");
        let (head, tail) = frame.split_at(10);
        let mut wire = head.chain(tail);
        let mut early = Vec::new();
        first_piece(&mut wire, false, &mut early).await;
        assert_eq!(early, frame);
        let long = framed(1, &[b'x'; 20_000]);
        let (mut near, far) = tokio::io::duplex(1 << 20);
        tokio::io::AsyncWriteExt::write_all(&mut near, &long[..100]).await.unwrap();
        let mut far = far;
        let mut early = Vec::with_capacity(LONGEST_REFUSAL);
        first_piece(&mut far, false, &mut early).await;
        assert_eq!(early, &long[..100]);
    }
}
