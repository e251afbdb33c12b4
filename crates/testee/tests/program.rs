//! Runs the program and looks at it as a container driver would: streams, codes and signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};

use longshore_testee::{
    Burnt, ChildFate, Filled, Forked, Listening, Opened, Resolved, STDERR, STDOUT, Terminals,
    World, pattern,
};

fn testee(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-testee"));
    command.args(args).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    testee(args).output().unwrap()
}

fn json<T: for<'a> serde::Deserialize<'a>>(args: &[&str]) -> T {
    let output = output(args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Starts it with pipes and waits for its first line.
fn ready(args: &[&str]) -> (Child, BufReader<std::process::ChildStdout>, String) {
    let mut command = testee(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    (child, stdout, line)
}

fn kill(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn exit_ends_with_the_code() {
    for code in [0, 1, 42, 127, 255] {
        assert_eq!(output(&["exit", &code.to_string()]).status.code(), Some(code));
    }
}

#[test]
fn die_dies_by_the_signal_by_number_and_by_name() {
    for (text, signal) in [("9", 9), ("TERM", 15), ("SIGSEGV", 11), ("6", 6), ("USR1", 10)] {
        assert_eq!(output(&["die", text]).status.signal(), Some(signal), "{text}");
    }
}

#[test]
fn wrong_arguments_are_told_and_end_with_64() {
    for args in [
        &["exit"][..],
        &["exit", "256"],
        &["exit", "1", "2"],
        &["exit", "1", "--fast", "yes"],
        &["die", "NOSUCH"],
        &["die", "64"],
        &["write", "--chunk", "0"],
        &["nosuch"],
        &["-x"],
    ] {
        let output = output(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}

#[test]
fn cat_gives_back_the_exact_bytes() {
    let bytes = pattern(3, 0).bytes_of(1 << 20);
    let mut child = testee(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == bytes);
}

#[test]
fn cat_with_a_limit_leaves_the_rest_unread() {
    let (mut child, mut stdout, first) = ready_with_input(b"one\ntwo\n");
    assert_eq!(first, "one\n");
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn ready_with_input(input: &[u8]) -> (Child, BufReader<std::process::ChildStdout>, String) {
    let mut command = testee(&["cat", "--limit", "4"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(input).unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    (child, stdout, line)
}

#[test]
fn write_writes_the_pattern_of_each_stream_and_not_a_byte_more() {
    for (out, err) in [(0, 0), (1, 0), (0, 1), (70_000, 13), (4096, 300_001)] {
        let (o, e) = (out.to_string(), err.to_string());
        let args = ["write", "--stdout", &o, "--stderr", &e, "--seed", "9", "--chunk", "1000"];
        let output = output(&args);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout == pattern(9, STDOUT).bytes_of(out));
        assert!(output.stderr == pattern(9, STDERR).bytes_of(err));
    }
}

#[test]
fn say_says_it_as_often_as_wanted() {
    assert_eq!(output(&["say", "hello there"]).stdout, b"hello there\n");
    assert_eq!(output(&["say", "more", "--times", "20000"]).stdout, b"more\n".repeat(20_000));
}

#[test]
fn write_keeps_to_the_rate() {
    let start = std::time::Instant::now();
    let args = ["write", "--stdout", "3000", "--rate", "10000", "--chunk", "100"];
    assert_eq!(output(&args).stdout.len(), 3000);
    assert!(start.elapsed().as_millis() >= 290, "{:?}", start.elapsed());
}

#[test]
fn write_to_a_reader_that_left_fails_with_74() {
    let mut command = testee(&["write", "--stdout", "1000000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(74));
}

#[test]
fn close_streams_ends_both_streams_and_lives_on() {
    let mut command = testee(&["close-streams", "forever"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert!(bytes.is_empty());
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn daemonize_leaves_stdout_open_after_the_main_process() {
    let (mut child, mut stdout, first) = ready(&["daemonize", "--hold", "300"]);
    assert_eq!(first, "held\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let held = std::time::Instant::now();
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    assert!(held.elapsed().as_millis() >= 200, "{:?}", held.elapsed());
}

#[test]
fn a_pipe_is_no_terminal() {
    assert_eq!(json::<Terminals>(&["isatty"]), Terminals::default());
}

#[test]
fn serve_does_what_the_lines_say() {
    let (mut child, mut stdout, first) = ready(&["serve"]);
    assert_eq!(first, "ready\n");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"out hello there\nalloc 1000\nburn 1\nexit 9\n").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "hello there\nallocated\nburnt\n");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn ignore_term_survives_sigterm_and_trap_term_obeys_it() {
    use rustix::process::Signal;
    let (mut child, _stdout, first) = ready(&["ignore-term", "300"]);
    assert_eq!(first, "ready\n");
    kill(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));

    for (args, signal) in [
        (&["trap-term", "--exit", "3"][..], Signal::TERM),
        (&["trap-term", "--exit", "3", "--signal", "SIGUSR1"], Signal::USR1),
    ] {
        let (mut child, mut stdout, first) = ready(args);
        assert_eq!(first, "ready\n");
        kill(&child, signal);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "caught\n");
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }
}

#[test]
fn burn_burns_processor_time() {
    let burnt: Burnt = json(&["burn", "60", "--threads", "2"]);
    assert!(burnt.cpu_ms >= 60, "{burnt:?}");
}

#[test]
fn alloc_says_when_the_memory_is_there_or_can_not_be_had() {
    assert_eq!(output(&["alloc", "1000000"]).stdout, b"allocated\n");
    assert_eq!(output(&["alloc", "9223372036854775807"]).status.code(), Some(70));
}

#[test]
fn alloc_child_tells_the_childs_fate_and_ends_as_asked() {
    let output = output(&["alloc-child", "1000000", "--exit", "5"]);
    assert_eq!(output.status.code(), Some(5));
    let fate: ChildFate = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((fate.code, fate.signal), (Some(0), None));
}

#[test]
fn fork_counts_and_leaves_no_child() {
    let forked: Forked = json(&["fork", "5"]);
    assert_eq!((forked.asked, forked.started, forked.errno), (5, 5, None));
}

#[test]
fn files_are_filled_touched_and_opened_up_to_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("filled");
    let filled: Filled = json(&["fill", path.to_str().unwrap(), "100000"]);
    assert_eq!((filled.written, filled.errno), (100_000, None));
    assert_eq!(path.metadata().unwrap().len(), 100_000);

    let full: Filled = json(&["fill", "/dev/full", "100000"]);
    assert_eq!((full.written, full.errno), (0, Some(28)));

    let touched: Filled = json(&["touch", dir.path().to_str().unwrap(), "7"]);
    assert_eq!((touched.written, touched.errno), (7, None));
    assert_eq!(dir.path().read_dir().unwrap().count(), 8);

    let limited = Command::new("sh")
        .args(["-c", "ulimit -n 20; exec \"$0\" open 100"])
        .arg(env!("CARGO_BIN_EXE_longshore-testee"))
        .output()
        .unwrap();
    let opened: Opened = serde_json::from_slice(&limited.stdout).unwrap();
    assert_eq!(opened.errno, Some(24));
    assert!((10..=17).contains(&opened.opened), "{opened:?}");

    let read = output(&["read", path.to_str().unwrap()]);
    assert!(read.stdout == vec![1; 100_000]);

    let removed = output(&["remove", path.to_str().unwrap(), "--exit", "127"]);
    assert_eq!(removed.status.code(), Some(127));
    assert!(!path.exists());
}

#[test]
fn world_tells_what_the_caller_set() {
    let dir = tempfile::tempdir().unwrap();
    let output = testee(&["world"])
        .env_clear()
        .env("GREETING", "hello\nyou")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let world: World = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(world.env, [("GREETING".to_owned(), "hello\nyou".to_owned())].into());
    assert_eq!(world.cwd, dir.path().canonicalize().unwrap().to_str().unwrap());
    assert_eq!(world.args[1..], ["world"]);
    assert_eq!(world.parent, std::process::id());
    assert_eq!(world.uid, rustix::process::geteuid().as_raw());
    assert!([1, 2].iter().all(|fd| world.descriptors[fd].starts_with("pipe:")));
    assert!(!world.descriptors.values().any(|target| target.ends_with("/fd")));
    assert_eq!(world.descriptors[&0], "/dev/null");
    assert!(world.mounts.iter().any(|mount| mount.target == "/"));
    assert!(world.limits.contains_key("max open files"), "{:?}", world.limits);
    assert!(world.interfaces.contains(&"lo".to_owned()));
    assert!(world.devices.contains(&"null".to_owned()));
    assert!(!world.hostname.is_empty() && !world.init.is_empty());
}

#[test]
fn without_a_terminal_there_is_no_size() {
    let (mut child, mut stdout, ready) = ready(&["serve"]);
    assert_eq!(ready, "ready\n");
    child.stdin.take().unwrap().write_all(b"size\n").unwrap();
    let mut said = String::new();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!((said.as_str(), child.wait().unwrap().code()), ("size 0 0\n", Some(0)));
}

#[test]
fn listeners_echo_one_connection() {
    let (mut child, _stdout, first) = ready(&["listen-tcp", "0"]);
    let listening: Listening = serde_json::from_str(&first).unwrap();
    let port: u16 = listening.address.rsplit(':').next().unwrap().parse().unwrap();
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.write_all(b"ping").unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    let mut back = Vec::new();
    connection.read_to_end(&mut back).unwrap();
    assert_eq!(back, b"ping");
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let (mut child, _stdout, first) = ready(&["listen-udp", "0"]);
    let listening: Listening = serde_json::from_str(&first).unwrap();
    let port: u16 = listening.address.rsplit(':').next().unwrap().parse().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"datagram", ("127.0.0.1", port)).unwrap();
    let mut back = [0; 64];
    let length = socket.recv(&mut back).unwrap();
    assert_eq!(&back[..length], b"datagram");
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (mut child, _stdout, first) = ready(&["listen-unix", path.to_str().unwrap()]);
    let listening: Listening = serde_json::from_str(&first).unwrap();
    assert_eq!(listening.address, path.to_str().unwrap());
    let mut connection = UnixStream::connect(&path).unwrap();
    connection.write_all(b"pong").unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    let mut back = Vec::new();
    connection.read_to_end(&mut back).unwrap();
    assert_eq!(back, b"pong");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn others_are_found_by_name_and_asked_as_often_as_they_listen() {
    let resolved: Resolved = json(&["resolve", "localhost"]);
    assert!(resolved.addresses.contains(&"127.0.0.1".to_owned()), "{resolved:?}");
    assert_eq!(output(&["resolve", "no such name"]).status.code(), Some(74));

    let (mut child, _stdout, first) = ready(&["listen-tcp", "0", "--times", "2"]);
    let listening: Listening = serde_json::from_str(&first).unwrap();
    let port = listening.address.rsplit(':').next().unwrap();
    for text in ["once", "and again"] {
        let asked = output(&["ask", "127.0.0.1", port, text]);
        assert_eq!((asked.status.code(), asked.stdout), (Some(0), text.as_bytes().to_vec()));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(output(&["ask", "127.0.0.1", port, "too late"]).status.code(), Some(74));
}
