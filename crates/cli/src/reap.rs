//! `longshore reap`: removes what processes left that did not get to it themselves.

use longshore::{ReapOptions, ReapReport, Reaped};

use crate::engine;
use crate::failure::{Failure, note};
use crate::render;
use crate::signals::Signals;
use crate::stdio;

/// The exit status when something could not be removed.
const SOME_LEFT: u8 = 1;

/// Removes what dead owners left on the engine
///
/// An owner is a process that ran tasks. What belongs to a living one, to one of which nothing is
/// known, or to a task that can still be recovered, stays. The exit status is 1 if something could
/// not be removed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: engine::Args,
    /// Only shows what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Prints the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn main(args: Args) -> Result<u8, Failure> {
    let mut signals = Signals::catch()?;
    let config = signals.unless(args.engine.config_to_look()).await?.config;
    let driver = signals.unless(async { Ok(longshore::open(config).await?) }).await?;
    let options = ReapOptions::new().dry_run(args.dry_run);
    let reaped = signals.unless(async { Ok(driver.reap(options).await?) }).await;
    let closed = driver.close().await;
    let shown = async {
        let report = reaped?;
        let text = if args.json { json(&report)? } else { table(&report, args.dry_run) };
        signals.unless(stdio::print(&text)).await?;
        Ok(report)
    };
    // What was removed is told whatever became of the closing.
    let report = engine::ended(shown.await, closed, note)?;
    Ok(if report.failed.is_empty() { 0 } else { SOME_LEFT })
}

fn json(report: &ReapReport) -> Result<String, Failure> {
    let text = serde_json::to_string(report).map_err(|error| Failure::new(error.to_string()))?;
    Ok(text + "\n")
}

fn table(report: &ReapReport, dry_run: bool) -> String {
    let done = if dry_run { "would be removed" } else { "removed" };
    let row = |thing: &Reaped, what: &str| {
        let result = match &thing.error {
            Some(error) => format!("{what}: {error}"),
            None => what.to_owned(),
        };
        vec![
            format!("{:?}", thing.kind).to_lowercase(),
            short(&thing.id).to_owned(),
            thing.task.clone().unwrap_or_else(|| "-".to_owned()),
            thing.owner.clone(),
            result,
        ]
    };
    let mut rows: Vec<_> = report.removed.iter().map(|thing| row(thing, done)).collect();
    rows.extend(report.failed.iter().map(|thing| row(thing, "not removed")));
    let table = if rows.is_empty() {
        String::new()
    } else {
        render::table(&["KIND", "ID", "TASK", "OWNER", "RESULT"], &rows)
    };
    let (removed, failed) = (report.removed.len(), report.failed.len());
    format!("{table}{removed} {done}, {failed} not removed, {} kept\n", report.kept)
}

/// Engines know a thing by the first twelve digits of its id.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use longshore::ResourceKind;

    use super::*;

    fn report() -> ReapReport {
        let mut left = Reaped::new(ResourceKind::Container, "0123456789abcdef", "7-x");
        left.task = Some("build".to_owned());
        let mut stuck = Reaped::new(ResourceKind::Volume, "v1", "7-x");
        stuck.error = Some("in use".to_owned());
        let mut report = ReapReport::default();
        (report.removed, report.failed, report.kept) = (vec![left], vec![stuck], 2);
        report
    }

    #[test]
    fn the_table_names_everything_and_counts_it() {
        let expected = "\
KIND       ID            TASK   OWNER  RESULT
container  0123456789ab  build  7-x    removed
volume     v1            -      7-x    not removed: in use
1 removed, 1 not removed, 2 kept
";
        assert_eq!(table(&report(), false), expected);
        assert_eq!(
            table(&ReapReport::default(), true),
            "0 would be removed, 0 not removed, 0 kept\n"
        );
    }

    #[test]
    fn the_json_is_the_report() {
        let json: serde_json::Value = serde_json::from_str(&json(&report()).unwrap()).unwrap();
        assert_eq!(json["removed"][0]["kind"], "container");
        assert_eq!(json["failed"][0]["error"], "in use");
        assert_eq!(json["kept"], 2);
    }
}
