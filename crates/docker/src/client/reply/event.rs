//! What an engine tells by itself.

use std::collections::HashMap;

use serde::Deserialize;

use super::nullable;

/// One value of `GET /events`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    /// Such as `die`, `oom`, and `health_status: healthy`.
    #[serde(rename = "Action", deserialize_with = "nullable")]
    pub(crate) action: String,
    /// What it happened to.
    #[serde(rename = "Actor", deserialize_with = "nullable")]
    pub(crate) actor: Actor,
    /// When, on the engine's clock.
    #[serde(rename = "timeNano", deserialize_with = "nullable")]
    pub(crate) time_nano: i64,
}

/// What an event happened to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Actor {
    /// Its id.
    #[serde(rename = "ID", deserialize_with = "nullable")]
    pub(crate) id: String,
    /// What there is to know, and its labels: a label takes the place of what the engine has to say
    /// under the same name.
    #[serde(rename = "Attributes", deserialize_with = "nullable")]
    pub(crate) attributes: HashMap<String, String>,
}

/// Where the event of an end has the exit code.
const EXIT_CODE: &str = "exitCode";

impl Event {
    /// The code that a main process ended with, or what a label says about it.
    pub(crate) fn exit_code(&self) -> Option<i64> {
        self.actor.attributes.get(EXIT_CODE)?.parse().ok()
    }

    /// Whether there is anything where the exit code is. Of an event that is no end, that is a label.
    pub(crate) fn has_exit_code(&self) -> bool {
        self.actor.attributes.contains_key(EXIT_CODE)
    }

    /// What a health check says, if it is sure. No label writes the action.
    pub(crate) fn health(&self) -> Option<bool> {
        match self.action.strip_prefix("health_status: ")? {
            "healthy" => Some(true),
            "unhealthy" => Some(false),
            _ => None,
        }
    }
}
