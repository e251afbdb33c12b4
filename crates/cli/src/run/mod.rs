//! `longshore run`: one task, from its options to an exit status.

mod args;
mod parse;
mod report_file;
mod reports;
mod spec;
mod stdin;
mod supervise;
mod toml_lines;
mod verdict;

#[cfg(test)]
mod spec_tests;

pub(crate) use args::Args;

use std::net::SocketAddr;
use std::sync::Arc;

use longshore::{BoundPort, Exit, TaskSpec};

use crate::failure::{Failure, note};
use crate::input::{self, blocking};
use crate::signals::Signals;
use report_file::{Opened, Wanted};
use reports::{End, EndError, StatsFile};
use spec::World;
use stdin::Stdin;
use supervise::{Ended, Files};
use verdict::{Circumstances, Verdict, judge};

pub(crate) async fn main(args: Args) -> Result<u8, Failure> {
    let mut signals = Signals::catch()?;
    let args = Arc::new(args);
    let wanted = Wanted::by(&args);
    let asked = Arc::clone(&args);
    let described = async { Ok(blocking(move || describe(&asked)).await) };
    let (spec, stdin) = match signals.unless(described).await? {
        Ok(described) => described,
        Err(failure) => return no_task(failure.invalid(), wanted, &mut signals).await,
    };
    let Opened { json, stats } = signals.unless(blocking(move || wanted.open())).await?;
    let stats = stats.map(StatsFile::start).transpose()?;

    let files = Files { stdin, stats: stats.as_ref() };
    let ended = supervise::run(&args.engine, &spec, files, args.task.quiet, &mut signals).await;

    let verdict = tell(&ended, &spec);
    let mut status = verdict.status;
    if let Some(file) = json {
        let text = end(&ended, &spec, &verdict).text();
        let written = blocking(move || file.write(&text?));
        status = with_report(status, signals.unless(written).await);
    }
    if let Some(stats) = stats {
        let finished = blocking(move || stats.finish());
        status = with_report(status, signals.unless(finished).await);
    }
    Ok(status)
}

/// The task, and what it gets of stdin.
fn describe(args: &Args) -> Result<(TaskSpec, Stdin), Failure> {
    let stdin = Stdin::by(args)?;
    let world = World { var: &|name| std::env::var_os(name), read: &input::read };
    Ok((spec::spec(args, &world)?, stdin))
}

/// Tells what is wrong with a description, in the report of the end too. Nothing was run.
async fn no_task(failure: Failure, wanted: Wanted, signals: &mut Signals) -> Result<u8, Failure> {
    let status = failure.report();
    let written = blocking(move || {
        let Some(file) = wanted.only_the_end().open()?.json else { return Ok(()) };
        file.write(&End::without_task(status, EndError::of(&failure)).text()?)
    });
    Ok(with_report(status, signals.unless(written).await))
}

/// The status after a report. One that cannot be written is said, and takes the place of success
/// only: the end of the task counts for more.
fn with_report(status: u8, written: Result<(), Failure>) -> u8 {
    match written {
        Ok(()) => status,
        Err(failure) => {
            let failed = failure.report();
            if status == 0 { failed } else { status }
        }
    }
}

/// Says on stderr what there is to say about the end.
fn tell(ended: &Ended, spec: &TaskSpec) -> Verdict {
    let verdict = match &ended.result {
        Ok(exit) => judged(exit, spec, ended),
        Err(failure) => Verdict { status: failure.report(), notes: Vec::new() },
    };
    for line in &verdict.notes {
        note(line);
    }
    verdict
}

fn judged(exit: &Exit, spec: &TaskSpec, ended: &Ended) -> Verdict {
    let circumstances =
        Circumstances { interrupted: ended.interrupted, write_errors: ended.write_errors.clone() };
    judge(exit, spec, &circumstances)
}

fn end<'a>(ended: &'a Ended, spec: &'a TaskSpec, verdict: &'a Verdict) -> End<'a> {
    let mut end = End::new(spec, verdict.status, &verdict.notes);
    end.container = ended.container.as_deref();
    end.ports = ended.ports.iter().map(published).collect();
    match &ended.result {
        Ok(exit) => {
            end.status = Some(exit.status());
            end.exit = Some(exit);
        }
        Err(failure) => end.error = Some(EndError::of(failure)),
    }
    end
}

/// A published port as `--publish` writes it.
fn published(port: &BoundPort) -> String {
    let at = SocketAddr::new(port.host_address, port.host_port);
    format!("{at}:{}/{}", port.port, port.protocol)
}
