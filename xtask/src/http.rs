//! Just enough HTTP to talk to an engine's socket and to a registry on loopback.
//!
//! It speaks HTTP/1.0, so that a reply ends where its connection ends and nothing is chunked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, str::FromStr};

use anyhow::{Context, Error, Result, anyhow, bail};
use serde_json::Value;

/// The longest silence that is waited for: an image import sends nothing while it unpacks.
const IDLE: Duration = Duration::from_secs(120);

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Unix(PathBuf),
    Tcp(String),
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Endpoint {
    /// One request on a connection of its own.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response> {
        let failed = || format!("{method} {target} at {self}");
        self.exchange(method, target, headers, body).map_err(in_words).with_context(failed)
    }

    pub(crate) fn get(&self, target: &str) -> Result<Response> {
        self.request("GET", target, &[], &[])
    }

    fn exchange(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response> {
        match self {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(IDLE))?;
                stream.set_write_timeout(Some(IDLE))?;
                talk(stream, "localhost", method, target, headers, body)
            }
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(IDLE))?;
                stream.set_write_timeout(Some(IDLE))?;
                talk(stream, address, method, target, headers, body)
            }
        }
    }
}

fn talk(
    mut stream: impl Read + Write,
    host: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response> {
    let mut head = format!("{method} {target} HTTP/1.0\r\nHost: {host}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()?;

    let mut reader = BufReader::new(stream);
    let status = line(&mut reader)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut response = Response {
        status: status.context("the reply is not HTTP")?,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let line = line(&mut reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        let header = (name.to_lowercase(), value.trim().to_owned());
        response.headers.push(header);
    }
    reader.read_to_end(&mut response.body)?;
    match response.header("content-length").map(str::parse::<usize>) {
        Some(Ok(length)) if method != "HEAD" && length != response.body.len() => {
            bail!("the reply was cut: {} of {length} bytes", response.body.len())
        }
        _ => Ok(response),
    }
}

/// Whether a request failed since the server said nothing for too long.
pub(crate) fn is_silence(error: &Error) -> bool {
    // What a socket's timeout is depends on the system.
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
}

/// The kernel tells a socket's timeout as a resource that is temporarily unavailable.
fn in_words(error: Error) -> Error {
    if is_silence(&error) {
        return error.context(format!("nothing came for {} s", IDLE.as_secs()));
    }
    error
}

fn line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if reader.take(64 << 10).read_line(&mut line)? == 0 {
        bail!("the connection ended before the reply did");
    }
    Ok(line.trim_end().to_owned())
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The response, if its status is one of these; else the server's own words as an error.
    pub(crate) fn expect(self, statuses: &[u16]) -> Result<Response> {
        if statuses.contains(&self.status) {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body);
        let message = serde_json::from_slice::<Value>(&self.body).ok();
        let message = message.and_then(|value| value["message"].as_str().map(str::to_owned));
        Err(anyhow!("status {}: {}", self.status, message.as_deref().unwrap_or(text.trim())))
    }

    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("the reply is not JSON")
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(url: &str) -> Result<Endpoint> {
        match url.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Endpoint::Unix(path.into())),
            Some(("tcp" | "http", address)) if !address.is_empty() => {
                Ok(Endpoint::Tcp(address.trim_end_matches('/').to_owned()))
            }
            _ => bail!("{url:?} is neither unix:///path nor tcp://host:port"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// Text as one value in a query string.
pub(crate) fn encode(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A server that answers one request with these bytes and hands back what it was sent.
    fn answer(reply: &'static str, body: &[u8]) -> (Result<Response>, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let length = body.len();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            let mut rest = vec![0; length];
            stream.read_exact(&mut rest).unwrap();
            request.extend(rest);
            stream.write_all(reply.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        let response = Endpoint::Unix(path).request("POST", "/x", &[("A", "b")], body);
        (response, server.join().unwrap())
    }

    #[test]
    fn a_request_carries_its_headers_and_body() {
        let (response, sent) = answer("HTTP/1.0 201 Created\r\nX-Y:  z\r\n\r\n{\"a\":1}", b"hey");
        let response = response.unwrap().expect(&[200, 201]).unwrap();
        assert_eq!(response.header("x-y"), Some("z"));
        assert_eq!(response.json().unwrap()["a"], 1);
        assert_eq!(
            sent,
            "POST /x HTTP/1.0\r\nHost: localhost\r\nA: b\r\nContent-Length: 3\r\n\r\nhey"
        );
    }

    #[test]
    fn a_cut_reply_is_an_error() {
        for reply in [
            "",
            "HTTP/1.0 200",
            "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nabc",
            "SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert!(answer(reply, b"").0.is_err(), "{reply:?}");
        }
    }

    #[test]
    fn a_silence_is_told_as_one_and_known_under_what_is_said_about_it() {
        let error = in_words(io::Error::from(io::ErrorKind::WouldBlock).into()).context("GET /");
        assert!(is_silence(&error));
        assert!(format!("{error:#}").starts_with("GET /: nothing came for 120 s"), "{error:#}");
        assert!(!is_silence(&in_words(io::Error::from(io::ErrorKind::BrokenPipe).into())));
    }

    #[test]
    fn a_refusal_gives_the_servers_words() {
        let (response, _) = answer("HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"no such\"}", b"");
        let error = response.unwrap().expect(&[200]).unwrap_err();
        assert_eq!(error.to_string(), "status 404: no such");
    }

    #[test]
    fn endpoints_are_read_and_written() {
        for url in ["unix:///run/x.sock", "tcp://127.0.0.1:2375"] {
            assert_eq!(url.parse::<Endpoint>().unwrap().to_string(), url);
        }
        for url in ["", "unix://", "unix://x", "ssh://host", "/run/x.sock"] {
            assert!(url.parse::<Endpoint>().is_err(), "{url:?}");
        }
    }

    #[test]
    fn a_query_value_is_escaped() {
        assert_eq!(encode("LABEL a=\"b c\""), "LABEL%20a%3D%22b%20c%22");
    }
}
