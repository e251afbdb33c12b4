//! How much of a task's output the engine's log surely holds.
//!
//! A log is of use to a later owner if it keeps every byte, and if a position in the task's output is
//! a position in what the engine tells, however often that is read.
//!
//! Of Docker's log drivers only `local` keeps every byte. It writes files of a bounded size, and
//! forgets the oldest when it begins a new one too many. As long as all that it holds would fit into
//! one file it has begun no second one. Beyond that nothing is certain.
//!
//! Podman's `k8s-file` keeps every byte as well, in one file that is begun anew when it is full, and
//! nothing in a file says whether it is the first: only one that can't become full is sure.

use longshore_driver_api::Capabilities;
use serde_json::Value;

use crate::client::reply::LogConfig;
use crate::podman;

/// The one of Docker's that keeps every byte.
const LOCAL: &str = "local";
/// A file's size where the options do not say: 20 MB, and it is not said whether of 1,000,000 bytes.
const USUAL_SIZE: u64 = 20_000_000;
/// More than an entry takes in a file beside its bytes.
const ENTRY: u64 = 192;
/// The longest entry.
const LONGEST_ENTRY: u64 = 16 * 1024;

/// What a log holds that keeps every byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// How much of it surely.
    pub(super) size: u64,
    /// Whether the engine's own process writes it.
    pub(super) is_the_engines: bool,
}

impl Room {
    /// The room of a log, if it holds any output whole.
    pub(super) fn of(can: &Capabilities, config: &LogConfig) -> Option<Self> {
        if can.engine == podman::NAME {
            let keeps = podman::keeps_output(can, config);
            return keeps.then_some(Self { size: u64::MAX, is_the_engines: false });
        }
        let option = |name: &str| config.config.get(name).map(String::as_str);
        // A log that is not waited for drops what comes too fast; a single file is begun anew when it
        // is full.
        let waits = option("mode").is_none_or(|mode| mode == "blocking");
        let files: u64 = option("max-file").unwrap_or("5").parse().ok()?;
        let size = option("max-size").map_or(Some(USUAL_SIZE), bytes)?;
        let keeps = config.kind == LOCAL && waits && files >= 2;
        keeps.then_some(Self { size, is_the_engines: true })
    }
}

/// The log of a request that makes a container, if the engine keeps its output by that.
pub(crate) fn keeping_log(can: &Capabilities, body: &Value) -> Option<LogConfig> {
    let config = body.pointer("/HostConfig/LogConfig").cloned().unwrap_or_default();
    let config = serde_json::from_value::<LogConfig>(config).ok()?;
    Room::of(can, &config).map(|_| config)
}

/// At least so many bytes are meant: `20m` can be either kind of megabytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = match unit.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        "p" => 1_000_000_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// How much room bytes take in a file, at most.
#[derive(Debug, Default)]
pub(super) struct Weight(u64);

impl Weight {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        // Each entry ends with its line, or is full.
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let length = bytes.len() as u64;
        self.0 += length + (lines + length / LONGEST_ENTRY) * ENTRY;
    }

    /// Whether what was counted is in the first file of a log of this size. Both streams have an
    /// entry more that is not full.
    pub(super) fn fits(&self, size: u64) -> bool {
        self.0 + 4 * ENTRY + 2 * LONGEST_ENTRY < size
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn on(engine: &str, version: &str) -> Capabilities {
        Capabilities::nothing(engine, version)
    }

    fn size_of(config: &LogConfig) -> Option<u64> {
        Room::of(&on("docker", "20.10.24"), config).map(|room| room.size)
    }

    fn config(kind: &str, options: &[(&str, &str)]) -> LogConfig {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        LogConfig { kind: kind.into(), config: options.collect::<BTreeMap<_, _>>() }
    }

    #[test]
    fn only_a_local_log_of_several_files_that_is_waited_for_keeps_output() {
        assert_eq!(size_of(&config("local", &[])), Some(USUAL_SIZE));
        let two = [("max-size", "64k"), ("max-file", "2"), ("mode", "blocking")];
        assert_eq!(size_of(&config("local", &two)), Some(64_000));
        for (kind, options) in [
            ("json-file", vec![]),
            ("none", vec![]),
            ("", vec![]),
            ("local", vec![("max-file", "1")]),
            ("local", vec![("max-file", "many")]),
            ("local", vec![("max-size", "-1")]),
            ("local", vec![("mode", "non-blocking")]),
        ] {
            assert_eq!(size_of(&config(kind, &options)), None, "{kind} {options:?}");
        }
    }

    #[test]
    fn sizes_are_read_as_the_engine_does_and_never_as_more() {
        for (text, expected) in [
            ("1048576", Some(1_048_576)),
            ("10k", Some(10_000)),
            ("20m", Some(20_000_000)),
            ("1 GB", Some(1_000_000_000)),
            ("2MiB", Some(2_000_000)),
            ("m", None),
            ("1t", Some(1_000_000_000_000)),
            ("1PB", Some(1_000_000_000_000_000)),
            ("1e", None),
            ("1.5m", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn many_short_lines_weigh_more_than_a_long_one() {
        let (mut long, mut short) = (Weight::default(), Weight::default());
        long.add(&[b'x'; 100_000]);
        for _ in 0..50_000 {
            short.add(b"x\n");
        }
        assert!(long.fits(200_000) && !short.fits(1_000_000));
    }

    #[test]
    fn the_request_says_whether_output_is_kept() {
        let body = |kind: &str, size: &str| serde_json::json!({"HostConfig": {"LogConfig": {"Type": kind, "Config": {"max-size": size}}}});
        let (docker, podman) = (on("docker", "26.1.5"), on("podman", "4.3.1"));
        let keeps = |can, body: &Value| keeping_log(can, body).is_some();
        assert!(keeps(&docker, &body("local", "1m")) && !keeps(&podman, &body("local", "1p")));
        assert!(
            keeps(&podman, &body("k8s-file", "1p")) && !keeps(&docker, &body("k8s-file", "1p"))
        );
        assert!(!keeps(&docker, &body("none", "1p")) && !keeps(&podman, &body("none", "1p")));
        assert!(!keeps(&docker, &Value::Null));
    }

    #[test]
    fn podmans_log_is_kept_if_it_never_is_begun_anew_and_is_read_as_it_was_seen_to_be() {
        let room = |version: &str, kind: &str, options: &[(&str, &str)]| {
            Room::of(&on("podman", version), &config(kind, options))
        };
        let endless = [("max-size", "1p")];
        let whole = Some(Room { size: u64::MAX, is_the_engines: false });
        for version in ["4.3.1", "4.9.0", "5.4.2"] {
            assert_eq!(room(version, "k8s-file", &endless), whole, "{version}");
            assert_eq!(room(version, "json-file", &endless), whole, "{version}");
        }
        for version in ["3.4.4", "4.2.0", "6.0.0", "5", ""] {
            assert_eq!(room(version, "k8s-file", &endless), None, "{version}");
        }
        for options in [
            vec![],
            vec![("max-size", "999t")],
            vec![("max-size", "-1")],
            // Elsewhere may be where nothing is kept.
            vec![("max-size", "1p"), ("path", "/dev/null")],
        ] {
            assert_eq!(room("4.3.1", "k8s-file", &options), None, "{options:?}");
        }
        for kind in ["journald", "passthrough", "none", "local", ""] {
            assert_eq!(room("4.3.1", kind, &endless), None, "{kind}");
        }
    }
}
