//! `longshore decimate`: a long series of samples in, a short one out.

use std::io::{self, Read as _, Write as _};

use longshore::stats::Series;

use crate::failure::Failure;

/// Makes a series of samples shorter
///
/// Reads a JSON array of samples from stdin, as `longshore run --stats` writes it, and writes one of
/// at most N points to stdout. Each point is the mean of the samples of one window of time.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many points there may be
    #[arg(long, value_name = "N")]
    max: usize,
}

pub(crate) fn main(args: &Args) -> Result<u8, Failure> {
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text).map_err(|error| Failure::io("stdin", &error))?;
    let text = String::from_utf8(text)
        .map_err(|error| unreadable(format_args!("stdin is not UTF-8: {error}")))?;
    let series = read(&text)?.decimate(args.max);
    let json = serde_json::to_string(&series).map_err(|error| Failure::new(error.to_string()))?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{json}").and_then(|()| stdout.flush()).map_err(|e| Failure::output(&e))?;
    Ok(0)
}

/// An empty text is an empty series, as in a database.
fn read(text: &str) -> Result<Series, Failure> {
    if text.trim().is_empty() {
        return Ok(Series::new());
    }
    serde_json::from_str(text)
        .map_err(|error| unreadable(format_args!("stdin is not a series: {error}")))
}

fn unreadable(what: std::fmt::Arguments<'_>) -> Failure {
    Failure::new(what.to_string()).help(
        r#"a series is a JSON array: [{"timestamp":"2026-01-31T12:00:00.000Z","metrics":{"cpu_total":150}}]"#,
    )
}
