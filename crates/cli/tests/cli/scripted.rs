//! An engine that says only what a test wants it to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Answers every request on a socket with a version, as an engine of this API would.
pub(crate) fn engine_with_version(socket: &Path, api: &str) {
    let listener = UnixListener::bind(socket).unwrap();
    let body = format!(
        r#"{{"Version":"1.13.0","ApiVersion":"{api}","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"}}"#
    );
    let reply = format!(
        "HTTP/1.1 200 OK\r\nApi-Version: {api}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // It ends with the test program.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while request.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            // A client that went away has got its answer.
            let _ = stream.write_all(reply.as_bytes());
        }
    });
}
