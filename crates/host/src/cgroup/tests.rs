//! Fixture trees in the shapes that hosts have, and this host itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use longshore_stats::{Metric, Pressure};
use tempfile::TempDir;

use super::*;

const PROCESS: u32 = 77;

/// A file system tree with the kernel's files.
struct Tree(TempDir);

impl Tree {
    fn new(membership: &str, mounts: &str) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.file(&format!("proc/{PROCESS}/cgroup"), membership);
        tree.file("proc/self/mountinfo", mounts);
        tree
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The files of a group, from `name: text` pairs.
    fn group(&self, directory: &str, files: &[(&str, &str)]) {
        fs::create_dir_all(self.0.path().join(directory)).unwrap();
        for (name, text) in files {
            self.file(&format!("{directory}/{name}"), text);
        }
    }

    fn cgroup(&self) -> Result<Cgroup> {
        Cgroup::of_process_in(self.0.path(), PROCESS)
    }

    fn figures(&self) -> CgroupFigures {
        self.cgroup().unwrap().figures().unwrap()
    }

    /// The directories that were found, without the tree's own path.
    fn found(&self) -> Vec<String> {
        let cgroup = self.cgroup().unwrap();
        let relative =
            |path: &Path| path.strip_prefix(self.0.path()).unwrap().display().to_string();
        cgroup.directories().map(relative).collect()
    }
}

const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";

const V2_FILES: &[(&str, &str)] = &[
    ("cgroup.events", "populated 1\nfrozen 0\n"),
    (
        "cpu.stat",
        "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 70\n",
    ),
    ("memory.current", "1000\n"),
    ("memory.max", "4096\n"),
    ("memory.peak", "1500\n"),
    ("memory.swap.current", "12\n"),
    ("memory.stat", "anon 300\nfile 600\ninactive_file 200\nactive_file 400\n"),
    ("pids.current", "3\n"),
    ("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=1\n253:0 rbytes=1 wbytes=2 rios=1 wios=1\n"),
    ("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=111\n"),
    (
        "memory.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n",
    ),
];

fn v2() -> Tree {
    let tree = Tree::new("0::/docker/abc\n", V2_MOUNT);
    tree.group("sys/fs/cgroup/docker/abc", V2_FILES);
    tree
}

const V1_MOUNTS: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:1 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 31 0:39 / /data rw,relatime - ext4 /dev/vda rw
";

const V1_MEMBERSHIP: &str = "\
9:name=systemd:/docker/abc
8:pids:/docker/abc
7:blkio:/docker/abc
4:memory:/docker/abc
1:cpu,cpuacct:/docker/abc
0::/docker/abc
";

fn hybrid() -> Tree {
    let tree = Tree::new(V1_MEMBERSHIP, V1_MOUNTS);
    tree.group(
        "sys/fs/cgroup/cpu,cpuacct/docker/abc",
        &[
            ("cpuacct.usage", "5000\n"),
            ("cpuacct.usage_user", "3000\n"),
            ("cpuacct.usage_sys", "2000\n"),
            ("cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 70\n"),
        ],
    );
    tree.group(
        "sys/fs/cgroup/memory/docker/abc",
        &[
            ("memory.usage_in_bytes", "1000\n"),
            ("memory.max_usage_in_bytes", "1500\n"),
            ("memory.limit_in_bytes", "4096\n"),
            ("memory.stat", "cache 1\ntotal_cache 600\ntotal_inactive_file 200\ntotal_swap 12\n"),
        ],
    );
    tree.group("sys/fs/cgroup/pids/docker/abc", &[("pids.current", "3\n")]);
    tree.group(
        "sys/fs/cgroup/blkio/docker/abc",
        &[(
            "blkio.throttle.io_service_bytes_recursive",
            "8:0 Read 10\n8:0 Write 20\n8:0 Sync 5\n8:0 Total 30\n253:0 Read 1\n253:0 Write 2\nTotal 33\n",
        )],
    );
    tree.group(
        "sys/fs/cgroup/unified/docker/abc",
        &[
            ("cgroup.events", "populated 1\n"),
            ("cpu.stat", "usage_usec 999999\nuser_usec 1\nsystem_usec 1\n"),
            ("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=111\n"),
        ],
    );
    tree
}

#[test]
fn on_v2_every_figure_comes_from_one_group() {
    let tree = v2();
    assert_eq!(tree.found(), ["sys/fs/cgroup/docker/abc"]);
    assert_eq!(tree.cgroup().unwrap().version(), CgroupVersion::V2);
    let figures = tree.figures();
    let expected = CgroupFigures {
        monotonic_ns: figures.monotonic_ns,
        cpu_usage_ns: Some(5_000_000),
        cpu_user_ns: Some(3_000_000),
        cpu_kernel_ns: Some(2_000_000),
        cpu_periods: Some(10),
        cpu_throttled_periods: Some(4),
        cpu_throttled_ns: Some(70_000),
        memory_usage: Some(1000),
        memory_limit: Some(4096),
        memory_peak: Some(1500),
        memory_cache: Some(600),
        memory_inactive_file: Some(200),
        memory_swap: Some(12),
        pids: Some(3),
        disk_read: Some(11),
        disk_write: Some(22),
        cpu_pressure: Pressure { some_us: Some(111), full_us: None },
        memory_pressure: Pressure { some_us: Some(5), full_us: Some(4) },
        ..CgroupFigures::new(figures.timestamp)
    };
    assert_eq!(figures, expected);
}

#[test]
fn on_a_hybrid_host_v1_counts_and_v2_adds_what_v1_has_not() {
    let tree = hybrid();
    assert_eq!(tree.cgroup().unwrap().version(), CgroupVersion::V1);
    let figures = tree.figures();
    let expected = CgroupFigures {
        monotonic_ns: figures.monotonic_ns,
        cpu_usage_ns: Some(5000),
        cpu_user_ns: Some(3000),
        cpu_kernel_ns: Some(2000),
        cpu_periods: Some(10),
        cpu_throttled_periods: Some(4),
        cpu_throttled_ns: Some(70),
        memory_usage: Some(1000),
        memory_limit: Some(4096),
        memory_peak: Some(1500),
        memory_cache: Some(600),
        memory_inactive_file: Some(200),
        memory_swap: Some(12),
        pids: Some(3),
        disk_read: Some(11),
        disk_write: Some(22),
        cpu_pressure: Pressure { some_us: Some(111), full_us: None },
        ..CgroupFigures::new(figures.timestamp)
    };
    assert_eq!(figures, expected);
}

#[test]
fn a_v1_kernel_that_counts_no_device_is_not_taken_for_one_that_counted_nothing() {
    let tree = hybrid();
    let group = "sys/fs/cgroup/blkio/docker/abc";
    tree.file(&format!("{group}/blkio.throttle.io_service_bytes_recursive"), "Total 0\n");
    let figures = tree.figures();
    assert_eq!((figures.disk_read, figures.disk_write), (None, None));
    let counted = "253:0 Read 7\n253:0 Write 8\n253:0 Total 15\nTotal 15\n";
    tree.file(&format!("{group}/blkio.bfq.io_service_bytes_recursive"), counted);
    let figures = tree.figures();
    assert_eq!((figures.disk_read, figures.disk_write), (Some(7), Some(8)));
}

#[test]
fn the_whole_machines_group_is_not_taken_for_the_processs_own() {
    let membership =
        V1_MEMBERSHIP.replace("pids:/docker/abc", "pids:/").replace("0::/docker/abc", "0::/");
    let tree = hybrid();
    tree.file(&format!("proc/{PROCESS}/cgroup"), &membership);
    tree.file("sys/fs/cgroup/pids/cgroup.sane_behavior", "0\n");
    tree.file("sys/fs/cgroup/pids/pids.current", "4242\n");
    tree.file("sys/fs/cgroup/unified/cpu.pressure", "some total=999\n");
    let figures = tree.figures();
    assert_eq!((figures.pids, figures.cpu_pressure.some_us), (None, None));
    assert_eq!(figures.memory_usage, Some(1000));
}

#[test]
fn a_process_without_a_group_of_its_own_is_refused() {
    let tree = Tree::new("0::/\n", V2_MOUNT);
    tree.group("sys/fs/cgroup", &[("cpu.stat", "usage_usec 5\n")]);
    let error = tree.cgroup().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let unmounted = Tree::new("0::/docker/abc\n", "42 31 0:39 / /data rw - ext4 /dev/vda rw\n");
    assert_eq!(unmounted.cgroup().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_process_that_is_not_there_is_named() {
    let error = Cgroup::of_process_in(v2().0.path(), 78).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no process 78"), "{error}");
}

#[test]
fn a_namespaces_own_root_is_a_group_as_any_other() {
    let tree = Tree::new("0::/\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
    tree.group("sys/fs/cgroup", V2_FILES);
    assert_eq!(tree.figures().memory_usage, Some(1000));
}

#[test]
fn a_mounted_part_of_a_hierarchy_is_followed() {
    let mounts = "\
30 23 0:26 /docker /sys/fs/cgroup/part\\040one rw - cgroup2 cgroup2 rw
31 23 0:26 /docker/abc /sys/fs/cgroup/own rw - cgroup2 cgroup2 rw
32 23 0:26 /other /sys/fs/cgroup/other rw - cgroup2 cgroup2 rw
";
    let tree = Tree::new("0::/docker/abc/inner\n", mounts);
    tree.group("sys/fs/cgroup/own/inner", V2_FILES);
    tree.group("sys/fs/cgroup/part one/xyz", V2_FILES);
    assert_eq!(tree.found(), ["sys/fs/cgroup/own/inner"]);
    tree.file(&format!("proc/{PROCESS}/cgroup"), "0::/docker/xyz\n");
    assert_eq!(tree.found(), ["sys/fs/cgroup/part one/xyz"]);
    for outside in ["0::/elsewhere\n", "0::/docker/../../etc\n", "0::/../x\n"] {
        tree.file(&format!("proc/{PROCESS}/cgroup"), outside);
        assert_eq!(tree.cgroup().unwrap_err().kind(), ErrorKind::Unsupported, "{outside}");
    }
}

#[test]
fn a_containers_groups_are_those_with_its_id_whatever_is_below() {
    let id = "0123456789abcdef";
    let of = |path: &str| {
        let tree = Tree::new(&format!("0::{path}\n"), V2_MOUNT);
        tree.group(&format!("sys/fs/cgroup/engine/docker-{id}.scope"), V2_FILES);
        tree.group(&format!("sys/fs/cgroup/engine/docker-{id}.scope/inner"), V2_FILES);
        tree.group("sys/fs/cgroup/engine/other", V2_FILES);
        let found = Cgroup::of_container_in(tree.0.path(), PROCESS, id);
        found.map(|found| {
            let found = found.expect("the process is there");
            let found = found.directories().map(|it| it.strip_prefix(tree.0.path()).unwrap());
            found.map(|it| it.display().to_string()).collect::<Vec<_>>()
        })
    };
    let own = [format!("sys/fs/cgroup/engine/docker-{id}.scope")];
    assert_eq!(of(&format!("/engine/docker-{id}.scope")).unwrap(), own);
    assert_eq!(of(&format!("/engine/docker-{id}.scope/inner")).unwrap(), own);
    for another in ["/engine/other", "/", "/../engine"] {
        assert_eq!(of(another).unwrap_err().kind(), ErrorKind::Unsupported, "{another}");
    }
}

#[test]
fn a_containers_groups_need_its_id_and_its_process() {
    // A short id may be anywhere in a path.
    let tree = v2();
    let error = Cgroup::of_container_in(tree.0.path(), PROCESS, "abc").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let gone = Cgroup::of_container_in(tree.0.path(), 78, "0123456789abcdef").unwrap();
    assert!(gone.is_none());
}

#[test]
fn no_limit_is_absent_on_both_versions() {
    let tree = v2();
    tree.file("sys/fs/cgroup/docker/abc/memory.max", "max\n");
    assert_eq!(tree.figures().memory_limit, None);
    let tree = hybrid();
    for largest in ["9223372036854771712\n", "9223372036854710272\n"] {
        tree.file("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", largest);
        assert_eq!(tree.figures().memory_limit, None);
    }
}

#[test]
fn older_kernels_files_are_enough() {
    let tree = hybrid();
    let root = tree.0.path().join("sys/fs/cgroup");
    fs::remove_file(root.join("cpu,cpuacct/docker/abc/cpuacct.usage_user")).unwrap();
    let blkio = root.join("blkio/docker/abc");
    fs::remove_file(blkio.join("blkio.throttle.io_service_bytes_recursive")).unwrap();
    assert_eq!(tree.figures().disk_read, None);
    fs::write(blkio.join("blkio.throttle.io_service_bytes"), "8:0 Read 7\nTotal 7\n").unwrap();
    let figures = tree.figures();
    assert_eq!((figures.disk_read, figures.disk_write), (Some(7), Some(0)));
    assert_eq!((figures.cpu_usage_ns, figures.cpu_user_ns), (Some(5000), None));
}

#[test]
fn a_file_of_an_unknown_form_is_named() {
    for (name, text) in [
        ("memory.current", "many\n"),
        ("cpu.stat", "usage_usec\n"),
        ("io.stat", "8:0 rbytes=x\n"),
        ("cpu.pressure", "some avg10=0.00\n"),
    ] {
        let tree = v2();
        tree.file(&format!("sys/fs/cgroup/docker/abc/{name}"), text);
        let error = tree.cgroup().unwrap().figures().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains(name), "{error}");
    }
    let tree = hybrid();
    tree.file(
        "sys/fs/cgroup/blkio/docker/abc/blkio.throttle.io_service_bytes_recursive",
        "8:0 Read x\n",
    );
    assert_eq!(tree.cgroup().unwrap().figures().unwrap_err().kind(), ErrorKind::Protocol);
}

#[test]
fn groups_that_are_gone_are_not_found() {
    let tree = hybrid();
    let cgroup = tree.cgroup().unwrap();
    fs::remove_dir_all(tree.0.path().join("sys/fs/cgroup/pids/docker/abc")).unwrap();
    assert_eq!(cgroup.figures().unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn the_network_is_the_processs_own_without_the_loopback() {
    const DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 9999 1 0 0 0 0 0 0 9999 1 0 0 0 0 0 0
  eth0: 100 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0
 eth0:1:7 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0
";
    let tree = v2();
    let stat = |start: u32| format!("77 (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start} 0\n");
    let namespace = |of: &str, number: u32| {
        let link = tree.0.path().join(format!("proc/{of}/ns/net"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&link);
        symlink(format!("net:[{number}]"), link).unwrap();
    };
    let network = |cgroup: &Cgroup| {
        let figures = cgroup.figures().unwrap();
        (figures.net_rx, figures.net_tx)
    };
    tree.file("proc/77/stat", &stat(5));
    tree.file("proc/77/net/dev", DEV);
    namespace("77", 2);
    namespace("self", 1);
    let cgroup = tree.cgroup().unwrap();
    assert_eq!(network(&cgroup), (Some(107), Some(23)));
    namespace("self", 2);
    assert_eq!(network(&cgroup), (None, None), "it shares this process's network");
    namespace("self", 1);
    tree.file("proc/77/stat", &stat(6));
    assert_eq!(network(&cgroup), (None, None), "it is another process");
}

#[test]
fn a_sampler_tells_the_share_of_a_cpu_from_its_second_sample_on() {
    let tree = v2();
    let mut sampler = tree.cgroup().unwrap().sampler();
    let first = sampler.sample().unwrap();
    assert_eq!(first.metrics.get(Metric::CpuTotal), None);
    assert_eq!(first.metrics.get(Metric::MemWorkingSet), Some(800));
    tree.file("sys/fs/cgroup/docker/abc/cpu.stat", "usage_usec 900000000000\n");
    let second = sampler.sample().unwrap();
    assert!(second.metrics.get(Metric::CpuTotal) > Some(0), "{second:?}");
    assert_eq!(second.metrics.get(Metric::CpuUser), None);
}
