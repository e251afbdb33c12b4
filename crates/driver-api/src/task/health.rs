//! Whether a task does well, as a check in its container finds out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::duration;

/// How it is found out whether a task does well, and whether its start waits for that.
///
/// Each time that is absent is the image's, else the engine's own (Docker: a check every 30 s that
/// may take 30 s, unhealthy after 3 failures in a row).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Health {
    /// What is run to find out.
    pub check: HealthCheck,
    /// From one check to the next.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub interval: Option<Duration>,
    /// How long one check may take.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub timeout: Option<Duration>,
    /// How long after the start failures do not count.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub start_period: Option<Duration>,
    /// How many failures in a row make a task unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// How long [`Container::start`](crate::Container::start) waits at most until the task does
    /// well. Absent: it does not wait.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub wait: Option<Duration>,
}

/// What is run to find out whether a task does well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HealthCheck {
    /// What the image says, if it says anything.
    #[default]
    Image,
    /// Nothing, whatever the image says.
    Off,
    /// This program with its arguments: it ends with 0 if the task does well.
    Run(Vec<String>),
}
