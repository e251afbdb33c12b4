//! A terminal in front of a task: raw while it runs, and as before on every way out.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::mock::Mock;
use crate::support::is_so_within;

struct Terminal {
    master: File,
    slave: OwnedFd,
}

impl Terminal {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        Self { master: File::from(master), slave: slave.into() }
    }

    /// Starts a command with this terminal on all of its streams.
    fn start(&self, command: &mut Command) -> Child {
        let stream = || Stdio::from(self.slave.try_clone().unwrap());
        command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap()
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    fn until_raw(&self, child: &mut Child) {
        let became_raw = is_so_within(Duration::from_secs(60), || {
            let is_over = child.try_wait().unwrap().is_some();
            let is_raw = self.is_raw();
            assert!(is_raw || !is_over, "it ended and never was raw");
            is_raw
        });
        assert!(became_raw, "waited in vain for the terminal to be raw");
    }

    /// Reads what is shown until this is among it.
    fn until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(text.as_bytes()) {
            let mut byte = [0];
            self.master.read_exact(&mut byte).unwrap();
            read.extend(byte);
        }
        String::from_utf8_lossy(&read).into_owned()
    }
}

#[test]
fn keys_go_to_the_task_and_the_terminal_is_as_before_afterwards() {
    let mock = Mock::new();
    let mut terminal = Terminal::new();
    let mut command = mock.run(&["-i", "-t", "--entrypoint", "/cat", "demo"]);
    let mut child = terminal.start(&mut command);
    terminal.until_raw(&mut child);
    // Ctrl-C is a key like any other: the task gets it, and longshore goes on.
    terminal.master.write_all(b"before\x03after").unwrap();
    terminal.until("before\u{3}after");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(!terminal.is_raw());
    terminal.until("cancelled by SIGTERM\r\n");
}

#[test]
fn a_task_that_ends_gives_the_terminal_back() {
    let mock = Mock::new();
    for (program, status) in [("/hello", 0), ("/exit-7", 7), ("/greedy", 137), ("/none", 127)] {
        let terminal = Terminal::new();
        let mut command = mock.run(&["-it", "--entrypoint", program, "demo"]);
        let mut child = terminal.start(&mut command);
        assert_eq!(child.wait().unwrap().code(), Some(status), "{program}");
        assert!(!terminal.is_raw(), "{program}");
    }
}

#[test]
fn without_both_options_the_terminal_is_left_alone() {
    let mock = Mock::new();
    for options in [&["-t"][..], &["-i"], &[]] {
        let mut terminal = Terminal::new();
        let args = [options, &["--entrypoint", "/forever", "demo"]].concat();
        let mut child = terminal.start(&mut mock.run(&args));
        terminal.until("ready");
        assert!(!terminal.is_raw(), "{options:?}");
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{options:?}");
    }
}

#[test]
fn a_terminal_on_stdin_is_not_passed_through_unless_asked_for() {
    let mock = Mock::new();
    let terminal = Terminal::new();
    // It would wait for ever for the end of the terminal.
    let mut child = terminal.start(&mut mock.program("/cat"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_pull_shows_its_progress_and_takes_it_away_again() {
    let mock = Mock::new();
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&mut mock.command("pull", &["remote"]));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    terminal.until("pull remote");
    // The line is erased before the name is printed.
    terminal.until("\u{1b}[2K");
    terminal.until("docker.io/library/remote:latest");

    let mut child = terminal.start(&mut mock.command("pull", &["--quiet", "remote"]));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let shown = terminal.until("docker.io/library/remote:latest");
    assert!(!shown.contains("pull"), "{shown}");
}

/// What a terminal shows of so much output, line by line.
fn screen(output: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut at = 0;
    let mut rest = output.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => {
                assert_eq!(rest.next(), Some('['), "{output:?}");
                let command: String = rest.by_ref().take_while(|c| c.is_ascii_digit()).collect();
                // The letter was taken with the digits.
                match command.parse::<usize>() {
                    Ok(up) => at -= up,
                    Err(_) => lines.truncate(at),
                }
            }
            '\r' => {}
            '\n' => at += 1,
            c => {
                lines.resize(lines.len().max(at + 1), String::new());
                lines[at].push(c);
            }
        }
    }
    lines
}

#[test]
fn what_is_logged_while_a_pool_is_shown_stands_above_it() {
    let mock = Mock::new();
    let mut terminal = Terminal::new();
    let args = ["--size", "2", "--network", "nonesuch", "--for", "2s"];
    let mut child = terminal.start(&mut mock.command("pool", &args));
    let output = terminal.until(" died\r\n");
    assert_eq!(child.wait().unwrap().code(), Some(125));
    let screen = screen(&output);
    let lines = |text: &str| screen.iter().filter(|line| line.contains(text)).count();
    assert!(lines("a placeholder could not be made") > 2, "{screen:#?}");
    assert_eq!((lines("SLOT  STATE"), lines("nobody has borrowed yet; ")), (1, 1), "{screen:#?}");
    // The whole of the error, below the slots.
    let head = screen.iter().position(|line| line.starts_with("SLOT  STATE")).unwrap();
    assert!(screen[head + 3].starts_with("slot 0 on nonesuch: "), "{screen:#?}");
    assert!(screen[head + 3].ends_with("make it first"), "{screen:#?}");
    let whole = |line: &String| line.contains(" WARN ") && line.starts_with("20");
    assert!(screen[1..head].iter().all(whole), "{screen:#?}");
}
