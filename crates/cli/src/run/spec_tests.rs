//! Every option and the field of the task that it sets.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use clap::{CommandFactory as _, Parser as _};
use longshore::TaskSpec;
use serde_json::{Value, json};

use super::spec::{World, spec};
use crate::failure::Failure;

/// Options, the field as it is written, and its value.
fn table() -> Vec<(&'static [&'static str], &'static str, Value)> {
    vec![
        (&["--name", "build-7"], "/id", json!("build-7")),
        (&["--entrypoint", "/bin/sh"], "/entrypoint", json!(["/bin/sh"])),
        (&["--entrypoint", ""], "/entrypoint", json!([])),
        (&["-e", "A=1=2", "--env", "B="], "/env", json!({"A": "1=2", "B": ""})),
        (&["-e", "HERE", "-e", "NOT_HERE"], "/env", json!({"HERE": "from here"})),
        (
            &["--env-file", "vars", "-e", "A=2"],
            "/env",
            json!({"A": "2", "B": " b #1", "HERE": "from here"}),
        ),
        (&["-w", "/src"], "/work_dir", json!("/src")),
        (&["--workdir", "/src"], "/work_dir", json!("/src")),
        (&["-t"], "/tty", json!(true)),
        (&["--tty"], "/tty", json!(true)),
        (&["-l", "a=b=c", "--label", "d"], "/labels", json!({"a": "b=c", "d": ""})),
        (&["--pull", "never"], "/pull", json!("never")),
        (&["--pull", "always"], "/pull", json!("always")),
        (&["--platform", "linux/arm64/v8"], "/platform", json!("linux/arm64/v8")),
        (&["--stop-signal", "int"], "/stop/signal", json!("SIGINT")),
        (&["--stop-timeout", "3"], "/stop/grace", json!("3s")),
        (&["--stop-timeout", "250ms"], "/stop/grace", json!("250ms")),
        (&["--timeout", "1m30s"], "/timeout", json!("1m 30s")),
        (&["--stats-interval", "10ms"], "/stats_interval", json!("10ms")),
        (
            &["--output-limit", "1KiB"],
            "/limits/output",
            json!({"bytes": "1KiB", "then": "discard"}),
        ),
        (&["--output-limit", "5:stop"], "/limits/output", json!({"bytes": "5B", "then": "stop"})),
        (&["-m", "64m"], "/limits/memory", json!("64MiB")),
        (&["--memory", "64MB"], "/limits/memory", json!("62500KiB")),
        (&["-m", "64m", "--memory-swap", "96m"], "/limits/swap", json!("32MiB")),
        (&["-m", "64m", "--memory-swap", "64m"], "/limits/swap", json!("0B")),
        (&["--memory-reservation", "8m"], "/limits/memory_reservation", json!("8MiB")),
        (&["--cpus", "1.5"], "/limits/cpus", json!("1500m")),
        (&["-c", "512"], "/limits/cpu_shares", json!(512)),
        (&["--cpu-shares", "512"], "/limits/cpu_shares", json!(512)),
        (&["--cpuset-cpus", "0-1"], "/limits/cpuset", json!("0-1")),
        (&["--pids-limit", "50"], "/limits/pids", json!(50)),
        (&["--pids-limit", "-1"], "/limits/pids", Value::Null),
        (
            &["--ulimit", "nofile=1:2", "--ulimit", "core=0"],
            "/limits/ulimits",
            json!({"core": 0, "nofile": {"soft": 1, "hard": 2}}),
        ),
        (&["--ulimit", "memlock=-1"], "/limits/ulimits/memlock", json!(i64::MAX)),
        (&["--shm-size", "1g"], "/limits/shm_size", json!("1GiB")),
        (&["--storage-opt", "size=10G"], "/limits/fs_size", json!("10GiB")),
        (&["-u", "0:0"], "/security/user", json!("0:0")),
        (&["--user", ""], "/security/user", json!("")),
        (&["--group-add", "disk", "--group-add", "7"], "/security/groups", json!(["disk", "7"])),
        (
            &["--cap-add", "net_admin", "--cap-add", "CAP_CHOWN"],
            "/security/cap_add",
            json!(["NET_ADMIN", "CHOWN"]),
        ),
        (&["-u", "7", "--cap-drop", "CHOWN"], "/security/cap_drop", json!("all")),
        (&["--engine-defaults", "--cap-drop", "CHOWN"], "/security/cap_drop", json!(["CHOWN"])),
        (&["--engine-defaults", "--cap-drop", "all"], "/security/cap_drop", json!("all")),
        (&["--engine-defaults"], "/security/no_new_privileges", json!(false)),
        (&["--engine-defaults", "-u", "7"], "/security/user", json!("7")),
        (
            &["--security-opt", "no-new-privileges=false"],
            "/security/no_new_privileges",
            json!(false),
        ),
        (
            &["--engine-defaults", "--security-opt", "no-new-privileges"],
            "/security/no_new_privileges",
            json!(true),
        ),
        (&["--security-opt", "seccomp=unconfined"], "/security/seccomp", json!("unconfined")),
        (&["--security-opt", "seccomp=profile"], "/security/seccomp", json!({"profile": "{}"})),
        (&["--security-opt", "apparmor:mine"], "/security/apparmor", json!("mine")),
        (&["--read-only"], "/security/read_only_root", json!(true)),
        (&["--no-init"], "/security/init", json!(false)),
        (&["--no-init", "--init"], "/security/init", Value::Null),
        (&["--privileged"], "/security/privileged", json!(true)),
        (&["--privileged"], "/security/cap_drop", json!([])),
        (&["--network", "bridge"], "/network/mode", json!("bridge")),
        (&["--net", "host"], "/network/mode", json!("host")),
        (&["--network", "lan", "--network-alias", "db"], "/network/aliases", json!(["db"])),
        (&["--network", "lan", "--network", "wan"], "/network/mode", json!("lan")),
        (&["--network", "lan", "--network", "wan"], "/network/also", json!(["wan"])),
        (
            &["--net", "bridge", "-p", "127.0.0.1:8080:80", "--publish", "53/udp"],
            "/network/publish",
            json!(["127.0.0.1:8080:80/tcp", "53/udp"]),
        ),
        (
            &["--health-cmd", "test -e /f"],
            "/health/check",
            json!({"run": ["/bin/sh", "-c", "test -e /f"]}),
        ),
        (&["--no-healthcheck"], "/health/check", json!("off")),
        (&["--health-interval", "2s"], "/health/interval", json!("2s")),
        (&["--health-timeout", "3"], "/health/timeout", json!("3s")),
        (&["--health-start-period", "1m"], "/health/start_period", json!("1m")),
        (&["--health-retries", "5"], "/health/retries", json!(5)),
        (&["--health-wait", "9s"], "/health/wait", json!("9s")),
        (&["--hostname", "box"], "/network/hostname", json!("box")),
        (
            &["--net", "host", "--dns", "1.1.1.1", "--dns", "::1"],
            "/network/dns",
            json!(["1.1.1.1", "::1"]),
        ),
        (&["--net", "lan", "--dns-search", "lan"], "/network/dns_search", json!(["lan"])),
        (
            &["--net", "bridge", "--dns-option", "ndots:1", "--dns-opt", "rotate"],
            "/network/dns_options",
            json!(["ndots:1", "rotate"]),
        ),
        (
            &["--add-host", "a:10.0.0.1", "--add-host", "b:::1"],
            "/network/extra_hosts",
            json!({"a": "10.0.0.1", "b": "::1"}),
        ),
        (
            &["--mount", "type=bind,src=/a,dst=/b,ro"],
            "/mounts/0",
            json!({"type": "bind", "source": "/a", "target": "/b", "read_only": true}),
        ),
        (
            &["-v", "data:/d"],
            "/mounts/0",
            json!({"type": "volume", "source": "data", "target": "/d"}),
        ),
        (&["--volume", "/a:/b:ro"], "/mounts/0/read_only", json!(true)),
        (
            &["--tmpfs", "/t:size=1m,mode=1777"],
            "/mounts/0",
            json!({"type": "tmpfs", "target": "/t", "size": "1MiB", "mode": 0o1777}),
        ),
        (
            &["--device", "/dev/fuse:/dev/f:rw"],
            "/devices/0",
            json!({"host": "/dev/fuse", "container": "/dev/f", "permissions": "rw"}),
        ),
        (
            &["--log-driver", "syslog", "--log-opt", "tag=a=b"],
            "/log",
            json!({"driver": "syslog", "options": {"tag": "a=b"}}),
        ),
    ]
}

/// Options that say nothing about the task itself, or are tested by themselves.
const NOT_THE_TASK: [&str; 10] =
    ["driver", "config", "spec", "interactive", "quiet", "rm", "init", "json", "stats", "help"];

fn describe(words: &[&str]) -> Result<TaskSpec, Failure> {
    let words = ["longshore", "run"].iter().chain(words);
    let crate::Command::Run(args) = crate::Cli::try_parse_from(words).unwrap().command else {
        panic!("run is run");
    };
    let world = World {
        var: &|name| (name == "HERE").then(|| "from here".into()),
        read: &|path: &Path| match path.to_str() {
            Some("vars") => {
                Ok("\u{feff}# a comment\n\n  A=1\nB= b #1\nHERE\nNOT_HERE\n".to_owned())
            }
            Some("bad-vars") => Ok("A=1\nB C=hunter2\n".to_owned()),
            Some("profile") => Ok("{}".to_owned()),
            Some("task.toml") => Ok(TOML.to_owned()),
            Some("task.json" | "task") => Ok(JSON.to_owned()),
            Some("typo.toml") => Ok("image = \"alpine\"\n[limits]\nmemroy = \"1m\"\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        },
    };
    spec(&args, &world)
}

const TOML: &str = r#"
id = "from-file"
image = "alpine:3.20"
args = ["echo", "file"]
env = { A = "file", B = "file" }
tty = true
timeout = "5s"
network = { mode = "bridge" }
[limits]
memory = "64MiB"
pids = 9
[security]
cap_drop = ["CHOWN"]
[log]
driver = "json-file"
options = { max-size = "1m" }
[[mounts]]
type = "tmpfs"
target = "/t"
"#;

const JSON: &str = r#"{"id": "from-file", "image": "alpine:3.20", "timeout": "5s"}"#;

fn described(words: &[&str]) -> Value {
    match describe(words) {
        Ok(spec) => serde_json::to_value(spec).unwrap(),
        Err(failure) => panic!("{words:?}: {}", failure.text()),
    }
}

fn refusal(words: &[&str]) -> String {
    match describe(words) {
        Ok(spec) => panic!("{words:?} gave {spec:?}"),
        Err(failure) => failure.text(),
    }
}

#[test]
fn every_option_sets_its_field() {
    for (options, field, expected) in table() {
        let spec = described(&[options, &["alpine"]].concat());
        let found = spec.pointer(field).cloned().unwrap_or(Value::Null);
        // A field that holds its default is not written.
        assert_eq!(found, expected, "{options:?}");
    }
}

#[test]
fn no_option_is_without_a_row() {
    let cli = crate::Cli::command();
    let run = cli.find_subcommand("run").unwrap();
    let known: BTreeSet<&str> = run.get_arguments().filter_map(clap::Arg::get_long).collect();
    let tested: BTreeSet<&str> = table()
        .iter()
        .flat_map(|(options, ..)| options.iter())
        .filter_map(|word| word.strip_prefix("--"))
        .collect();
    let missing: Vec<_> = known
        .iter()
        .filter(|name| !tested.contains(*name) && !NOT_THE_TASK.contains(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_default_is_the_hardened_one() {
    let spec = describe(&["alpine"]).unwrap();
    let default = TaskSpec::builder("alpine").id(spec.id.clone()).build().unwrap();
    assert_eq!(spec, default);
    assert_eq!(describe(&["--init", "--rm", "-i", "alpine"]).unwrap().security, default.security);
}

#[test]
fn everything_behind_the_image_is_the_command() {
    let spec = describe(&["-m", "5m", "alpine", "-e", "--name", "x", "--", "-t"]).unwrap();
    assert_eq!(spec.image, "alpine");
    assert_eq!(spec.args, ["-e", "--name", "x", "--", "-t"]);
    assert!(!spec.tty && spec.env.is_empty());
}

#[test]
fn a_file_describes_a_task_in_toml_or_json() {
    let spec = describe(&["--spec", "task.toml"]).unwrap();
    assert_eq!((spec.id.as_str(), spec.image.as_str()), ("from-file", "alpine:3.20"));
    assert_eq!(spec.args, ["echo", "file"]);
    for file in ["task.json", "task"] {
        assert_eq!(describe(&["--spec", file]).unwrap().id, "from-file", "{file}");
    }
}

#[test]
fn options_override_the_file_and_lists_grow() {
    let words = [
        "--spec",
        "task.toml",
        "--name",
        "mine",
        "-e",
        "A=option",
        "-m",
        "1m",
        "--pids-limit",
        "-1",
        "--timeout",
        "9s",
        "--cap-drop",
        "KILL",
        "--tmpfs",
        "/u",
        "--network",
        "none",
        "--log-driver",
        "local",
        "busybox",
        "true",
    ];
    let spec = described(&words);
    for (field, expected) in [
        ("/id", json!("mine")),
        ("/image", json!("busybox")),
        ("/args", json!(["true"])),
        ("/env", json!({"A": "option", "B": "file"})),
        ("/tty", json!(true)),
        ("/timeout", json!("9s")),
        ("/limits", json!({"memory": "1MiB"})),
        ("/security/cap_drop", json!(["CHOWN", "KILL"])),
        ("/network", Value::Null),
        ("/mounts/1/target", json!("/u")),
        ("/log", json!({"driver": "local"})),
    ] {
        let found = spec.pointer(field).cloned().unwrap_or(Value::Null);
        assert_eq!(found, expected, "{field}");
    }
}

#[test]
fn an_image_overrides_that_of_the_file_and_keeps_its_command() {
    let spec = describe(&["--spec", "task.toml", "busybox"]).unwrap();
    assert_eq!((spec.image.as_str(), spec.args.len()), ("busybox", 2));
}

#[test]
fn all_problems_are_told_at_once() {
    let words = [
        "-w",
        "relative",
        "--cpuset-cpus",
        "x",
        "--ulimit",
        "nope=1",
        "--log-opt",
        "a=b",
        "--user",
        "a:b:c",
        "Not An Image",
    ];
    let text = refusal(&words);
    for field in [
        "image",
        "work_dir",
        "limits.cpuset",
        "limits.ulimits.nope",
        "log.options",
        "security.user",
    ] {
        assert!(text.contains(&format!("\n  {field}: ")), "{field}: {text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (words, expected) in [
        (&["--spec", "missing.toml"][..], "missing.toml: "),
        (&["--spec", "typo.toml"], "unknown field `memroy`"),
        (&["--env-file", "bad-vars", "alpine"], "bad-vars:2: "),
        (&["--env-file", "nowhere", "alpine"], "nowhere: "),
        (&["--security-opt", "seccomp=nowhere", "alpine"], "nowhere: "),
        (&["--memory-swap", "1m", "alpine"], "needs --memory"),
        (&["-m", "2m", "--memory-swap", "1m", "alpine"], "--memory-swap 1MiB is less"),
    ] {
        let text = refusal(words);
        assert!(text.contains(expected), "{words:?}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
