//! One request through the proxy.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Asked, RegistryFault, Request, Shared};

/// The longest head of a request or an answer.
const LONGEST_HEAD: usize = 64 * 1024;
/// Blobs of less are no layers.
const SMALL: u64 = 64 * 1024;

/// Passes one request on, and its answer back. The connection ends with it.
pub(super) async fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let Some(head) = read_head(&mut client).await? else {
        // An engine tries TLS first. It is told what a server without it would say.
        return client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
    };
    let mut registry = TcpStream::connect(&shared.registry).await?;
    registry.write_all(closing(&head).as_bytes()).await?;
    let Some(answer) = read_head(&mut registry).await? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let length = header(&answer, "content-length").and_then(|text| text.parse().ok());
    let length: u64 = length.unwrap_or(0);
    let line = head.lines().next().unwrap_or_default().to_owned();
    let fault = shared.passes(Request {
        asked: asked(&line, length),
        authorization: header(&head, "authorization").map(str::to_owned),
        line: line.clone(),
        fault: None,
    });
    let length = if line.starts_with("HEAD ") { 0 } else { length };
    let end = match fault {
        Some(RegistryFault::Status(status, text)) => {
            return client.write_all(refusal(status, text).as_bytes()).await;
        }
        Some(RegistryFault::Spoil) => {
            let longer = format!("content-length: {}", length + 1);
            let head = closing(&answer);
            let lines = head.split("\r\n").map(|line| {
                let is_length = line.to_ascii_lowercase().starts_with("content-length:");
                if is_length && length > 0 { longer.as_str() } else { line }
            });
            client.write_all(lines.collect::<Vec<_>>().join("\r\n").as_bytes()).await?;
            copy(&mut registry, &mut client, length).await?;
            let more: &[u8] = if length > 0 { b" " } else { b"" };
            return client.write_all(more).await;
        }
        Some(RegistryFault::CutAfter(count)) => Some((count, false)),
        Some(RegistryFault::StallAfter(count)) => Some((count, true)),
        None => None,
    };
    client.write_all(closing(&answer).as_bytes()).await?;
    let count = end.map_or(length, |(count, _)| count.min(length));
    copy(&mut registry, &mut client, count).await?;
    if let Some((_, true)) = end {
        // For as long as the engine has patience.
        let mut nothing = [0; 64];
        while client.read(&mut nothing).await? > 0 {}
    }
    Ok(())
}

/// A head with its blank line; none if what comes is no HTTP.
async fn read_head(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        if !head[0].is_ascii_alphabetic() || head.len() > LONGEST_HEAD {
            return Ok(None);
        }
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

/// The head of a message after which the connection ends.
fn closing(head: &str) -> String {
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn asked(line: &str, length: u64) -> Asked {
    let path = line.split(' ').nth(1).unwrap_or_default();
    match path {
        "/v2/" | "/v2" => Asked::Version,
        _ if path.contains("/manifests/") => Asked::Manifest,
        _ if path.contains("/blobs/") && length < SMALL => Asked::Small,
        _ if path.contains("/blobs/") => Asked::Layer,
        _ => Asked::Other,
    }
}

fn refusal(status: u16, text: &str) -> String {
    let code = if status == 429 { "TOOMANYREQUESTS" } else { "UNKNOWN" };
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{text}"}}]}}"#);
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn copy(from: &mut TcpStream, to: &mut TcpStream, count: u64) -> io::Result<()> {
    tokio::io::copy(&mut from.take(count), to).await.map(drop)
}
