//! What a request to an engine asks for.

use std::fmt;

/// What a request to an engine asks for, by its method and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Whether it is there.
    Ping,
    /// Its version.
    Version,
    /// What it can do.
    Info,
    /// Look at an image.
    Image,
    /// Pull an image.
    Pull,
    /// Make a container.
    Create,
    /// Attach to a container's streams.
    Attach,
    /// Wait for a container's end.
    Wait,
    /// Start a container.
    Start,
    /// Look at a container.
    Inspect,
    /// List containers.
    List,
    /// What the engine tells by itself.
    Events,
    /// Send a signal.
    Kill,
    /// Stop a container.
    Stop,
    /// Freeze a container.
    Pause,
    /// Let a container go on.
    Unpause,
    /// Set the size of a terminal.
    Resize,
    /// A container's statistics.
    Stats,
    /// What the engine has kept of a container's output.
    Logs,
    /// Make a further process in a container.
    ExecCreate,
    /// Start a further process, with its streams.
    ExecStart,
    /// Look at a further process.
    ExecInspect,
    /// Set the size of a further process's terminal.
    ExecResize,
    /// Put an archive into a container.
    ArchiveIn,
    /// Get an archive out of a container.
    ArchiveOut,
    /// Look whether a path is in a container.
    Stat,
    /// In what a container's files differ from its image's.
    Changes,
    /// Put a container on a network.
    Connect,
    /// Remove a container.
    Remove,
    /// Anything else.
    Other,
}

impl Step {
    /// What a request line such as `POST /v1.41/containers/create?name=x HTTP/1.1` asks for.
    #[must_use]
    pub fn of(line: &str) -> Self {
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let path = target.split('?').next().unwrap_or("");
        let path = without_version(path);
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (method, parts.as_slice()) {
            (_, ["_ping"]) => Self::Ping,
            ("GET", ["version"]) => Self::Version,
            ("GET", ["info"]) => Self::Info,
            ("GET", ["events"]) => Self::Events,
            ("POST", ["images", "create"]) => Self::Pull,
            // An image's name may have slashes.
            ("GET", ["images", .., "json"]) if parts.len() > 2 => Self::Image,
            ("POST", ["containers", "create"]) => Self::Create,
            ("GET", ["containers", "json"]) => Self::List,
            ("DELETE", ["containers", _]) => Self::Remove,
            ("GET", ["containers", _, "json"]) => Self::Inspect,
            ("GET", ["containers", _, "stats"]) => Self::Stats,
            ("GET", ["containers", _, "logs"]) => Self::Logs,
            ("GET", ["containers", _, "changes"]) => Self::Changes,
            ("PUT", ["containers", _, "archive"]) => Self::ArchiveIn,
            ("GET", ["containers", _, "archive"]) => Self::ArchiveOut,
            ("HEAD", ["containers", _, "archive"]) => Self::Stat,
            ("POST", ["exec", _, "start"]) => Self::ExecStart,
            ("POST", ["exec", _, "resize"]) => Self::ExecResize,
            ("GET", ["exec", _, "json"]) => Self::ExecInspect,
            ("POST", ["networks", _, "connect"]) => Self::Connect,
            ("POST", ["containers", _, what]) => match *what {
                "attach" => Self::Attach,
                "wait" => Self::Wait,
                "start" => Self::Start,
                "kill" => Self::Kill,
                "stop" => Self::Stop,
                "pause" => Self::Pause,
                "unpause" => Self::Unpause,
                "resize" => Self::Resize,
                "exec" => Self::ExecCreate,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// The path without a first part such as `/v1.41`.
fn without_version(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/v") else { return path };
    match rest.find('/') {
        Some(end) if rest[..end].bytes().all(|b| b.is_ascii_digit() || b == b'.') => &rest[end..],
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_with_or_without_a_version_and_query() {
        let table = [
            ("GET /_ping HTTP/1.1", Step::Ping),
            ("HEAD /_ping HTTP/1.1", Step::Ping),
            ("GET /version HTTP/1.1", Step::Version),
            ("GET /v1.41/version HTTP/1.1", Step::Version),
            ("GET /v1.41/info HTTP/1.1", Step::Info),
            ("GET /v1.41/events?since=1 HTTP/1.1", Step::Events),
            ("GET /v1.41/images/a/b:c/json HTTP/1.1", Step::Image),
            ("GET /v1.41/images/json HTTP/1.1", Step::Other),
            ("POST /v1.41/images/create?fromImage=a HTTP/1.1", Step::Pull),
            ("POST /v1.41/containers/create?name=x HTTP/1.1", Step::Create),
            ("GET /v1.41/containers/json?all=1 HTTP/1.1", Step::List),
            ("GET /v1.41/containers/0f/json HTTP/1.1", Step::Inspect),
            ("POST /v1.41/containers/0f/attach?stream=1 HTTP/1.1", Step::Attach),
            ("POST /v1.41/containers/0f/wait?condition=next-exit HTTP/1.1", Step::Wait),
            ("POST /containers/0f/start HTTP/1.1", Step::Start),
            ("POST /containers/0f/kill?signal=9 HTTP/1.1", Step::Kill),
            ("POST /containers/0f/pause HTTP/1.1", Step::Pause),
            ("POST /containers/0f/unpause HTTP/1.1", Step::Unpause),
            ("POST /containers/0f/resize?h=1&w=2 HTTP/1.1", Step::Resize),
            ("GET /containers/0f/stats?stream=1 HTTP/1.1", Step::Stats),
            ("GET /containers/0f/logs?follow=1 HTTP/1.1", Step::Logs),
            ("GET /containers/0f/changes HTTP/1.1", Step::Changes),
            ("PUT /containers/0f/archive?path=%2F HTTP/1.1", Step::ArchiveIn),
            ("GET /containers/0f/archive?path=%2Ff HTTP/1.1", Step::ArchiveOut),
            ("HEAD /containers/0f/archive?path=%2Ff HTTP/1.1", Step::Stat),
            ("POST /containers/0f/exec HTTP/1.1", Step::ExecCreate),
            ("POST /exec/0f/start HTTP/1.1", Step::ExecStart),
            ("POST /exec/0f/resize?h=1&w=2 HTTP/1.1", Step::ExecResize),
            ("GET /exec/0f/json HTTP/1.1", Step::ExecInspect),
            ("POST /networks/n/connect HTTP/1.1", Step::Connect),
            ("DELETE /v1.41/containers/0f?force=1 HTTP/1.1", Step::Remove),
            ("POST /vault/containers HTTP/1.1", Step::Other),
            ("", Step::Other),
        ];
        for (line, step) in table {
            assert_eq!(Step::of(line), step, "{line}");
        }
    }
}
