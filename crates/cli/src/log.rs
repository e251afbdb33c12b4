//! Diagnostics on stderr, as `LONGSHORE_LOG` asks.

use tracing::Level;
use tracing::Metadata;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::failure::note;
use crate::notes::Log;

const VARIABLE: &str = "LONGSHORE_LOG";

/// Shows warnings, or what `LONGSHORE_LOG` asks for, such as `debug` or `longshore_docker=trace`.
pub(crate) fn start() {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let filter = if wanted.is_empty() { "warn" } else { &wanted };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        note(format_args!("{VARIABLE} is not understood, so it is not used: {error}"));
        EnvFilter::new("warn")
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Log)
        .with_ansi(false)
        // It would panic on a stderr that is closed.
        .log_internal_errors(false)
        .with_filter(filter_fn(is_safe));
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

/// At its finest, a dependency may write down whole requests, credentials included.
fn is_safe(event: &Metadata<'_>) -> bool {
    event.target().starts_with("longshore") || *event.level() <= Level::DEBUG
}
