//! `longshore run`: one task, from its options to an exit status.

mod args;
mod parse;
mod reports;
mod spec;
mod supervise;
mod verdict;

#[cfg(test)]
mod spec_tests;

pub(crate) use args::Args;

use longshore::{Exit, TaskSpec};

use crate::failure::{Failure, note};
use crate::signals::Signals;
use reports::{End, EndError, EndFile, StatsFile};
use spec::World;
use supervise::{Ended, Files};
use verdict::{Circumstances, Verdict, judge};

pub(crate) async fn main(args: Args) -> Result<u8, Failure> {
    let mut signals = Signals::catch()?;
    let world = World {
        var: &|name| std::env::var(name).ok(),
        read: &|path| std::fs::read_to_string(path),
    };
    let spec = spec::spec(&args, &world)?;
    let end_file = args.reports.json.as_deref().map(EndFile::create).transpose()?;
    let stats = args.reports.stats.as_deref().map(StatsFile::create).transpose()?;

    let files = Files { interactive: args.task.interactive, stats: stats.as_ref() };
    let ended = supervise::run(&args.engine, &spec, files, args.task.quiet, &mut signals).await;

    let verdict = tell(&ended, &spec);
    let written = end_file.map_or(Ok(()), |file| file.write(&end(&ended, &spec, &verdict)));
    let stats_written = stats.map_or(Ok(()), StatsFile::finish);
    written.and(stats_written)?;
    Ok(verdict.status)
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
    match &ended.result {
        Ok(exit) => {
            end.status = Some(exit.status());
            end.exit = Some(exit);
        }
        Err(failure) => end.error = Some(EndError::of(failure)),
    }
    end
}
