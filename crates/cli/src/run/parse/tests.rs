//! Docker's notation, right and wrong.

use std::path::Path;

use longshore::{Device, MountKind, OverLimit, Propagation};

use super::mounts::volume_from;
use super::*;

#[test]
fn mounts_are_read_as_docker_reads_them() {
    let mut shared = longshore::Mount::bind("/a", "/b");
    shared.kind = MountKind::Bind { source: "/a".into(), propagation: Propagation::Rslave };
    let mut small = longshore::Mount::tmpfs("/t", Some(ByteSize::mib(1)));
    small.kind =
        MountKind::Tmpfs { size: Some(ByteSize::mib(1)), inodes: Some(5), mode: Some(0o755) };
    for (text, expected) in [
        ("type=bind,source=/a,target=/b", longshore::Mount::bind("/a", "/b")),
        ("type=bind,src=/a,dst=/b,ro", longshore::Mount::bind("/a", "/b").read_only()),
        (
            "type=bind,src=/a,destination=/b,readonly=1",
            longshore::Mount::bind("/a", "/b").read_only(),
        ),
        ("type=bind,src=/a,dst=/b,readonly=false", longshore::Mount::bind("/a", "/b")),
        ("type=bind,src=/a,dst=/b,bind-propagation=rslave", shared),
        (r#"type=bind,"src=/a,b",dst=/b"#, longshore::Mount::bind("/a,b", "/b")),
        (r#"type=bind,"src=/a""b",dst=/b"#, longshore::Mount::bind("/a\"b", "/b")),
        ("src=data,dst=/d", longshore::Mount::volume("data", "/d")),
        ("type=volume,dst=/d", longshore::Mount::anonymous_volume("/d")),
        ("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-inodes=5,tmpfs-mode=0755", small),
    ] {
        assert_eq!(mount(text), Ok(expected), "{text}");
    }
}

#[test]
fn a_mount_that_means_nothing_is_refused_with_its_reason() {
    for (text, expected) in [
        ("", "is not supported"),
        ("type=bind,src=/a", "the target is missing"),
        ("type=bind,dst=/a", "needs a source"),
        ("type=tmpfs,src=/a,dst=/a", "has no source"),
        ("type=nfs,src=/a,dst=/b", "\"nfs\" is not a type"),
        ("type=volume,dst=/d,volume-driver=x", "\"volume-driver\" is not supported"),
        ("type=bind,src=/a,dst=/b,tmpfs-size=1m", "does not apply to type=bind"),
        ("type=tmpfs,dst=/b,bind-propagation=slave", "does not apply to type=tmpfs"),
        ("type=bind,src=/a,dst=/b,ro=perhaps", "true or false"),
        ("type=tmpfs,dst=/b,tmpfs-mode=999", "octal"),
        ("type=tmpfs,dst=/b,tmpfs-size=big", "is not a size"),
        ("dst", "dst needs a value"),
        (r#""dst=/a"#, "not closed"),
        (r#""dst=/a"b"#, "goes on behind"),
    ] {
        let error = mount(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_volume_is_a_bind_if_its_source_is_a_path() {
    let here = Path::new("/srv/here");
    for (text, expected) in [
        ("/d", longshore::Mount::anonymous_volume("/d")),
        ("data:/d", longshore::Mount::volume("data", "/d")),
        ("/a:/b", longshore::Mount::bind("/a", "/b")),
        ("/a:/b:ro", longshore::Mount::bind("/a", "/b").read_only()),
        ("/a:/b:ro,rw", longshore::Mount::bind("/a", "/b")),
        (".:/b", longshore::Mount::bind("/srv/here", "/b")),
        ("./x:/b", longshore::Mount::bind("/srv/here/x", "/b")),
        ("../x:/b", longshore::Mount::bind("/srv/x", "/b")),
    ] {
        assert_eq!(volume_from(text, here), Ok(expected), "{text}");
    }
    let shared = volume_from("/a:/b:shared", here).unwrap();
    assert!(matches!(shared.kind, MountKind::Bind { propagation: Propagation::Shared, .. }));
    for wrong in ["a:b:c:d", ":/b", "/a:/b:z", "data:/d:shared", "/a:/b:ro,nope"] {
        assert!(volume_from(wrong, here).is_err(), "{wrong}");
    }
}

#[test]
fn a_tmpfs_takes_what_the_engine_does_anyway() {
    let plain = longshore::Mount::tmpfs("/t", None);
    assert_eq!(tmpfs("/t"), Ok(plain.clone()));
    assert_eq!(tmpfs("/t:rw,noexec,nosuid,nodev"), Ok(plain.clone()));
    assert_eq!(tmpfs("/t:ro"), Ok(plain.read_only()));
    let kind = MountKind::Tmpfs { size: Some(ByteSize(65536)), inodes: Some(7), mode: Some(0o700) };
    assert_eq!(tmpfs("/t:size=64k,nr_inodes=7,mode=700").unwrap().kind, kind);
    for wrong in ["/t:exec", "/t:size", "/t:size=x", "/t:mode=9", "/t:nr_inodes=x", "/t:uid=1"] {
        assert!(tmpfs(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn devices_have_an_inner_path_and_permissions() {
    let of = |host: &str, container: Option<&str>, permissions: &str| {
        let mut device = Device::new(host);
        device.container = container.map(str::to_owned);
        permissions.clone_into(&mut device.permissions);
        device
    };
    for (text, expected) in [
        ("/dev/a", of("/dev/a", None, "rwm")),
        ("/dev/a:r", of("/dev/a", None, "r")),
        ("/dev/a:/dev/b", of("/dev/a", Some("/dev/b"), "rwm")),
        ("/dev/a:/dev/b:rw", of("/dev/a", Some("/dev/b"), "rw")),
    ] {
        assert_eq!(device(text), Ok(expected), "{text}");
    }
    assert!(device("/a:/b:r:x").is_err());
}

#[test]
fn values_that_mean_nothing_are_refused() {
    for wrong in ["", "nofile", "nofile=", "nofile=a", "nofile=1:b", "nofile=1:2:3", "nofile=-2"] {
        assert!(ulimit(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["", "db", ":1.1.1.1", "db:1.1.1", "db:host-gateway", "db:"] {
        assert!(extra_host(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["", "seccomp", "seccomp=", "apparmor=", "label=disable", "no-new-privileges=no"] {
        assert!(security_option(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["", "x", "-2", "1.5"] {
        assert!(pids(wrong).is_err(), "{wrong:?}");
    }
    assert!(memory_swap("-1").unwrap_err().contains("unlimited swap is not supported"));
    assert!(output_limit("1k:later").is_err() && output_limit(":stop").is_err());
    assert!(storage_option("size=x").is_err() && storage_option("inodes=1").is_err());
    assert!(pull("sometimes").is_err() && pair("=b").is_err() && pair("a").is_err());
    assert!(variable("=b").is_err());
}

#[test]
fn an_output_limit_ends_the_task_only_if_asked_to() {
    assert_eq!(output_limit("1k").unwrap().then, OverLimit::Discard);
    assert_eq!(output_limit("1k:discard").unwrap().then, OverLimit::Discard);
    assert_eq!(output_limit("1k:stop").unwrap().then, OverLimit::Stop);
}

#[test]
fn a_host_may_have_an_ipv6_address() {
    for text in ["db:::1", "db=::1", "db:[::1]"] {
        assert_eq!(extra_host(text), Ok(("db".to_owned(), "::1".parse().unwrap())), "{text}");
    }
}
