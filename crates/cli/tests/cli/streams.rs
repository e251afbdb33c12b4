//! Input and output, byte for byte, whatever is on the other end.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::mock::Mock;
use crate::signals::catches_interrupts;
use crate::support::{Run, done, fed, longshore, noise};

#[test]
fn bytes_go_through_as_they_are() {
    let mock = Mock::new();
    for count in [0, 1, 65_536, 3_000_001] {
        let bytes = noise(count, 7);
        let echoed = fed(&mut mock.program("/cat"), &bytes);
        echoed.assert_silent(0);
        assert!(echoed.stdout == bytes, "{count} bytes went in, {} came out", echoed.stdout.len());
    }
}

#[test]
fn a_file_is_input_and_output_as_a_pipe_is() {
    let mock = Mock::new();
    let bytes = noise(200_000, 3);
    std::fs::write(mock.path("in"), &bytes).unwrap();
    let status = mock
        .program("/cat")
        .stdin(File::open(mock.path("in")).unwrap())
        .stdout(File::create(mock.path("out")).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(std::fs::read(mock.path("out")).unwrap() == bytes);
}

#[test]
fn a_stdin_that_stays_open_keeps_nobody_from_ending() {
    let mock = Mock::new();
    let mut run = Run::start(mock.program("/exit-7").stdin(Stdio::piped()));
    let held = run.child.stdin.take();
    run.end().assert_silent(7);
    drop(held);
}

#[test]
fn input_that_nobody_reads_is_no_error() {
    let mock = Mock::new();
    fed(&mut mock.program("/exit-7"), &noise(1_000_000, 1)).assert_silent(7);
}

#[test]
fn what_is_written_comes_before_the_input_ends() {
    let mock = Mock::new();
    let mut run = Run::start(mock.program("/cat").stdin(Stdio::piped()));
    let mut stdin = run.child.stdin.take().unwrap();
    stdin.write_all(b"no line feed").unwrap();
    run.until("no line feed");
    drop(stdin);
    run.end().assert_silent(0);
}

#[test]
fn a_reader_that_goes_away_ends_the_task() {
    let mock = Mock::new();
    let mut run = Run::start(mock.program("/cat").stdin(Stdio::piped()));
    let mut stdin = run.child.stdin.take().unwrap();
    stdin.write_all(b"first").unwrap();
    run.until("first");
    drop(run.child.stdout.take());
    // It is found out by writing.
    stdin.write_all(b"second").unwrap();
    run.end().assert(125, "nobody reads its output any more");
}

#[test]
fn a_disk_that_is_full_is_said_and_does_not_count_as_success() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mock = Mock::new();
    let mut child = mock.run(&["demo"]).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(125), "{stderr}");
    assert!(stderr.contains("stdout: No space left on device"), "{stderr}");
    assert!(stderr.contains("stdout is not complete: 0 bytes were delivered"), "{stderr}");
    assert!(stderr.contains("the status of the task itself is 0"), "{stderr}");
}

/// Runs the binary from a shell, which can close streams and break pipes.
fn shell(script: &str, mock: &Mock) -> (i32, String) {
    let output = Command::new("bash")
        .args(["-c", script])
        .env("LONGSHORE", env!("CARGO_BIN_EXE_longshore"))
        .env("CONFIG", mock.path("config.toml"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().unwrap(), text)
}

#[test]
fn closed_streams_are_no_reason_to_panic() {
    let mock = Mock::new();
    for closed in [">&-", "2>&-", "<&-", "<&- >&- 2>&-"] {
        let script = format!("$LONGSHORE run --config $CONFIG demo {closed}");
        assert_eq!(shell(&script, &mock).0, 0, "{closed}");
    }
}

/// A stream that is full, and whose reader, which has stopped, has to be kept.
fn full() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

#[test]
fn a_reader_of_stderr_that_has_stopped_keeps_nobody_from_ending() {
    let mock = Mock::new();
    let forever = ["--timeout", "50ms", "--entrypoint", "/forever", "demo"];
    let commands = [
        (mock.run(&forever), 124),
        (mock.run(&["nowhere"]), 125),
        (mock.run(&["Not An Image"]), 125),
        (mock.command("pull", &["nowhere"]), 125),
        (mock.command("pool", &["--for", "50ms"]), 0),
    ];
    for (mut command, status) in commands {
        command.env("LONGSHORE_LOG", "debug");
        let (stopped, writer) = full();
        let mut run = Run::start_with(command.stdout(Stdio::null()).stderr(writer));
        assert_eq!(run.wait().code(), Some(status), "{command:?}");
        drop(stopped);
    }
}

#[test]
fn a_reader_of_stdout_that_has_stopped_keeps_no_time_from_passing_and_no_signal_from_being_heard() {
    let mock = Mock::new();
    let (stopped, writer) = full();
    let mut pool = mock.command("pool", &["--for", "300ms"]);
    let mut run = Run::start_with(pool.stdout(writer).stderr(Stdio::null()));
    assert_eq!(run.wait().code(), Some(0));
    drop(stopped);
    for (command, args) in [("doctor", &[][..]), ("reap", &[]), ("pull", &["demo"])] {
        let (stopped, writer) = full();
        let mut command = mock.command(command, args);
        let mut run = Run::start_with(command.stdout(writer).stderr(Stdio::null()));
        while !catches_interrupts(&run) {
            std::thread::yield_now();
        }
        run.signal(Signal::INT);
        assert_eq!(run.wait().code(), Some(130), "{command:?}");
        drop(stopped);
    }
}

/// A stream that nobody reads.
fn broken() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer
}

#[test]
fn a_command_whose_reader_is_gone_ends_silently_as_by_sigpipe() {
    let mock = Mock::new();
    let commands = [
        longshore(["ref", "a", "b"]),
        longshore(["completions", "bash"]),
        longshore(["decimate", "--max", "1"]),
        mock.command("doctor", &[]),
        mock.command("reap", &[]),
        mock.command("pull", &["remote"]),
    ];
    for mut command in commands {
        let output = command.stdout(broken()).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(141), ""), "{command:?}");
    }
}

#[test]
fn help_and_errors_that_nobody_reads_change_no_status() {
    let mock = Mock::new();
    let commands = [
        (longshore(["run", "--help"]), 0),
        (longshore(["nonsense"]), 125),
        (mock.run(&["Not An Image"]), 125),
        (mock.run(&["--timeout", "20ms", "--entrypoint", "/forever", "demo"]), 124),
    ];
    for (mut command, status) in commands {
        let out = if status == 124 { Stdio::null() } else { broken().into() };
        let ended = command.stdout(out).stderr(broken()).status().unwrap();
        assert_eq!(ended.code(), Some(status), "{command:?}");
    }
}

#[test]
fn each_answer_comes_while_the_input_is_still_open() {
    let mut run = Run::start(longshore(["ref"]).stdin(Stdio::piped()));
    let mut stdin = run.child.stdin.take().unwrap();
    stdin.write_all(b"busybox\n").unwrap();
    run.until("}\n");
    drop(stdin);
    run.end().assert_silent(0);
}

#[test]
fn help_goes_to_stdout_and_errors_to_stderr() {
    let help = done(&mut longshore(["run", "--help"]));
    help.assert_silent(0);
    assert!(help.text().contains("Exit status:"), "{help:?}");
    let wrong = done(&mut longshore(["run", "--memroy", "1m", "demo"]));
    wrong.assert(125, "longshore: error: unexpected argument '--memroy'");
    assert_eq!(wrong.text(), "");
}
