//! Runs the binary, and never waits for it for ever.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing here takes nearly as long.
const BOUND: Duration = Duration::from_secs(90);

/// The binary, with an environment that decides nothing by accident.
pub(crate) fn longshore<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.args(args).stdin(Stdio::null());
    for name in ["LONGSHORE_LOG", "DOCKER_CONTEXT", "DOCKER_CONFIG", "FN_DOCKER_AUTH"] {
        command.env_remove(name);
    }
    command
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout is text")
    }

    #[track_caller]
    pub(crate) fn assert(&self, code: i32, stderr: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(stderr), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn assert_silent(&self, code: i32) {
        assert_eq!((self.code, self.stderr.as_str()), (Some(code), ""), "{self:?}");
    }
}

/// Runs it to its end.
#[track_caller]
pub(crate) fn done(command: &mut Command) -> Done {
    Run::start(command).end()
}

/// Runs it with this input.
#[track_caller]
pub(crate) fn fed(command: &mut Command, input: &[u8]) -> Done {
    let mut run = Run::start(command.stdin(Stdio::piped()));
    let mut stdin = run.child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // A command that does not read its input breaks the pipe, which is its right.
        let _ = stdin.write_all(&input);
    });
    let done = run.end();
    feeder.join().expect("the feeder does not panic");
    done
}

/// A run under way.
pub(crate) struct Run {
    pub(crate) child: Child,
    started: Instant,
}

impl Run {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Starts it with the streams that the command has.
    #[track_caller]
    pub(crate) fn start_with(command: &mut Command) -> Self {
        let child = command.spawn();
        Self { child: child.expect("it starts"), started: Instant::now() }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Reads stdout until it ends with this.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) {
        let stdout = self.child.stdout.as_mut().expect("it is piped");
        let mut read = Vec::new();
        while !read.ends_with(text.as_bytes()) {
            let mut byte = [0];
            let count = stdout.read(&mut byte).expect("stdout is read");
            assert!(count > 0, "stdout ended after {:?}", String::from_utf8_lossy(&read));
            read.extend(byte);
        }
    }

    /// Waits for the end, with what is left of the output.
    #[track_caller]
    pub(crate) fn end(mut self) -> Done {
        let stdout = reader(self.child.stdout.take());
        let stderr = reader(self.child.stderr.take());
        let status = self.wait();
        let stderr = String::from_utf8(stderr.join().expect("it is read")).expect("it is text");
        Done { code: status.code(), stdout: stdout.join().expect("it is read"), stderr }
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let child = &mut self.child;
        let ended = is_so_within(BOUND.saturating_sub(self.started.elapsed()), || {
            status = child.try_wait().expect("it can be waited for");
            status.is_some()
        });
        if !ended {
            child.kill().expect("it can be killed");
            panic!("longshore did not end within {BOUND:?}");
        }
        status.expect("it has ended")
    }
}

/// Waits until it is so, and says whether that came in time.
pub(crate) fn is_so_within(bound: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > bound {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn reader(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut read = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut read).expect("it can be read");
        }
        read
    })
}

/// Bytes that no text has: all of them, in no order, from a seed.
pub(crate) fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}
