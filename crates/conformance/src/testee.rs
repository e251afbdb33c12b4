//! The command lines of the program that runs in the containers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use longshore_driver_api::Signal;

/// A program of the testee image that is not there.
pub const NO_SUCH_PROGRAM: &str = "/no-such-program";

/// A file of the testee image that is there and cannot be executed.
pub const NOT_EXECUTABLE: &str = "/not-executable";

/// What the testee is asked to do: one value for each command line that a case uses.
///
/// On a real engine the image's entry point is the static program of the crate
/// `longshore-testee`. A backend in memory imitates it: [`parse`](Self::parse) gives it the act
/// from the arguments. What each has to do is said at its variant; one that cannot be done is told
/// on stderr and ends with 70, wrong arguments with 64, and a failed read or write with 74.
///
/// Signals that are not said to be handled have the kernel's default action.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// `exit N`: ends with code N and writes nothing.
    Exit(u8),
    /// `die N`: dies by signal N. Without an init it is process 1 and cannot: 70.
    Die(Signal),
    /// `sleep MS|forever`: waits, then ends with 0. SIGTERM ends it.
    Sleep(Option<Duration>),
    /// `ignore-term [MS]`: writes `ready\n`, ignores SIGTERM while it waits (for ever if no time is
    /// given), then ends with 0.
    IgnoreTerm(Option<Duration>),
    /// `trap-term --exit N --signal N --delay MS`: writes `ready\n`; when the signal comes writes
    /// `caught\n`, waits for the delay, and ends with the code.
    TrapTerm {
        /// The code at the end.
        exit: u8,
        /// The signal that it waits for.
        signal: Signal,
        /// The time between the signal and the end.
        delay: Duration,
    },
    /// `cat [--limit N]`: copies stdin to stdout until stdin's end or for N bytes, then ends with 0.
    Cat {
        /// How many bytes at most. The rest is not read.
        limit: Option<u64>,
    },
    /// `write --stdout N --stderr N --chunk N --seed S [--rate BYTES/S]`: writes so many bytes of
    /// `longshore_testee::pattern(seed, stream)` to both streams, a chunk to each in turn, then
    /// ends with 0. With a rate, it waits so that both together are no faster.
    Write(Write),
    /// `close-streams MS --exit N`: closes stdout and stderr at once, lives on for that time, and
    /// ends with the code.
    CloseStreams {
        /// How long it lives on.
        life: Duration,
        /// The code at the end.
        exit: u8,
    },
    /// `daemonize [--hold MS|forever]`: starts a grandchild that holds stdout and stderr open, writes
    /// `held\n` and waits; ends with 0 at once itself. What is left of a container dies with its
    /// main process, so the grandchild may or may not come to write.
    Daemonize {
        /// How long the grandchild would wait; for ever if absent.
        hold: Option<Duration>,
    },
    /// `isatty`: one line of JSON, `longshore_testee::Terminals`.
    IsATty,
    /// `serve`: writes `ready\n`, then does what each line on stdin says: `out TEXT` and `err TEXT`
    /// write the text and a line feed, `size` writes `size ROWS COLUMNS\n` of its terminal as it is
    /// just then, `exit N` ends with the code; the end of stdin ends with 0.
    Serve,
    /// `world`: one line of JSON that has at least `args` (the program first), `env`, `cwd`, as
    /// in `longshore_testee::World`.
    World,
    /// `read PATH`: copies a file to stdout, then ends with 0.
    Read(String),
    /// `fill PATH BYTES`: writes a file of that many bytes of the value 1, writes one line of JSON,
    /// `longshore_testee::Filled`, then ends with 0.
    Fill {
        /// The file.
        path: String,
        /// How many bytes.
        bytes: u64,
    },
    /// `burn MS`: uses that much processor time, then ends with 0.
    Burn(Duration),
    /// `alloc BYTES`: takes that much memory, writes `allocated\n`, ends with 0. Beyond the
    /// container's memory limit, the kernel kills it.
    Alloc(u64),
    /// `alloc-child BYTES --exit N`: a child takes the memory; writes the child's fate as one line of
    /// JSON, `longshore_testee::ChildFate`, then ends with the code. Beyond the container's memory
    /// limit, the kernel kills the child and not the main process.
    AllocChild {
        /// How much.
        bytes: u64,
        /// The code at the end.
        exit: u8,
    },
}

/// What `write` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Bytes to stdout.
    pub stdout: u64,
    /// Bytes to stderr.
    pub stderr: u64,
    /// Bytes of one write.
    pub chunk: u64,
    /// The seed of the pattern.
    pub seed: u64,
    /// Bytes in a second, of both streams together.
    pub rate: Option<u64>,
}

impl Act {
    /// Writes to stdout only, as fast as it can.
    #[must_use]
    pub fn write(stdout: u64, seed: u64) -> Self {
        Self::Write(Write { stdout, stderr: 0, chunk: 4096, seed, rate: None })
    }

    /// Waits for SIGTERM and ends with the code.
    #[must_use]
    pub fn trap_term(exit: u8) -> Self {
        Self::TrapTerm { exit, signal: Signal::TERM, delay: Duration::ZERO }
    }

    /// The arguments that ask the testee for it.
    #[must_use]
    pub fn args(&self) -> Vec<String> {
        let mut line = Line::default();
        match self {
            Self::Exit(code) => line.word("exit").word(code),
            Self::Die(signal) => line.word("die").word(signal.number()),
            Self::Sleep(time) => line.word("sleep").word(pause(*time)),
            Self::IgnoreTerm(time) => line.word("ignore-term").word(pause(*time)),
            Self::TrapTerm { exit, signal, delay } => line
                .word("trap-term")
                .option("exit", exit)
                .option("signal", signal.number())
                .option("delay", delay.as_millis()),
            Self::Cat { limit: None } => line.word("cat"),
            Self::Cat { limit: Some(limit) } => line.word("cat").option("limit", limit),
            Self::Write(Write { stdout, stderr, chunk, seed, rate }) => {
                line.word("write")
                    .option("stdout", stdout)
                    .option("stderr", stderr)
                    .option("chunk", chunk)
                    .option("seed", seed);
                match rate {
                    Some(rate) => line.option("rate", rate),
                    None => &mut line,
                }
            }
            Self::CloseStreams { life, exit } => {
                line.word("close-streams").word(life.as_millis()).option("exit", exit)
            }
            Self::Daemonize { hold } => line.word("daemonize").option("hold", pause(*hold)),
            Self::IsATty => line.word("isatty"),
            Self::Serve => line.word("serve"),
            Self::World => line.word("world"),
            Self::Read(path) => line.word("read").word(path),
            Self::Fill { path, bytes } => line.word("fill").word(path).word(bytes),
            Self::Burn(time) => line.word("burn").word(time.as_millis()),
            Self::Alloc(bytes) => line.word("alloc").word(bytes),
            Self::AllocChild { bytes, exit } => {
                line.word("alloc-child").word(bytes).option("exit", exit)
            }
        };
        line.0
    }

    /// The act that these arguments ask for, if they ask for one that is here.
    #[must_use]
    pub fn parse(args: &[String]) -> Option<Self> {
        let mut given = Given::of(args)?;
        let act = match given.word()? {
            "exit" => Self::Exit(given.number()?),
            "die" => Self::Die(Signal::from_number(given.number()?)?),
            "sleep" => Self::Sleep(given.pause()?),
            "ignore-term" if given.words.is_empty() => Self::IgnoreTerm(None),
            "ignore-term" => Self::IgnoreTerm(given.pause()?),
            "trap-term" => Self::TrapTerm {
                exit: given.option("exit", 0)?,
                signal: Signal::from_number(given.option("signal", Signal::TERM.number())?)?,
                delay: Duration::from_millis(given.option("delay", 0)?),
            },
            "cat" => Self::Cat { limit: given.optional("limit")? },
            "write" => Self::Write(Write {
                stdout: given.option("stdout", 0)?,
                stderr: given.option("stderr", 0)?,
                chunk: given.option("chunk", 4096)?,
                seed: given.option("seed", 0)?,
                rate: given.optional("rate")?,
            }),
            "close-streams" => Self::CloseStreams {
                life: Duration::from_millis(given.number()?),
                exit: given.option("exit", 0)?,
            },
            "daemonize" => Self::Daemonize {
                hold: match given.options.remove("hold") {
                    Some(time) => parse_pause(time)?,
                    None => None,
                },
            },
            "isatty" => Self::IsATty,
            "serve" => Self::Serve,
            "world" => Self::World,
            "read" => Self::Read(given.word()?.to_owned()),
            "fill" => Self::Fill { path: given.word()?.to_owned(), bytes: given.number()? },
            "burn" => Self::Burn(Duration::from_millis(given.number()?)),
            "alloc" => Self::Alloc(given.number()?),
            "alloc-child" => {
                Self::AllocChild { bytes: given.number()?, exit: given.option("exit", 0)? }
            }
            _ => return None,
        };
        (given.words.is_empty() && given.options.is_empty()).then_some(act)
    }
}

fn pause(time: Option<Duration>) -> String {
    match time {
        Some(time) => time.as_millis().to_string(),
        None => "forever".to_owned(),
    }
}

fn parse_pause(text: &str) -> Option<Option<Duration>> {
    match text {
        "forever" => Some(None),
        text => text.parse().ok().map(|ms| Some(Duration::from_millis(ms))),
    }
}

#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn word(&mut self, word: impl std::fmt::Display) -> &mut Self {
        self.0.push(word.to_string());
        self
    }

    fn option(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.0.push(format!("--{name}"));
        self.word(value)
    }
}

struct Given<'a> {
    words: VecDeque<&'a str>,
    options: BTreeMap<&'a str, &'a str>,
}

impl<'a> Given<'a> {
    fn of(args: &'a [String]) -> Option<Self> {
        let mut given = Self { words: VecDeque::new(), options: BTreeMap::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.strip_prefix("--") {
                Some(name) => {
                    given.options.insert(name, args.next()?);
                }
                None => given.words.push_back(arg),
            }
        }
        Some(given)
    }

    fn word(&mut self) -> Option<&'a str> {
        self.words.pop_front()
    }

    fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.word()?.parse().ok()
    }

    fn pause(&mut self) -> Option<Option<Duration>> {
        parse_pause(self.word()?)
    }

    fn option<T: std::str::FromStr>(&mut self, name: &str, absent: T) -> Option<T> {
        Some(self.optional(name)?.unwrap_or(absent))
    }

    fn optional<T: std::str::FromStr>(&mut self, name: &str) -> Option<Option<T>> {
        match self.options.remove(name) {
            Some(value) => value.parse().ok().map(Some),
            None => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_reads_back_from_its_arguments() {
        let second = Duration::from_secs(1);
        let all = [
            Act::Exit(7),
            Act::Die(Signal::KILL),
            Act::Sleep(None),
            Act::Sleep(Some(second)),
            Act::IgnoreTerm(Some(second)),
            Act::IgnoreTerm(None),
            Act::TrapTerm { exit: 3, signal: Signal::INT, delay: second },
            Act::Cat { limit: None },
            Act::Cat { limit: Some(4) },
            Act::write(5, 6),
            Act::Write(Write { stdout: 1, stderr: 2, chunk: 3, seed: 4, rate: Some(5) }),
            Act::CloseStreams { life: second, exit: 2 },
            Act::Daemonize { hold: Some(second) },
            Act::Daemonize { hold: None },
            Act::IsATty,
            Act::Serve,
            Act::World,
            Act::Read("/f".to_owned()),
            Act::Fill { path: "/f".to_owned(), bytes: 7 },
            Act::Burn(second),
            Act::Alloc(9),
            Act::AllocChild { bytes: 9, exit: 1 },
        ];
        for act in all {
            assert_eq!(Act::parse(&act.args()), Some(act));
        }
    }

    #[test]
    fn what_the_testee_would_not_take_is_no_act() {
        for line in ["", "nosuch", "exit", "exit 256", "exit 1 2", "cat --fast 1", "die 0"] {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(Act::parse(&args), None, "{line}");
        }
    }
}
