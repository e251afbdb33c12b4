//! How far a pull is, for a person who waits.

use async_trait::async_trait;
use indicatif::{ProgressBar, ProgressStyle};
use longshore::{PullProgress, TaskHooks};

use crate::terminal;

/// Shows the progress of a pull on stderr if that is a terminal, and nothing anywhere else.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(image: &str, quiet: bool) -> Self {
        if quiet || !terminal::stderr_is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let style = ProgressStyle::with_template(
            "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}",
        );
        let bar = ProgressBar::no_length().with_prefix(format!("pull {image}"));
        // The template is a constant; without it the bar looks plainer.
        Self { bar: style.map_or(bar.clone(), |style| bar.with_style(style)) }
    }

    /// Takes it off the screen.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

#[async_trait]
impl TaskHooks for Progress {
    fn pull_progress(&self, progress: &PullProgress) {
        self.bar.set_length(progress.bytes);
        self.bar.set_position(progress.bytes_done);
        self.bar.set_message(format!(
            "{}/{} layers, {}",
            progress.layers_done, progress.layers, progress.status
        ));
    }
}
