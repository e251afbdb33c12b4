//! The engine's API with nothing in between: HTTP/1.0 on a socket, a connection for each call.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

pub(crate) struct Api {
    socket: PathBuf,
}

/// A reply of which the head has been read.
pub(crate) struct Reply(BufReader<UnixStream>);

impl Api {
    pub(crate) fn new(host: &str) -> Result<Api> {
        let path = host.strip_prefix("unix://");
        let path =
            path.with_context(|| format!("{host} is no unix socket, and only those are measured"))?;
        Ok(Api { socket: path.into() })
    }

    /// A whole call; its reply as JSON, `null` if it is empty.
    pub(crate) fn call(&self, method: &str, target: &str, body: &str) -> Result<Value> {
        let rest = self.open(method, target, body)?.rest()?;
        if rest.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&rest).with_context(|| format!("{method} {target}: no JSON"))
    }

    /// A call up to the head of its reply: from there on the engine attaches, or waits.
    pub(crate) fn open(&self, method: &str, target: &str, body: &str) -> Result<Reply> {
        let mut stream = UnixStream::connect(&self.socket).context("connect to the engine")?;
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        let mut reply = Reply(BufReader::new(stream));
        let status = reply.line()?;
        while !reply.line()?.is_empty() {}
        if !status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            let words = String::from_utf8_lossy(&reply.rest()?).into_owned();
            bail!("{method} {target}: {status}: {words}");
        }
        Ok(reply)
    }
}

impl Reply {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.0.read_line(&mut line)? > 0, "the reply ended early");
        Ok(line.trim_end().to_owned())
    }

    /// The body, to its end.
    pub(crate) fn rest(mut self) -> Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// How many bytes the body has, to its end.
    pub(crate) fn count(mut self) -> Result<u64> {
        let mut piece = vec![0; 1 << 16];
        let mut count = 0;
        loop {
            match self.0.read(&mut piece)? {
                0 => return Ok(count),
                n => count += n as u64,
            }
        }
    }
}
