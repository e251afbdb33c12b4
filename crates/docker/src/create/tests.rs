//! Every field of a task in the request that creates its container.

use longshore_driver_api::{
    CapabilityDrop, Cpus, Device, LogDriver, Mount, MountKind, NetworkMode, Propagation, Seccomp,
    Security, Signal, TaskSpec, TaskSpecBuilder, TtySize, Ulimit,
};
use serde_json::json;

use super::*;

fn task() -> TaskSpecBuilder {
    TaskSpec::builder("x")
}

fn body_of(spec: TaskSpecBuilder) -> Value {
    body(&spec.build().unwrap(), "docker.io/library/x:latest", Streams::default(), None)
}

/// Checks what each task makes of one place of the request.
fn check(table: Vec<(&str, TaskSpecBuilder, Value)>) {
    for (pointer, spec, expected) in table {
        let body = body_of(spec);
        assert_eq!(body.pointer(pointer).unwrap_or(&Value::Null), &expected, "{pointer}");
    }
}

#[test]
fn a_plain_task_is_hardened_and_has_no_network_and_no_log() {
    let expected = json!({
        "AttachStdin": false, "AttachStdout": false, "AttachStderr": false,
        "OpenStdin": false, "StdinOnce": false, "Tty": false,
        "Image": "docker.io/library/x:latest",
        "Labels": {},
        "User": "1000:1000",
        "HostConfig": {
            "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"],
            "Init": true, "Privileged": false, "ReadonlyRootfs": false,
            "LogConfig": {"Type": "none", "Config": {}},
            "NetworkMode": "none",
        },
    });
    assert_eq!(body_of(task()), expected);
}

#[test]
fn process_fields_are_mapped() {
    check(vec![
        ("/Entrypoint", task(), Value::Null),
        ("/Entrypoint", task().entrypoint(Vec::<String>::new()), json!([])),
        ("/Entrypoint", task().entrypoint(["/a b", "-c"]), json!(["/a b", "-c"])),
        ("/Cmd", task().args(["echo", "a b", ""]), json!(["echo", "a b", ""])),
        ("/Cmd", task(), Value::Null),
        ("/Env", task().env("B", "2=3").env("A", ""), json!(["A=", "B=2=3"])),
        ("/WorkingDir", task().work_dir("/w"), json!("/w")),
        ("/Tty", task().tty(true), json!(true)),
        ("/HostConfig/ConsoleSize", task().tty(true), Value::Null),
        (
            "/HostConfig/ConsoleSize",
            task().tty(true).tty_size(TtySize { rows: 31, columns: 97 }),
            json!([31, 97]),
        ),
        ("/StopSignal", task().stop_signal(Signal::INT), json!("SIGINT")),
        ("/Labels/a", task().label("a", "b"), json!("b")),
    ]);
}

#[test]
fn only_wanted_streams_are_attached_and_input_ends_with_ours() {
    let streams = Streams { stdin: true, stdout: true, stderr: false };
    let body = body(&task().build().unwrap(), "x", streams, None);
    for (name, expected) in [
        ("AttachStdin", true),
        ("OpenStdin", true),
        ("StdinOnce", true),
        ("AttachStdout", true),
        ("AttachStderr", false),
    ] {
        assert_eq!(body[name], json!(expected), "{name}");
    }
}

#[test]
fn limits_are_mapped_and_there_is_no_kernel_memory() {
    let swap = |spec: TaskSpecBuilder| spec.edit(|spec| spec.limits.swap = Some(ByteSize::mib(16)));
    let mib = |n: u64| json!(n << 20);
    check(vec![
        ("/HostConfig/Memory", task().memory(ByteSize::mib(64)), mib(64)),
        ("/HostConfig/MemorySwap", task().memory(ByteSize::mib(64)), mib(64)),
        ("/HostConfig/MemorySwap", swap(task().memory(ByteSize::mib(64))), mib(80)),
        ("/HostConfig/MemorySwap", task(), Value::Null),
        ("/HostConfig/KernelMemory", task().memory(ByteSize::mib(64)), Value::Null),
        ("/HostConfig/MemorySwappiness", task().memory(ByteSize::mib(64)), Value::Null),
        ("/HostConfig/CpuQuota", task().cpus(Cpus::milli(1500)), json!(150_000)),
        ("/HostConfig/CpuPeriod", task().cpus(Cpus::milli(1500)), json!(100_000)),
        ("/HostConfig/CpuQuota", task().cpus(Cpus::milli(10)), json!(1_000)),
        ("/HostConfig/CpuQuota", task().cpus(Cpus::milli(1)), json!(1_000)),
        ("/HostConfig/CpuPeriod", task().cpus(Cpus::milli(1)), json!(1_000_000)),
        ("/HostConfig/PidsLimit", task().pids(50), json!(50)),
    ]);
    let full = task().edit(|spec| {
        spec.limits.memory_reservation = Some(ByteSize::mib(1));
        spec.limits.cpu_shares = Some(512);
        spec.limits.cpuset = Some("0-1".into());
        spec.limits.fs_size = Some(ByteSize::mib(1));
        spec.limits.shm_size = Some(ByteSize::mib(2));
    });
    let host = body_of(full)["HostConfig"].take();
    assert_eq!(host["MemoryReservation"], mib(1));
    assert_eq!(host["CpuShares"], json!(512));
    assert_eq!(host["CpusetCpus"], json!("0-1"));
    assert_eq!(host["StorageOpt"], json!({"size": "1048576"}));
    assert_eq!(host["ShmSize"], mib(2));
}

#[test]
fn ulimits_are_in_the_order_of_their_names() {
    let spec = task().ulimit("nofile", Ulimit { soft: 10, hard: 20 }).edit(|spec| {
        spec.limits.ulimits.insert("memlock".into(), Ulimit::both(7));
    });
    let expected = json!([
        {"Name": "memlock", "Soft": 7, "Hard": 7},
        {"Name": "nofile", "Soft": 10, "Hard": 20},
    ]);
    check(vec![("/HostConfig/Ulimits", spec, expected)]);
}

#[test]
fn mounts_and_devices_are_mapped() {
    let spread = task().mount(Mount::bind("/s:x", "/t").read_only()).edit(|spec| {
        let kind = MountKind::Bind { source: "/s".into(), propagation: Propagation::Rslave };
        let mut mount = Mount::bind("/s", "/u");
        mount.kind = kind;
        spec.mounts.push(mount);
    });
    let binds = json!([
        {"Type": "bind", "Source": "/s:x", "Target": "/t", "ReadOnly": true,
         "BindOptions": {"Propagation": "rprivate"}},
        {"Type": "bind", "Source": "/s", "Target": "/u", "ReadOnly": false,
         "BindOptions": {"Propagation": "rslave"}},
    ]);
    let volumes = task().mount(Mount::volume("v", "/v")).mount(Mount::anonymous_volume("/w"));
    let expected_volumes = json!([
        {"Type": "volume", "Source": "v", "Target": "/v", "ReadOnly": false},
        {"Type": "volume", "Target": "/w", "ReadOnly": false},
    ]);
    let tmpfs = task().mount(Mount::tmpfs("/tmp", None)).edit(|spec| {
        let mut mount = Mount::tmpfs("/full", None).read_only();
        mount.kind =
            MountKind::Tmpfs { size: Some(ByteSize::mib(1)), inodes: Some(9), mode: Some(0o1777) };
        spec.mounts.push(mount);
    });
    let expected_tmpfs = json!({"/tmp": "", "/full": "ro,size=1048576,nr_inodes=9,mode=1777"});
    let device = task().device(Device::new("/dev/fuse"));
    let expected_device = json!([
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"},
    ]);
    check(vec![
        ("/HostConfig/Mounts", spread, binds),
        ("/HostConfig/Mounts", volumes, expected_volumes),
        ("/HostConfig/Tmpfs", tmpfs, expected_tmpfs),
        ("/HostConfig/Devices", device, expected_device),
    ]);
}

#[test]
fn network_fields_are_mapped() {
    let on = |word: &str| task().network(NetworkMode::from(word));
    let full = on("mesh").edit(|spec| {
        spec.network.aliases = vec!["a".into()];
        spec.network.hostname = Some("h".into());
        spec.network.dns = vec!["10.0.0.1".parse().unwrap()];
        spec.network.dns_search = vec!["corp".into()];
        spec.network.dns_options = vec!["ndots:1".into()];
        spec.network.extra_hosts = [("z".into(), "::1".parse().unwrap())].into();
    });
    let body = body_of(full);
    assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["mesh"]["Aliases"], json!(["a"]));
    assert_eq!(body["Hostname"], json!("h"));
    assert_eq!(body["HostConfig"]["Dns"], json!(["10.0.0.1"]));
    assert_eq!(body["HostConfig"]["DnsSearch"], json!(["corp"]));
    assert_eq!(body["HostConfig"]["DnsOptions"], json!(["ndots:1"]));
    assert_eq!(body["HostConfig"]["ExtraHosts"], json!(["z:::1"]));
    for word in ["none", "bridge", "host", "mesh"] {
        check(vec![("/HostConfig/NetworkMode", on(word), json!(word))]);
    }
}

#[test]
fn every_switch_of_security_is_mapped() {
    let with = |change: fn(&mut Security)| task().edit(|spec| change(&mut spec.security));
    check(vec![
        ("/User", task().user(""), Value::Null),
        ("/User", task().user("ann:staff"), json!("ann:staff")),
        ("/HostConfig/GroupAdd", with(|s| s.groups = vec!["9".into()]), json!(["9"])),
        (
            "/HostConfig/CapDrop",
            with(|s| s.cap_drop = CapabilityDrop::These(vec!["net_raw".parse().unwrap()])),
            json!(["NET_RAW"]),
        ),
        (
            "/HostConfig/CapAdd",
            with(|s| s.cap_add = vec!["CAP_SYS_PTRACE".parse().unwrap()]),
            json!(["SYS_PTRACE"]),
        ),
        ("/HostConfig/CapDrop", task().security(Security::engine_default()), Value::Null),
        ("/HostConfig/SecurityOpt", task().security(Security::engine_default()), Value::Null),
        ("/HostConfig/ReadonlyRootfs", with(|s| s.read_only_root = true), json!(true)),
        ("/HostConfig/Init", with(|s| s.init = false), json!(false)),
        (
            "/HostConfig/Privileged",
            with(|s| {
                s.privileged = true;
                s.cap_drop = CapabilityDrop::These(vec![]);
            }),
            json!(true),
        ),
        (
            "/HostConfig/SecurityOpt",
            with(|s| s.seccomp = Seccomp::Unconfined),
            json!(["no-new-privileges", "seccomp=unconfined"]),
        ),
        (
            "/HostConfig/SecurityOpt",
            with(|s| {
                s.no_new_privileges = false;
                s.seccomp = Seccomp::Profile("{}".into());
                s.apparmor = Some("mine".into());
            }),
            json!(["seccomp={}", "apparmor=mine"]),
        ),
    ]);
}

#[test]
fn the_log_driver_is_the_tasks() {
    let log = LogDriver::syslog("tcp://l:514", [("app", "a")]);
    let expected = json!({"Type": "syslog", "Config": {
        "syslog-address": "tcp://l:514", "syslog-facility": "user",
        "syslog-format": "rfc5424", "tag": "app=a",
    }});
    check(vec![("/HostConfig/LogConfig", task().log(log), expected)]);
}

#[test]
fn the_owners_labels_win_over_an_edited_body() {
    let mut body = json!({"Labels": {"longshore.owner": "forged", "a": "b"}});
    label(&mut body, &BTreeMap::from([("longshore.owner".to_owned(), "me".to_owned())]));
    assert_eq!(
        (&body["Labels"]["longshore.owner"], &body["Labels"]["a"]),
        (&json!("me"), &json!("b"))
    );
    let mut body = json!({"Labels": null});
    label(&mut body, &BTreeMap::from([("x".to_owned(), "y".to_owned())]));
    let mut expected: BTreeMap<&str, &str> = LABELS.iter().map(|name| (*name, "")).collect();
    expected.insert("x", "y");
    assert_eq!(body, json!({"Labels": expected}));
}
