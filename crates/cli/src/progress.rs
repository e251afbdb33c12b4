//! How far a pull is, for a person who waits.

use std::time::Duration;

use async_trait::async_trait;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use longshore::{PullProgress, TaskHooks};

use crate::terminal;

/// From one picture of the spinner to the next.
const TICK: Duration = Duration::from_millis(120);

/// Shows the progress of a pull on stderr if that is a terminal, and nothing anywhere else.
#[derive(Debug)]
pub(crate) struct Progress {
    line: ProgressBar,
}

impl Progress {
    pub(crate) fn new(image: &str, quiet: bool) -> Self {
        if quiet || !terminal::stderr_is_terminal() {
            return Self { line: ProgressBar::hidden() };
        }
        // It is as wide as the terminal and cut off there.
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let line = ProgressBar::new_spinner().with_style(style).with_prefix(image.to_owned());
        // A download that stands still is told from a command that does.
        line.enable_steady_tick(TICK);
        Self { line }
    }

    /// Takes it off the screen.
    pub(crate) fn clear(&self) {
        self.line.finish_and_clear();
    }
}

#[async_trait]
impl TaskHooks for Progress {
    fn pull_progress(&self, progress: &PullProgress) {
        self.line.set_message(text(&self.line.prefix(), progress));
    }
}

fn text(image: &str, progress: &PullProgress) -> String {
    let PullProgress { layers, layers_done, bytes, bytes_done, rate, status, .. } = progress;
    let mut text = format!("pull {image}");
    if *layers > 0 {
        text.push_str(&format!(": {layers_done} of {layers} layers"));
    }
    if *bytes > 0 {
        text.push_str(&format!(", {} of {}", HumanBytes(*bytes_done), HumanBytes(*bytes)));
    }
    if let Some(rate) = rate.filter(|_| bytes_done < bytes) {
        text.push_str(&format!(", {}/s", HumanBytes(rate)));
    }
    if !status.is_empty() {
        text.push_str(&format!(", {status}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_shown() {
        let mut progress = PullProgress::default();
        assert_eq!(text("a", &progress), "pull a");
        (progress.layers, progress.layers_done) = (3, 1);
        assert_eq!(text("a", &progress), "pull a: 1 of 3 layers");
        (progress.bytes, progress.bytes_done) = (4 << 20, 1 << 20);
        progress.status = "Downloading".to_owned();
        let expected = "pull a: 1 of 3 layers, 1.00 MiB of 4.00 MiB, Downloading";
        assert_eq!(text("a", &progress), expected);
        progress.rate = Some(512 << 10);
        let expected = "pull a: 1 of 3 layers, 1.00 MiB of 4.00 MiB, 512.00 KiB/s, Downloading";
        assert_eq!(text("a", &progress), expected);
        // What is downloaded has no speed any more.
        progress.bytes_done = progress.bytes;
        assert!(!text("a", &progress).contains("/s"));
    }
}
