//! A real engine, asked without the driver under test.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

/// The engine that the tests run on.
pub(crate) fn host() -> String {
    variable("LONGSHORE_TEST_DOCKER_HOST", "the address of an engine")
}

/// An image whose entry point is the testee.
pub(crate) fn image() -> String {
    variable("LONGSHORE_TEST_IMAGE", "an image whose entry point is the testee")
}

fn variable(name: &str, what: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: it names {what}; `cargo xtask test` sets it")
    })
}

/// Makes a call and gives the status and the answer.
pub(crate) fn call(method: &str, path: &str) -> std::io::Result<(u16, Value)> {
    let host = host();
    let path_of_socket = host.strip_prefix("unix://").expect("the tests use a local engine");
    let mut stream = UnixStream::connect(path_of_socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    // Version 1.0: the answer ends with the connection and is not cut into chunks.
    // Podman wants something to decode even where nothing has to be said.
    let body = if method == "POST" { "{}" } else { "" };
    let about = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
    let request = format!("{method} {path} HTTP/1.0\r\nHost: docker\r\n{about}\r\n\r\n{body}");
    // In one piece: an engine that needs no body may have answered, and closed, before that came.
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// The containers of an application, whatever their state: id and state.
pub(crate) fn containers(application: &str) -> std::io::Result<Vec<(String, String)>> {
    let label = format!("longshore.application={application}");
    let filters = format!("%7B%22label%22%3A%5B%22{}%22%5D%7D", label.replace('=', "%3D"));
    let (status, list) = call("GET", &format!("/containers/json?all=1&filters={filters}"))?;
    assert_eq!(status, 200, "{list}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = list.as_array().cloned().unwrap_or_default();
    Ok(list.iter().map(|one| (text(&one["Id"]), text(&one["State"]))).collect())
}

/// The volumes that no container uses.
pub(crate) fn loose_volumes() -> std::io::Result<Vec<String>> {
    let (_, found) = call("GET", "/volumes?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D")?;
    let list = found["Volumes"].as_array().cloned().unwrap_or_default();
    Ok(list.iter().filter_map(|one| one["Name"].as_str().map(str::to_owned)).collect())
}

/// Whether the engine has a log driver. Podman takes `json-file` for its own files and lists it not.
pub(crate) fn has_log(name: &str) -> bool {
    let (status, info) = call("GET", "/info").expect("the engine answers");
    assert_eq!(status, 200, "{info}");
    let listed = info["Plugins"]["Log"].as_array().cloned().unwrap_or_default();
    listed.iter().any(|driver| {
        driver == name || (name, "k8s-file") == ("json-file", driver.as_str().unwrap_or_default())
    })
}
