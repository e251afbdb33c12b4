//! `longshore completions`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::{done, longshore};

#[test]
fn every_shell_has_its_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(&mut longshore(["completions", shell]));
        script.assert_silent(0);
        for word in ["longshore", "memory-swap", "decimate"] {
            assert!(script.text().contains(word), "{shell}: {word}");
        }
    }
    done(&mut longshore(["completions", "dos"])).assert(125, "'dos'");
}

#[test]
fn bash_understands_its_script() {
    let script = done(&mut longshore(["completions", "bash"]));
    let mut bash = Command::new("bash").args(["-n", "-s"]).stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(&script.stdout).unwrap();
    assert!(bash.wait().unwrap().success());
}
