//! What an engine says of a further process.

use serde::Deserialize;

use super::nullable;

/// The answer to `POST /containers/{id}/exec`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatedExec {
    /// The further process's id on the engine.
    pub(crate) id: String,
}

/// The answer to `GET /exec/{id}/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ExecState {
    /// Whether it runs, as far as the engine knows.
    pub(crate) running: bool,
    /// Its exit code, once it has ended.
    pub(crate) exit_code: Option<i64>,
    /// Its process id on the engine's host; 0 if it never was started.
    #[serde(deserialize_with = "nullable")]
    pub(crate) pid: i64,
}
