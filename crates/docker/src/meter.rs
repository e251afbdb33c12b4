//! What is measured, for the feature `metrics`; without it, nothing is. `docs/metrics.md` lists the
//! names.

#[cfg(feature = "metrics")]
pub(crate) use counted::{Failed, Timed, cache, event, exit, image_removed, retried};
#[cfg(not(feature = "metrics"))]
pub(crate) use nothing::{Failed, Timed, cache, event, exit, image_removed, retried};

#[cfg(feature = "metrics")]
mod counted {
    use std::borrow::Cow;

    use longshore_driver_api::{Exit, NotStarted, Outcome};
    use longshore_images::ImageCache;
    use metrics::{counter, gauge, histogram};
    use tokio::time::Instant;

    use crate::client::error::{ClientError, Result};

    const SECONDS: &str = "longshore_docker_api_seconds";
    const RETRIES: &str = "longshore_docker_api_retries_total";
    const EXITS: &str = "longshore_docker_exits_total";
    const EVENTS: &str = "longshore_docker_events_total";
    const CACHE_IMAGES: &str = "longshore_docker_image_cache_images";
    const CACHE_BYTES: &str = "longshore_docker_image_cache_bytes";
    const CACHE_LIMIT: &str = "longshore_docker_image_cache_limit_bytes";
    const CACHE_REMOVED: &str = "longshore_docker_image_cache_removed_total";

    /// One call, from its beginning to its end or until its future is dropped.
    #[derive(Debug)]
    pub(crate) struct Timed {
        call: &'static str,
        begun: Instant,
        status: Cow<'static, str>,
    }

    impl Timed {
        pub(crate) fn begin(call: &'static str) -> Self {
            Self { call, begun: Instant::now(), status: Cow::Borrowed("cancelled") }
        }

        pub(crate) fn end<T>(mut self, result: &Result<T>) {
            self.status = match result {
                Ok(_) => Cow::Borrowed("ok"),
                Err(error) => status_of(error),
            };
        }
    }

    impl Drop for Timed {
        fn drop(&mut self) {
            let status = std::mem::take(&mut self.status);
            histogram!(SECONDS, "call" => self.call, "status" => status)
                .record(self.begun.elapsed());
        }
    }

    fn status_of(error: &ClientError) -> Cow<'static, str> {
        match error {
            ClientError::Status { status, .. } => Cow::Owned(status.to_string()),
            ClientError::Deadline { .. } => Cow::Borrowed("timeout"),
            _ => Cow::Borrowed("error"),
        }
    }

    /// How a call failed that may be made again.
    #[derive(Debug)]
    pub(crate) struct Failed(Cow<'static, str>);

    impl Failed {
        pub(crate) fn by(error: &ClientError) -> Self {
            Self(status_of(error))
        }

        /// It is made again.
        pub(crate) fn retried(self, call: &'static str) {
            counter!(RETRIES, "call" => call, "status" => self.0).increment(1);
        }
    }

    /// A call is made again after this.
    pub(crate) fn retried(call: &'static str, error: &ClientError) {
        Failed::by(error).retried(call);
    }

    /// A task has ended.
    pub(crate) fn exit(exit: &Exit) {
        let status = match exit.outcome {
            Outcome::Code(code) => Cow::Owned(format!("exit_{code}")),
            Outcome::Signal(signal) => Cow::Owned(format!("signal_{}", signal.number())),
            Outcome::Cancelled => Cow::Borrowed("cancelled"),
            Outcome::TimedOut => Cow::Borrowed("timed_out"),
            Outcome::OutputLimit => Cow::Borrowed("output_limit"),
            Outcome::Stopped => Cow::Borrowed("stopped"),
            Outcome::OutOfMemory => Cow::Borrowed("out_of_memory"),
            Outcome::NotStarted(NotStarted::NotFound) => Cow::Borrowed("not_found"),
            Outcome::NotStarted(NotStarted::NotExecutable) => Cow::Borrowed("not_executable"),
            Outcome::NotStarted(_) => Cow::Borrowed("not_started"),
            Outcome::Lost => Cow::Borrowed("lost"),
            _ => Cow::Borrowed("other"),
        };
        counter!(EXITS, "status" => status).increment(1);
    }

    /// The engine has told something of one of the driver's containers. What it tells of a health
    /// check is in the same word.
    pub(crate) fn event(action: &str) {
        let action = action.split(':').next().unwrap_or_default().to_owned();
        counter!(EVENTS, "action" => action).increment(1);
    }

    /// Where the image cache stands.
    pub(crate) fn cache(cache: &ImageCache) {
        let usage = cache.usage();
        let idle = usage.images.saturating_sub(usage.busy);
        for (state, images) in [("busy", usage.busy), ("idle", idle)] {
            gauge!(CACHE_IMAGES, "state" => state).set(images as f64);
        }
        gauge!(CACHE_BYTES).set(usage.total as f64);
        gauge!(CACHE_LIMIT).set(usage.limit as f64);
    }

    /// The image cache has removed an image.
    pub(crate) fn image_removed() {
        counter!(CACHE_REMOVED).increment(1);
    }
}

#[cfg(not(feature = "metrics"))]
mod nothing {
    use longshore_driver_api::Exit;
    use longshore_images::ImageCache;

    use crate::client::error::{ClientError, Result};

    #[derive(Debug)]
    pub(crate) struct Timed;

    impl Timed {
        pub(crate) fn begin(_call: &'static str) -> Self {
            Self
        }

        pub(crate) fn end<T>(self, _result: &Result<T>) {}
    }

    #[derive(Debug)]
    pub(crate) struct Failed;

    impl Failed {
        pub(crate) fn by(_error: &ClientError) -> Self {
            Self
        }

        pub(crate) fn retried(self, _call: &'static str) {}
    }

    pub(crate) fn retried(_call: &'static str, _error: &ClientError) {}

    pub(crate) fn exit(_exit: &Exit) {}

    pub(crate) fn event(_action: &str) {}

    pub(crate) fn cache(_cache: &ImageCache) {}

    pub(crate) fn image_removed() {}
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use longshore_driver_api::{Exit, ExitFacts, NotStarted, Outcome, Signal};
    use metrics_util::debugging::DebuggingRecorder;

    use super::*;

    /// The label of an end.
    fn status(outcome: Outcome) -> String {
        let mut ended = Exit::from_facts(ExitFacts::default());
        ended.outcome = outcome;
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, || exit(&ended));
        let told = recorder.snapshotter().snapshot().into_vec();
        let [(key, ..)] = &told[..] else { panic!("one figure, not {told:?}") };
        let labels: Vec<_> = key.key().labels().collect();
        assert_eq!((key.key().name(), labels.len()), ("longshore_docker_exits_total", 1));
        labels[0].value().to_owned()
    }

    #[test]
    fn each_end_has_a_label_of_its_own() {
        for (outcome, expected) in [
            (Outcome::Code(0), "exit_0"),
            (Outcome::Code(137), "exit_137"),
            (Outcome::Signal(Signal::KILL), "signal_9"),
            (Outcome::OutOfMemory, "out_of_memory"),
            (Outcome::TimedOut, "timed_out"),
            (Outcome::Cancelled, "cancelled"),
            (Outcome::Stopped, "stopped"),
            (Outcome::OutputLimit, "output_limit"),
            (Outcome::NotStarted(NotStarted::NotFound), "not_found"),
            (Outcome::NotStarted(NotStarted::NotExecutable), "not_executable"),
            (Outcome::NotStarted(NotStarted::NoRoom), "not_started"),
            (Outcome::Lost, "lost"),
        ] {
            assert_eq!(status(outcome), expected);
            let listed = include_str!("../../../docs/metrics.md");
            let family = expected.split_once(char::is_numeric).map_or(expected, |(it, _)| it);
            assert!(listed.contains(&format!("`{family}")), "{family} is not in docs/metrics.md");
        }
    }
}
