//! The testee as a program of the mock: what the conformance suite asks of it, in memory.

use std::io;

use longshore_conformance::{Act, NOT_EXECUTABLE, Write};
use longshore_driver_api::{Signal, TtySize};
use longshore_mock::{Ended, Image, Process, Program};
use longshore_testee::{ChildFate, STDERR, STDOUT, Terminals, pattern};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::{Duration, Instant};

/// An image whose entry point is the testee.
pub(crate) fn image() -> Image {
    Image::empty()
        .program("/testee", testee())
        .not_executable(NOT_EXECUTABLE)
        .entrypoint(["/testee"])
}

pub(crate) fn testee() -> Program {
    Program::new(|process| async move {
        match Act::parse(&process.args()[1..]) {
            Some(act) => done(&process, act).await.unwrap_or(Ended::Code(74)),
            None => Ended::Code(64),
        }
    })
}

async fn done(process: &Process, act: Act) -> io::Result<Ended> {
    let mut ended = Ended::Code(0);
    match act {
        Act::Exit(code) => ended = Ended::Code(code),
        Act::Die(signal) => {
            process.raise(signal).await;
            ended = Ended::Code(70);
        }
        Act::Sleep(time) => wait(process, time).await,
        Act::IgnoreTerm(time) => {
            process.ignore(Signal::TERM);
            say(process, "ready\n").await?;
            wait(process, time).await;
        }
        Act::TrapTerm { exit, signal, delay } => {
            let mut trap = process.trap(signal);
            say(process, "ready\n").await?;
            trap.recv().await;
            say(process, "caught\n").await?;
            process.sleep(delay).await;
            ended = Ended::Code(exit);
        }
        Act::Cat { limit } => {
            let mut stdin = process.stdin().take(limit.unwrap_or(u64::MAX));
            tokio::io::copy(&mut stdin, &mut process.stdout()).await?;
        }
        Act::Write(write) => write_pattern(process, write).await?,
        Act::CloseStreams { life, exit } => {
            process.stdout().close();
            process.stderr().close();
            process.sleep(life).await;
            ended = Ended::Code(exit);
        }
        Act::Daemonize { hold } => {
            let holder = Program::new(move |process| async move {
                if say(&process, "held\n").await.is_ok() {
                    wait(&process, hold).await;
                }
            });
            process.spawn(&holder, ["/testee", "hold-streams"])?;
        }
        Act::IsATty => report(process, &terminals(process)).await?,
        Act::Serve => ended = serve(process).await?,
        Act::World => {
            let spec = process.spec();
            let env: serde_json::Map<_, _> =
                process.env().iter().map(|(name, value)| (name.into(), value.into())).collect();
            let cwd = spec.work_dir.as_deref().unwrap_or("/");
            let world = serde_json::json!({ "args": process.args(), "env": env, "cwd": cwd });
            report(process, &world).await?;
        }
        Act::Read(path) => process.stdout().write_all(&process.read_file(&path)?).await?,
        Act::Fill { path, bytes } => {
            let size = usize::try_from(bytes).map_err(io::Error::other)?;
            process.write_file(&path, vec![1; size])?;
            let filled = serde_json::json!({ "asked": bytes, "written": bytes, "errno": null });
            report(process, &filled).await?;
        }
        Act::Burn(time) => process.burn(time).await,
        Act::Alloc(bytes) => {
            let _memory = process.allocate(bytes).await;
            say(process, "allocated\n").await?;
        }
        Act::AllocChild { bytes, exit } => {
            let greedy = Program::new(move |process| async move {
                let _memory = process.allocate(bytes).await;
            });
            let fate = match process.spawn(&greedy, ["/testee", "alloc"])?.wait().await {
                Ended::Code(code) => ChildFate { code: Some(i32::from(code)), signal: None },
                Ended::Signal(signal) => {
                    ChildFate { code: None, signal: Some(i32::from(signal.number())) }
                }
            };
            report(process, &fate).await?;
            ended = Ended::Code(exit);
        }
        _ => ended = Ended::Code(64),
    }
    Ok(ended)
}

async fn wait(process: &Process, time: Option<Duration>) {
    process.sleep(time.unwrap_or(Duration::MAX)).await;
}

async fn say(process: &Process, text: &str) -> io::Result<()> {
    process.stdout().write_all(text.as_bytes()).await
}

async fn report(process: &Process, report: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(report).map_err(io::Error::other)?;
    say(process, &(text + "\n")).await
}

fn terminals(process: &Process) -> Terminals {
    let tty = process.has_tty();
    let size = process.tty_size();
    Terminals {
        stdin: tty,
        stdout: tty,
        stderr: tty,
        rows: size.map(|size| size.rows),
        columns: size.map(|size| size.columns),
    }
}

async fn write_pattern(process: &Process, write: Write) -> io::Result<()> {
    let mut streams = [
        (process.stdout(), pattern(write.seed, STDOUT), write.stdout),
        (process.stderr(), pattern(write.seed, STDERR), write.stderr),
    ];
    let start = Instant::now();
    let mut sent = 0;
    let mut bytes = vec![0; usize::try_from(write.chunk).map_err(io::Error::other)?];
    while streams.iter().any(|(.., left)| *left > 0) {
        for (stream, pattern, left) in &mut streams {
            let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            pattern.fill(&mut bytes[..n]);
            stream.write_all(&bytes[..n]).await?;
            *left -= n as u64;
            sent += n as u64;
            if let Some(rate) = write.rate {
                let due = Duration::from_secs(sent).div_f64(rate as f64);
                process.sleep(due.saturating_sub(start.elapsed())).await;
            }
        }
    }
    Ok(())
}

async fn serve(process: &Process) -> io::Result<Ended> {
    say(process, "ready\n").await?;
    let mut lines = BufReader::new(process.stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match (word, rest.parse()) {
            ("out", _) => say(process, &format!("{rest}\n")).await?,
            ("err", _) => process.stderr().write_all(format!("{rest}\n").as_bytes()).await?,
            ("size", _) => {
                let size = process.tty_size().unwrap_or(TtySize { rows: 0, columns: 0 });
                say(process, &format!("size {} {}\n", size.rows, size.columns)).await?;
            }
            ("exit", Ok(code)) => return Ok(Ended::Code(code)),
            _ => return Ok(Ended::Code(64)),
        }
    }
    Ok(Ended::Code(0))
}
