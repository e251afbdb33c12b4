//! The leak count against a real engine: a count that finds nothing must be able to find something.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn engine() -> String {
    std::env::var("LONGSHORE_TEST_DOCKER_HOST").expect("cargo xtask test names the engine")
}

/// One request to the engine, which must succeed.
fn ask(method: &str, target: &str, body: &str) {
    let url = engine();
    let mut stream: Box<dyn Stream> = match url.split_once("://").unwrap() {
        ("unix", path) => Box::new(UnixStream::connect(path).unwrap()),
        (_, address) => Box::new(TcpStream::connect(address).unwrap()),
    };
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.0 20"), "{reply}");
}

/// Counts around a command that lives until its stdin is closed.
fn counting(command: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["leaks", "--settle", "1", "sh", "-c"])
        .arg(format!("{command}; echo started; read line; exit 0"))
        .env("DOCKER_HOST", engine())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    while byte != *b"\n" {
        child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
    }
    child
}

fn end(mut child: Child) -> Output {
    drop(child.stdin.take());
    child.wait_with_output().unwrap()
}

#[test]
fn what_stays_on_the_engine_is_found_and_what_goes_is_not() {
    let name = format!("longshore-leak-{}", std::process::id());
    let container = counting("true");
    let config = r#"{"Image": "longshore/testee:latest", "Cmd": ["sleep", "forever"]}"#;
    ask("POST", &format!("/containers/create?name={name}"), config);
    ask("POST", &format!("/containers/{name}/start"), "");
    let found = end(container);
    ask("DELETE", &format!("/containers/{name}?force=1"), "");
    let text = String::from_utf8(found.stderr).unwrap();
    assert!(!found.status.success());
    assert!(text.contains("container "), "{text}");
    if engine().starts_with("unix:") {
        for kind in ["cgroup ", "mount ", "network namespace ", "process "] {
            assert!(text.contains(kind), "no {kind}in {text}");
        }
    }

    let volume = counting("true");
    ask("POST", "/volumes/create", &format!(r#"{{"Name": "{name}"}}"#));
    let found = end(volume);
    ask("DELETE", &format!("/volumes/{name}"), "");
    assert!(String::from_utf8(found.stderr).unwrap().contains(&format!("volume {name}")));

    let network = counting("true");
    ask("POST", "/networks/create", &format!(r#"{{"Name": "{name}"}}"#));
    let found = end(network);
    ask("DELETE", &format!("/networks/{name}"), "");
    assert!(String::from_utf8(found.stderr).unwrap().contains(&format!("network {name}")));

    let nothing = counting("true");
    ask("POST", &format!("/containers/create?name={name}"), config);
    ask("POST", &format!("/containers/{name}/start"), "");
    ask("DELETE", &format!("/containers/{name}?force=1"), "");
    let found = end(nothing);
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
}

#[test]
fn an_orphan_of_the_command_is_found() {
    let child = counting("(sleep 5 >/dev/null 2>&1 &)");
    let found = end(child);
    let text = String::from_utf8(found.stderr).unwrap();
    assert!(!found.status.success());
    assert!(text.contains("process ") && text.contains("sleep 5"), "{text}");
}
