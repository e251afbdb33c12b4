//! The sum of a pull's steps.

use std::collections::HashMap;

use longshore_driver_api::PullProgress;
use tokio::time::Instant;

use super::speed::Speed;
use crate::client::pull::PullEvent;

/// Adds a pull's steps up.
#[derive(Debug, Default)]
pub(super) struct Progress {
    layers: HashMap<String, Layer>,
    status: String,
    speed: Speed,
    rate: Option<u64>,
}

#[derive(Debug, Default)]
struct Layer {
    done: bool,
    current: u64,
    total: u64,
}

impl Progress {
    /// Counts a step in.
    pub(super) fn add(&mut self, step: PullEvent) {
        // "Pulling from library/x" carries the tag where a layer's name would be.
        let layer = step.layer.filter(|_| !step.status.starts_with("Pulling from"));
        if let Some(id) = layer {
            let layer = self.layers.entry(id).or_default();
            match step.status.as_str() {
                "Pull complete" | "Already exists" => {
                    layer.done = true;
                    layer.current = layer.total;
                }
                "Download complete" => layer.current = layer.total,
                "Downloading" => {
                    layer.current = step.current.unwrap_or(layer.current);
                    layer.total = step.total.unwrap_or(layer.total);
                }
                _ => {}
            }
        }
        self.status = step.status;
        let bytes = self.layers.values().map(|layer| layer.current).fold(0, u64::saturating_add);
        self.rate = self.speed.at(Instant::now(), bytes);
    }

    /// The pull has succeeded: Podman tells no end of a layer.
    pub(super) fn finish(&mut self) {
        for layer in self.layers.values_mut() {
            layer.done = true;
            layer.current = layer.total;
        }
    }

    /// How far the pull is.
    pub(super) fn sum(&self) -> PullProgress {
        let mut sum = PullProgress::default();
        for layer in self.layers.values() {
            sum.layers += 1;
            sum.layers_done += u64::from(layer.done);
            sum.bytes = sum.bytes.saturating_add(layer.total);
            sum.bytes_done = sum.bytes_done.saturating_add(layer.current);
        }
        sum.rate = self.rate;
        sum.status.clone_from(&self.status);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(layer: &str, status: &str, bytes: Option<(u64, u64)>) -> PullEvent {
        PullEvent {
            layer: Some(layer.to_owned()),
            status: status.to_owned(),
            current: bytes.map(|bytes| bytes.0),
            total: bytes.map(|bytes| bytes.1),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_follows_the_bytes() {
        let mut progress = Progress::default();
        progress.add(step("a", "Downloading", Some((0, 4096))));
        assert_eq!(progress.sum().rate, None);
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        progress.add(step("a", "Downloading", Some((2048, 4096))));
        assert_eq!(progress.sum().rate, Some(1024));
    }

    #[test]
    fn layers_and_bytes_add_up() {
        let mut progress = Progress::default();
        for step in [
            step("latest", "Pulling from library/x", None),
            step("a", "Already exists", None),
            step("b", "Pulling fs layer", None),
            step("b", "Downloading", Some((10, 100))),
            step("c", "Downloading", Some((5, 50))),
            step("c", "Download complete", None),
            // The bytes of an unpacking are not those of a download.
            step("c", "Extracting", Some((1, 500))),
        ] {
            progress.add(step);
        }
        let sum = progress.sum();
        assert_eq!((sum.layers, sum.layers_done), (3, 1));
        assert_eq!((sum.bytes_done, sum.bytes), (60, 150));
        progress.add(step("c", "Pull complete", None));
        assert_eq!(progress.sum().layers_done, 2);
        progress.finish();
        let sum = progress.sum();
        assert_eq!((sum.layers_done, sum.bytes_done), (3, sum.bytes));
        assert_eq!(progress.sum().status, "Pull complete");
    }

    #[test]
    fn sizes_that_no_disk_has_are_added_up_all_the_same() {
        let mut progress = Progress::default();
        for layer in ["a", "b", "c"] {
            progress.add(step(layer, "Downloading", Some((u64::MAX, u64::MAX))));
        }
        assert_eq!(progress.sum().bytes, u64::MAX);
    }
}
