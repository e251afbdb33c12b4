//! A real engine: an application of its own for each test, and a look at what is left.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::longshore;

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; `cargo xtask test` sets it"))
}

/// An application of a test's own, with its files.
pub(crate) struct Rig {
    folder: TempDir,
    application: String,
    image: String,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let application = folder.path().file_name().unwrap().to_str().unwrap().replace('.', "cli-");
        let config = format!(
            "driver = \"docker\"\n[docker]\nhost = \"{}\"\napplication = \"{application}\"\nrun_dir = \"{}\"\n",
            variable("LONGSHORE_TEST_DOCKER_HOST"),
            folder.path().join("run").display(),
        );
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        Self { folder, application, image: variable("LONGSHORE_TEST_IMAGE") }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self, command: &str, args: &[&str]) -> Command {
        let config = self.path("config.toml");
        longshore([&[command, "--config", &config], args].concat())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Command {
        self.command("run", args)
    }

    /// Runs the testee: options, then its arguments.
    pub(crate) fn testee(&self, options: &[&str], args: &[&str]) -> Command {
        self.run(&[options, &[&self.image], args].concat())
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The containers of this test, whatever their state.
    pub(crate) fn containers(&self) -> Vec<String> {
        let filter = format!("{{\"label\":[\"longshore.application={}\"]}}", self.application);
        let filter: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, list) = call("GET", &format!("/containers/json?all=1&filters={filter}"));
        assert_eq!(status, 200, "{list}");
        let list = list.as_array().unwrap();
        list.iter().map(|one| one["Id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.containers(), [""; 0], "containers are left");
        }
    }
}

/// Makes a call to the engine, and gives the status and the answer.
pub(crate) fn call(method: &str, path: &str) -> (u16, Value) {
    let host = variable("LONGSHORE_TEST_DOCKER_HOST");
    let socket = host.strip_prefix("unix://").expect("the tests use a local engine");
    let mut stream = UnixStream::connect(socket).unwrap();
    // Version 1.0: the answer ends with the connection and is not cut into chunks.
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}
