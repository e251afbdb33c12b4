//! How long the stages of a task took.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// How long the stages of a task took. A stage that did not happen is absent.
///
/// Written in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Timings {
    /// From the reservation until the image was known to be there, a pull included. Absent where
    /// nobody looked: the creation alone told.
    #[serde(
        rename = "image_ms",
        serialize_with = "milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub image: Option<Duration>,
    /// From asking for namespaces until some were lent, or it was known that there are none.
    #[serde(
        rename = "lease_ms",
        serialize_with = "milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub lease: Option<Duration>,
    /// The making of the container on the engine.
    #[serde(
        rename = "create_ms",
        serialize_with = "milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub create: Option<Duration>,
    /// From the call to start until the engine said that the process runs.
    #[serde(
        rename = "start_ms",
        serialize_with = "milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub start: Option<Duration>,
    /// From the start of the process to its end, as seen from here, time frozen included.
    #[serde(
        rename = "run_ms",
        serialize_with = "milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub run: Option<Duration>,
    /// From the end of the process to the end of its output.
    #[serde(
        rename = "drain_ms",
        serialize_with = "milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub drain: Option<Duration>,
}

fn milliseconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_f64(time.as_secs_f64() * 1000.0),
        None => serializer.serialize_none(),
    }
}
