//! `longshore run` on a real engine.

#[path = "support/engine.rs"]
mod engine;
mod support;

use std::process::{Command, Stdio};

use longshore::stats::{Metric, Series};
use longshore_testee::{STDERR, STDOUT, Terminals, World, pattern};
use rustix::process::Signal;

use engine::Rig;
use support::{Run, done, fed, noise};

#[test]
fn the_tasks_own_status_is_passed_on_and_nothing_is_said() {
    let rig = Rig::new();
    for (args, status) in [
        (&["exit", "0"][..], 0),
        (&["exit", "7"], 7),
        (&["die", "TERM"], 143),
        (&["die", "9"], 137),
    ] {
        done(&mut rig.testee(&[], args)).assert_silent(status);
    }
}

#[test]
fn both_streams_are_exact_to_their_end() {
    let rig = Rig::new();
    let args = ["write", "--stdout", "3000001", "--stderr", "70001", "--seed", "5"];
    let mut command = rig.testee(&[], &args);
    let files = ["out", "err"].map(|name| rig.path(name));
    let [out, err] = files.clone().map(|path| std::fs::File::create(path).unwrap());
    assert!(command.stdout(out).stderr(err).status().unwrap().success());
    let [out, err] = files.map(|path| std::fs::read(path).unwrap());
    assert!(out == pattern(5, STDOUT).bytes_of(3_000_001), "{} bytes", out.len());
    assert!(err == pattern(5, STDERR).bytes_of(70_001), "{} bytes", err.len());
}

#[test]
fn input_goes_through_as_it_is_and_ends() {
    let rig = Rig::new();
    for count in [0, 1, 2_000_003] {
        let bytes = noise(count, 11);
        let echoed = fed(&mut rig.testee(&[], &["cat"]), &bytes);
        echoed.assert_silent(0);
        assert!(echoed.stdout == bytes, "{count} bytes went in, {} came out", echoed.stdout.len());
    }
}

#[test]
fn a_stdin_that_stays_open_keeps_nobody_from_ending() {
    let rig = Rig::new();
    let mut run = Run::start(rig.testee(&[], &["exit", "7"]).stdin(Stdio::piped()));
    let held = run.child.stdin.take();
    run.end().assert_silent(7);
    drop(held);
}

#[test]
fn a_task_that_times_out_is_124_whatever_it_does_about_it() {
    let rig = Rig::new();
    done(&mut rig.testee(&["--timeout", "300ms"], &["sleep", "forever"]))
        .assert(124, "timed out after 300ms");
    let options = ["--timeout", "300ms", "--stop-timeout", "300ms"];
    done(&mut rig.testee(&options, &["ignore-term"])).assert(124, "timed out");
    let polite = ["trap-term", "--exit", "3"];
    let run = done(&mut rig.testee(&["--timeout", "500ms"], &polite));
    run.assert(124, "timed out");
    assert!(run.text().contains("caught"), "{run:?}");
}

#[test]
fn a_reader_that_has_stopped_does_not_keep_a_timeout_from_ending_the_task() {
    let rig = Rig::new();
    let options = ["--timeout", "300ms", "--stop-timeout", "300ms", "--no-init"];
    let mut run = Run::start(&mut rig.testee(&options, &["write", "--stdout", "1000000000000"]));
    // Nobody reads stdout: the end is waited for alone.
    let status = run.wait();
    let done = run.end();
    assert_eq!(status.code(), Some(124), "{done:?}");
    done.assert(124, "stdout is not complete");
}

#[test]
fn a_reader_of_stderr_that_has_stopped_does_not_keep_a_timeout_from_ending_the_task() {
    let rig = Rig::new();
    let options = ["--timeout", "300ms", "--stop-timeout", "300ms", "--no-init"];
    let mut run = Run::start(&mut rig.testee(&options, &["write", "--stderr", "1000000000000"]));
    // Nobody reads stderr, where the end is told, too: it is waited for alone.
    assert_eq!(run.wait().code(), Some(124));
}

#[test]
fn a_report_goes_to_no_file_of_a_stream_and_nothing_is_made() {
    let rig = Rig::new();
    let path = rig.path("out");
    let out = std::fs::File::create(&path).unwrap();
    let mut command = rig.testee(&["--json", "/dev/stdout"], &["exit", "0"]);
    let run = command.stdout(out).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(run.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&run.stderr).contains("--json /dev/stdout is where stdout"));
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[test]
fn out_of_memory_is_137_and_said_with_the_remedy() {
    let rig = Rig::new();
    let json = rig.path("end.json");
    let run = done(&mut rig.testee(&["-m", "24m", "--json", &json], &["alloc", "100000000"]));
    run.assert(137, "out of memory: the task used up its 24MiB; --memory gives it more");
    let end = rig.json("end.json");
    assert_eq!(end["outcome"]["kind"], "out_of_memory");
    assert_ne!(end["oom"], "none");
}

#[test]
fn a_child_that_runs_out_of_memory_is_not_the_task() {
    let rig = Rig::new();
    let run = done(&mut rig.testee(&["-m", "24m"], &["alloc-child", "100000000", "--exit", "0"]));
    run.assert(0, "though not its main one");
}

#[test]
fn each_signal_ends_the_task_and_removes_it() {
    let rig = Rig::new();
    for (signal, status) in
        [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)]
    {
        // Where the tests run under nohup, the command would ignore SIGHUP, as it should.
        let mut command = Command::new("env");
        let inner = rig.testee(&[], &["ignore-term"]);
        command.arg("--default-signal").arg(inner.get_program()).args(inner.get_args());
        let mut run = Run::start(&mut command);
        run.until("ready\n");
        assert_eq!(rig.containers().len(), 1);
        run.signal(signal);
        // A second one does not keep it from cleaning up.
        run.signal(signal);
        run.end().assert(status, "cancelled by SIG");
        assert_eq!(rig.containers(), [""; 0]);
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_task() {
    let rig = Rig::new();
    let mut run = Run::start(&mut rig.testee(&[], &["write", "--stdout", "1000000000"]));
    drop(run.child.stdout.take());
    run.end().assert(125, "nobody reads its output any more");
}

#[test]
fn what_a_killed_run_left_is_removed_by_reap() {
    let rig = Rig::new();
    let mut run = Run::start(&mut rig.testee(&["--name", "orphan"], &["ignore-term"]));
    run.until("ready\n");
    run.signal(Signal::KILL);
    run.wait();
    assert_eq!(rig.containers().len(), 1);

    let look = done(&mut rig.command("reap", &["--dry-run"]));
    look.assert_silent(0);
    assert!(look.text().contains("orphan"), "{look:?}");
    assert!(look.text().contains("1 would be removed, 0 not removed, 0 kept"), "{look:?}");
    assert_eq!(rig.containers().len(), 1, "a dry run removes nothing");

    let reaped = done(&mut rig.command("reap", &["--json"]));
    reaped.assert_silent(0);
    let report: serde_json::Value = serde_json::from_str(reaped.text()).unwrap();
    assert_eq!(report["removed"][0]["task"], "orphan", "{report}");
    assert_eq!(rig.containers(), [""; 0]);
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_and_the_living_stay() {
    let rig = Rig::new();
    let mut dead = Run::start(&mut rig.testee(&[], &["ignore-term"]));
    dead.until("ready\n");
    let orphan = rig.containers();
    let mut alive = Run::start(&mut rig.testee(&[], &["ignore-term"]));
    alive.until("ready\n");
    dead.signal(Signal::KILL);
    dead.wait();
    done(&mut rig.testee(&[], &["exit", "0"])).assert_silent(0);
    let left = rig.containers();
    assert!(left.len() == 1 && left != orphan, "{left:?} of {orphan:?}");
    alive.signal(Signal::INT);
    alive.end().assert(130, "");
}

#[test]
fn options_reach_the_task() {
    let rig = Rig::new();
    let folder = rig.path("");
    let bind = format!("type=bind,src={folder},dst=/in,ro");
    let options = [
        "-e",
        "A=1",
        "-w",
        "/tmp",
        "-u",
        "7:8",
        "--hostname",
        "box",
        "--ulimit",
        "nofile=99:100",
        "--tmpfs",
        "/t:size=1m,mode=1777",
        "--mount",
        &bind,
        "--read-only",
        "--cap-add",
        "chown",
        "-m",
        "64m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "33",
        "--add-host",
        "db:10.0.0.2",
    ];
    let run = done(&mut rig.testee(&options, &["world"]));
    run.assert_silent(0);
    let world: World = serde_json::from_str(run.text()).unwrap();
    assert_eq!(world.env.get("A").map(String::as_str), Some("1"));
    assert_eq!((world.cwd.as_str(), world.hostname.as_str()), ("/tmp", "box"));
    assert_eq!((world.uid, world.gid), (7, 8));
    assert!(world.no_new_privs && world.interfaces == ["lo"], "{world:?}");
    assert_eq!(world.capabilities.bounding, ["CAP_CHOWN"]);
    let files = world.limits["max open files"];
    assert_eq!((files.soft, files.hard), (Some(99), Some(100)));
    let mount = |target: &str| world.mounts.iter().find(|mount| mount.target == target).unwrap();
    assert!(mount("/in").options.contains(&"ro".to_owned()));
    assert!(mount("/").options.contains(&"ro".to_owned()));
    assert_eq!(mount("/t").kind, "tmpfs");
    assert!(mount("/t").super_options.iter().any(|option| option == "size=1024k"), "{world:?}");
    assert!(world.hosts.unwrap().contains("10.0.0.2\tdb"));
}

#[test]
fn a_terminal_is_one_and_its_output_one_stream() {
    let rig = Rig::new();
    let run = done(&mut rig.testee(&["-t"], &["isatty"]));
    run.assert_silent(0);
    assert!(run.text().starts_with('{'), "{run:?}");
    let terminals: Terminals = serde_json::from_str(run.text()).unwrap();
    assert!(terminals.stdin && terminals.stdout && terminals.stderr, "{terminals:?}");
    assert!(run.text().ends_with("\r\n"), "{run:?}");
}

#[test]
fn the_end_of_input_reaches_a_terminal_and_cuts_no_output() {
    let rig = Rig::new();
    done(&mut rig.testee(&["-t"], &["cat"])).assert_silent(0);
    for input in ["line\n", "half a line"] {
        for _ in 0..3 {
            let run = fed(&mut rig.testee(&["-t"], &["cat"]), input.as_bytes());
            run.assert_silent(0);
            // Once as the terminal's echo and once from the task.
            assert_eq!(run.text().matches(input.trim_end()).count(), 2, "{run:?}");
        }
    }
}

#[test]
fn samples_and_the_end_are_written_down() {
    let rig = Rig::new();
    let (stats, json) = (rig.path("stats.json"), rig.path("end.json"));
    let options = ["--stats", &stats, "--json", &json, "--name", "burner"];
    done(&mut rig.testee(&options, &["burn", "2500"])).assert(0, "");
    let series: Series = serde_json::from_str(&std::fs::read_to_string(&stats).unwrap()).unwrap();
    assert!(
        series.iter().any(|sample| sample.metrics.get(Metric::CpuTotal) > Some(0)),
        "{series:?}"
    );
    let end = rig.json("end.json");
    assert_eq!((end["task"].as_str(), end["exit_status"].as_u64()), (Some("burner"), Some(0)));
    assert_eq!(end["container"].as_str().unwrap().len(), 64);
    assert!(end["timings"]["run_ms"].as_f64().unwrap() >= 2000.0, "{end}");
}

#[test]
fn an_output_limit_delivers_exactly_so_much() {
    let rig = Rig::new();
    let args = ["write", "--stdout", "100000", "--seed", "3"];
    let cut = done(&mut rig.testee(&["--output-limit", "1000"], &args));
    cut.assert(0, "stdout: 99000 bytes beyond the limit of 1000B were thrown away");
    assert!(cut.stdout == pattern(3, STDOUT).bytes_of(1000));
    let args = ["write", "--stdout", "1000000000000", "--seed", "3"];
    let stopped = done(&mut rig.testee(&["--output-limit", "1000:stop"], &args));
    stopped.assert(125, "it wrote more than --output-limit");
    assert!(stopped.stdout == pattern(3, STDOUT).bytes_of(1000));
}

#[test]
fn doctor_finds_the_engine() {
    let rig = Rig::new();
    let doctor = done(&mut rig.command("doctor", &[]));
    doctor.assert_silent(0);
    assert!(doctor.text().contains("tasks can be run with docker"), "{doctor:?}");
}

#[test]
fn the_finest_log_shows_no_secret() {
    let rig = Rig::new();
    let mut command = rig.testee(&["-e", "TOKEN=hunter2"], &["exit", "0"]);
    let run = done(command.env("LONGSHORE_LOG", "trace"));
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.contains("the task has ended"), "{run:?}");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}

#[test]
fn a_network_is_borrowed_of_a_pool_of_one_and_nothing_is_left_of_it() {
    let rig = Rig::new();
    let report = rig.path("report.json");
    let options = ["--network", "prefork", "--json", &report];
    let run = done(&mut rig.testee(&options, &["read", "/sys/class/net/eth0/address"]));
    run.assert_silent(0);
    assert_eq!(run.text().trim().split(':').count(), 6, "{run:?}");
    assert_eq!(rig.json("report.json")["network"]["kind"], "lent");
    assert_eq!(rig.containers(), [""; 0]);
}

#[test]
fn a_port_that_the_engine_chooses_is_told_and_all_are_reported() {
    let rig = Rig::new();
    let json = rig.path("end.json");
    let options = ["--network", "bridge", "-p", "127.0.0.1::8080", "--json", &json];
    let run = done(&mut rig.testee(&options, &["sleep", "500"]));
    assert_eq!(run.code, Some(0), "{run:?}");
    let told = &run.stderr;
    let end = rig.json("end.json");
    let port = end["ports"][0].as_str().unwrap();
    let at = port.strip_suffix(":8080/tcp").unwrap();
    assert!(at.starts_with("127.0.0.1:"), "{port}");
    assert_eq!(*told, format!("longshore: {at} leads to port 8080/tcp of the task\n"));
}

#[test]
fn a_task_that_does_not_do_well_in_time_is_ended_and_said_so() {
    let rig = Rig::new();
    // The image has no shell: no check ever succeeds.
    let options = [
        "--health-cmd",
        "true",
        "--health-interval",
        "100ms",
        "--health-retries",
        "2",
        "--health-wait",
        "20s",
    ];
    let run = done(&mut rig.testee(&options, &["sleep", "forever"]));
    assert_eq!(run.code, Some(125), "{run:?}");
    let told = &run.stderr;
    assert!(told.contains("is unhealthy") && told.contains("--health-cmd"), "{told}");
}
