//! What an engine says of a path in a container.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::support::{Script, Step};

/// What a path in a container is, in the words of Go's `os.FileMode`.
pub(crate) fn stat(mode: u32) -> Script {
    let stat = serde_json::json!({"name": "x", "size": 1, "mode": mode, "linkTarget": ""});
    let stat = BASE64_STANDARD.encode(stat.to_string());
    let head = format!("HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: {stat}\r\n\r\n");
    vec![Step::Send(head.into_bytes())]
}
