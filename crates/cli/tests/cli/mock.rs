//! A backend in memory, by a configuration file.

use std::process::Command;

use tempfile::TempDir;

use crate::support;

const CONFIG: &str = r#"
driver = "mock"
[mock]
any_image = false

[mock.images."demo"]
entrypoint = ["/hello"]
not_executable = ["/notes.txt"]

[mock.images."demo".programs]
"/hello" = [{ stdout = "hello\n" }, { stderr = "there\n" }]
"/exit-7" = [{ exit = 7 }]
"/die-term" = [{ die = "SIGTERM" }]
"/greedy" = ["out_of_memory"]
"/greedy-child" = ["child_out_of_memory", { exit = 0 }]
"/cat" = ["echo"]
"/forever" = [{ stdout = "ready\n" }, "forever"]
"/stubborn" = [{ ignore = "SIGTERM" }, { stdout = "ready\n" }, "forever"]
"/much" = [{ stdout = "0123456789" }, { stderr = "abc" }]

[mock.images."failing"]
entrypoint = []
programs."/exit-7" = [{ exit = 7 }]

[mock.images."remote"]
present = false
entrypoint = ["/hello"]
programs."/hello" = [{ stdout = "hello from afar\n" }]
"#;

/// The backend, and a folder for a test's files.
pub(crate) struct Mock {
    pub(crate) folder: TempDir,
}

impl Mock {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), CONFIG).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A command that uses it.
    pub(crate) fn command(&self, command: &str, args: &[&str]) -> Command {
        let config = self.path("config.toml");
        support::longshore([&[command, "--config", &config], args].concat())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Command {
        self.command("run", args)
    }

    /// Runs one program of the image.
    pub(crate) fn program(&self, program: &str) -> Command {
        self.run(&["--entrypoint", program, "demo"])
    }

    pub(crate) fn json(&self, name: &str) -> serde_json::Value {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}
