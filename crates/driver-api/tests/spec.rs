//! Descriptions of tasks: their written form, and the check of the whole.

use std::time::Duration;

use longshore_driver_api::{
    ByteSize, Capability, CapabilityDrop, Cpus, Device, ErrorKind, InvalidSpec, LogDriver, Mount,
    MountKind, NetworkMode, OutputLimit, PullPolicy, Seccomp, Security, Signal, TaskSpec, TtySize,
    Ulimit, WhenEmpty,
};
use proptest::prelude::*;

const FULL: &str = r#"
id = "job-7"
image = "ghcr.io/acme/tool:1.2"
pull = "always"
platform = "linux/arm64"
entrypoint = ["/bin/tool"]
args = ["--fast", ""]
work_dir = "/src"
tty = true
tty_size = { rows = 24, columns = 80 }
timeout = "1m 30s"
recoverable_for = "1h"

[env]
A = "1"
B = "two words"

[stop]
signal = "INT"
grace = "500ms"

[limits]
memory = "64MiB"
swap = "64MB"
memory_reservation = "32m"
cpus = "500m"
cpu_shares = 512
cpuset = "0-1,3"
pids = 50
fs_size = "1GiB"
shm_size = "16MiB"
ulimits = { nofile = 350, memlock = { soft = 1, hard = 2 } }
output = { bytes = "1MiB", then = "stop" }

[security]
user = "1001:1002"
groups = ["3"]
cap_drop = ["NET_RAW"]
cap_add = ["cap_net_admin"]
no_new_privileges = false
read_only_root = true
seccomp = "unconfined"
init = false

[network]
mode = "front"
aliases = ["web"]
hostname = "box.example"
dns = ["10.0.0.2"]
dns_search = ["example"]
dns_options = ["ndots:1"]
extra_hosts = { db = "10.0.0.3" }

[[mounts]]
type = "bind"
source = "/data"
target = "/in"
read_only = true
propagation = "rslave"

[[mounts]]
type = "volume"
source = "cache"
target = "/cache"

[[mounts]]
type = "tmpfs"
target = "/tmp"
size = "8MiB"
inodes = 100
mode = 0o1777

[[devices]]
host = "/dev/fuse"
permissions = "rw"

[labels]
team = "blue"

[log]
driver = "json-file"
options = { max-size = "10m" }

[extensions]
x = "y"
"#;

#[test]
fn every_field_is_read_in_the_units_that_people_write() {
    let spec: TaskSpec = toml::from_str(FULL).unwrap();
    spec.validate().unwrap();
    assert_eq!(spec.pull, PullPolicy::Always);
    assert_eq!(spec.timeout, Some(Duration::from_secs(90)));
    assert_eq!(spec.stop.signal, Some(Signal::INT));
    assert_eq!(spec.limits.memory, Some(ByteSize::mib(64)));
    assert_eq!(spec.limits.swap, Some(ByteSize(64_000_000)));
    assert_eq!(spec.limits.cpus, Some(Cpus::milli(500)));
    assert_eq!(spec.limits.ulimits["nofile"], Ulimit::both(350));
    assert_eq!(spec.limits.output, Some(OutputLimit::stop_beyond(ByteSize::mib(1))));
    assert_eq!(spec.security.cap_add, ["NET_ADMIN".parse::<Capability>().unwrap()]);
    assert_eq!(spec.security.seccomp, Seccomp::Unconfined);
    assert_eq!(spec.network.mode, NetworkMode::Named("front".into()));
    assert!(matches!(spec.mounts[2].kind, MountKind::Tmpfs { mode: Some(0o1777), .. }));
    assert_eq!(spec.devices[0].permissions, "rw");
}

#[test]
fn what_is_written_reads_the_same() {
    let spec: TaskSpec = toml::from_str(FULL).unwrap();
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<TaskSpec>(&json).unwrap(), spec);
    let text = toml::to_string(&spec).unwrap();
    assert_eq!(toml::from_str::<TaskSpec>(&text).unwrap(), spec);
}

#[test]
fn an_unknown_key_is_refused_by_name_at_every_level() {
    for text in [
        "image = 'x'\nimagee = 'x'",
        "image = 'x'\nlimits = { memroy = '1m' }",
        "image = 'x'\nsecurity = { rot = 1 }",
        "image = 'x'\nnetwork = { modes = 'none' }",
        "image = 'x'\nmounts = [{ type = 'tmpfs', target = '/t', sizes = '1m' }]",
        "image = 'x'\nstop = { after = '1s' }",
        "image = 'x'\nlog = { drivers = 'none' }",
    ] {
        let error = toml::from_str::<TaskSpec>(text).unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{text}: {error}");
    }
}

#[test]
fn a_key_of_another_kind_of_mount_is_refused() {
    for mount in [
        "{ type = 'bind', source = '/a', target = '/t', size = '1m' }",
        "{ type = 'volume', target = '/t', propagation = 'shared' }",
        "{ type = 'tmpfs', target = '/t', source = '/a' }",
        "{ type = 'bind', target = '/t' }",
    ] {
        assert!(toml::from_str::<TaskSpec>(&format!("image = 'x'\nmounts = [{mount}]")).is_err());
    }
}

#[test]
fn a_task_is_hardened_unless_it_says_otherwise() {
    let spec = TaskSpec::builder("x").build().unwrap();
    assert_eq!(spec.security.user, "1000:1000");
    assert_eq!(spec.security.cap_drop, CapabilityDrop::All);
    assert!(spec.security.no_new_privileges && spec.security.init && !spec.security.privileged);
    assert_eq!(spec.network.mode, NetworkMode::None);
    assert_eq!(spec.log, LogDriver::named("none"));
}

#[test]
fn all_problems_are_reported_at_once_with_their_fields() {
    let invalid = TaskSpec::builder("Not An Image")
        .work_dir("relative")
        .timeout(Duration::ZERO)
        .memory(ByteSize(0))
        .mount(Mount::tmpfs("/t", None))
        .mount(Mount::bind("../a", "/t"))
        .build()
        .unwrap_err();
    let fields: Vec<&str> =
        invalid.problems().iter().map(|problem| problem.field.as_str()).collect();
    let expected =
        ["image", "work_dir", "timeout", "limits.memory", "mounts[1].target", "mounts[1].source"];
    assert_eq!(fields, expected);
    let error = longshore_driver_api::Error::from(invalid);
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("limits.memory: must be more than zero"), "{error}");
}

/// One change that makes a good description a bad one, and the field that must be named.
type Spoiled = (&'static str, fn(&mut TaskSpec));

const SPOILED: [Spoiled; 47] = [
    ("id", |s| s.id.clear()),
    ("image", |s| s.image = "a b".into()),
    ("platform", |s| s.platform = Some("linux".into())),
    ("entrypoint[0]", |s| s.entrypoint = Some(vec!["a\0".into()])),
    ("args[1]", |s| s.args = vec!["a".into(), "\0".into()]),
    ("env", |s| s.env.set("A=B", "")),
    ("env.A", |s| s.env.set("A", "\0")),
    ("work_dir", |s| s.work_dir = Some("/a/../b".into())),
    ("tty_size", |s| s.tty_size = Some(TtySize { rows: 24, columns: 80 })),
    ("tty_size", |s| {
        s.tty = true;
        s.tty_size = Some(TtySize { rows: 0, columns: 80 });
    }),
    ("timeout", |s| s.timeout = Some(Duration::ZERO)),
    ("stats_interval", |s| s.stats_interval = Some(Duration::from_micros(9999))),
    ("recoverable_for", |s| s.recoverable_for = Some(Duration::ZERO)),
    ("recoverable_for", |s| {
        s.recoverable_for = Some(Duration::from_secs(1));
        s.network.mode = NetworkMode::Prefork;
    }),
    ("limits.memory", |s| s.limits.memory = Some(ByteSize(u64::MAX))),
    ("limits.swap", |s| s.limits.swap = Some(ByteSize(1))),
    ("limits.memory_reservation", |s| {
        s.limits.memory = Some(ByteSize(1));
        s.limits.memory_reservation = Some(ByteSize(2));
    }),
    ("limits.cpus", |s| s.limits.cpus = Some(Cpus::milli(0))),
    ("limits.cpu_shares", |s| s.limits.cpu_shares = Some(1)),
    ("limits.cpuset", |s| s.limits.cpuset = Some("3-1".into())),
    ("limits.pids", |s| s.limits.pids = Some(0)),
    ("limits.pids", |s| s.limits.pids = Some(1)),
    ("limits.fs_size", |s| s.limits.fs_size = Some(ByteSize(0))),
    ("limits.shm_size", |s| s.limits.shm_size = Some(ByteSize(0))),
    ("limits.ulimits.nofiles", |s| {
        s.limits.ulimits.insert("nofiles".into(), Ulimit::both(1));
    }),
    ("limits.ulimits.nofile", |s| {
        s.limits.ulimits.insert("nofile".into(), Ulimit { soft: 2, hard: 1 });
    }),
    ("security.user", |s| s.security.user = "a:".into()),
    ("security.groups[0]", |s| s.security.groups = vec![String::new()]),
    ("devices[0].permissions", |s| {
        let mut device = Device::new("/dev/null");
        device.permissions = "x".into();
        s.devices.push(device);
    }),
    ("devices[0].permissions", |s| {
        let mut device = Device::new("/dev/null");
        device.permissions = "r".into();
        s.devices.push(device);
        s.security.privileged = true;
        s.security.cap_drop = CapabilityDrop::These(vec![]);
    }),
    ("security.cap_drop", |s| s.security.privileged = true),
    ("security.cap_drop", |s| {
        s.security.privileged = true;
        s.security.cap_drop = CapabilityDrop::These(vec!["CHOWN".parse().unwrap()]);
    }),
    ("security.seccomp", |s| {
        s.security.privileged = true;
        s.security.cap_drop = CapabilityDrop::These(vec![]);
        s.security.seccomp = Seccomp::Profile("{}".into());
    }),
    ("network.dns", |s| s.network.dns = vec![[1, 1, 1, 1].into()]),
    ("network.dns_search", |s| s.network.dns_search = vec!["lan".into()]),
    ("network.dns_options", |s| s.network.dns_options = vec!["rotate".into()]),
    ("devices[0].host", |s| s.devices.push(Device::new("null"))),
    ("network.mode", |s| s.network.mode = NetworkMode::Named("a/b".into())),
    ("network.aliases", |s| s.network.aliases = vec!["a".into()]),
    ("network.hostname", |s| s.network.hostname = Some("-".into())),
    ("network.extra_hosts.a b", |s| {
        s.network.extra_hosts.insert("a b".into(), [1, 1, 1, 1].into());
    }),
    ("mounts[0].target", |s| s.mounts.push(Mount::tmpfs("/", None))),
    ("mounts[0].source", |s| s.mounts.push(Mount::volume("a/b", "/t"))),
    ("log.options.syslog-address", |s| s.log = LogDriver::syslog("logs:514", [])),
    ("log.options.max-file", |s| s.log = LogDriver::json_file(ByteSize::mib(1), 0)),
    ("log.options", |s| s.log = LogDriver::named("none").option("a", "b")),
    ("labels", |s| {
        s.labels.insert("longshore.owner".into(), String::new());
    }),
];

#[test]
fn each_bad_field_is_named_and_no_other() {
    for (field, spoil) in SPOILED {
        let invalid: InvalidSpec = TaskSpec::builder("x").edit(spoil).build().unwrap_err();
        let fields: Vec<&str> = invalid.problems().iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, [field], "{invalid}");
    }
}

#[test]
fn what_has_an_effect_stays_allowed() {
    let good: [fn(&mut TaskSpec); 4] = [
        |s| s.limits.pids = Some(2),
        |s| {
            s.limits.pids = Some(1);
            s.security.init = false;
        },
        |s| {
            s.security = Security::engine_default();
            s.security.privileged = true;
            s.security.cap_add = vec!["NET_ADMIN".parse().unwrap()];
            s.security.seccomp = Seccomp::Unconfined;
            s.devices.push(Device::new("/dev/null"));
        },
        |s| {
            s.network.mode = NetworkMode::Host;
            s.network.dns_search = vec!["lan".into()];
        },
    ];
    for change in good {
        TaskSpec::builder("x").edit(change).build().unwrap();
    }
}

#[test]
fn syslog_is_written_as_fns_driver_writes_it() {
    let log = LogDriver::syslog("tcp://logs:514", [("app", "a"), ("fn", "f")]);
    assert_eq!(log.driver, "syslog");
    assert_eq!(log.options["tag"], "app=a,fn=f");
    assert_eq!(log.options["syslog-format"], "rfc5424");
    assert!(!LogDriver::syslog("tcp://logs:514", []).options.contains_key("tag"));
}

#[test]
fn debug_shows_no_environment_value() {
    let spec = TaskSpec::builder("x").env("TOKEN", "hunter2").build().unwrap();
    assert!(!format!("{spec:?}").contains("hunter2"));
}

#[test]
fn hardening_is_given_up_in_one_word() {
    let spec = TaskSpec::builder("x").security(Security::engine_default()).build().unwrap();
    assert_eq!(spec.security.cap_drop, CapabilityDrop::These(vec![]));
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<TaskSpec>(&json).unwrap(), spec);
}

proptest! {
    #[test]
    fn no_text_makes_the_check_panic(image: String, id: String, dir: String, set: String, user: String, host: String) {
        let _ = TaskSpec::builder(image)
            .id(id)
            .user(user)
            .edit(|spec| {
                spec.limits.cpuset = Some(set);
                spec.network.hostname = Some(host);
                spec.network.mode = NetworkMode::from(dir.as_str());
                spec.mounts.push(Mount::bind(dir.clone(), dir.clone()));
                spec.platform = Some(dir.clone());
                spec.work_dir = Some(dir);
            })
            .build();
    }
}

#[test]
fn what_belongs_to_the_holder_of_a_network_is_refused_of_its_borrower() {
    let borrowed = |edit: fn(&mut TaskSpec)| {
        TaskSpec::builder("alpine").network(NetworkMode::Prefork).edit(edit).build()
    };
    assert!(borrowed(|spec| spec.network.when_empty = Some(WhenEmpty::Error)).is_ok());
    let error = borrowed(|spec| {
        spec.network.hostname = Some("h".to_owned());
        spec.network.dns = vec!["10.0.0.1".parse().unwrap()];
        spec.network.dns_search = vec!["x".to_owned()];
        spec.network.dns_options = vec!["ndots:1".to_owned()];
        spec.network.extra_hosts.insert("h".to_owned(), "10.0.0.1".parse().unwrap());
        spec.network.aliases = vec!["a".to_owned()];
    });
    assert_eq!(error.unwrap_err().problems().len(), 6);
    let other = TaskSpec::builder("alpine")
        .edit(|spec| spec.network.when_empty = Some(WhenEmpty::FallBack))
        .build();
    assert_eq!(other.unwrap_err().problems()[0].field, "network.when_empty");
}
