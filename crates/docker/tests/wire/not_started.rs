//! When a code of 126 or 127 under an init is proven to be the init's, on a scripted engine.

use std::time::{Duration, Instant};

use crate::stage::Stage;
use crate::stat::stat;
use crate::support::{self, Request, Script, Step, chunk, chunked, json, waited};
use longshore_driver_api::{
    ContainerExt as _, DriverExt as _, Exit, NotStarted, Outcome, TaskSpec, TaskSpecBuilder,
};
use serde_json::{Value, json as value};

const FOLDER: u32 = 1 << 31 | 0o755;
const PROGRAM: u32 = 0o755;
const PLAIN: u32 = 0o644;
const LINK: u32 = 1 << 27 | 0o777;

/// A container that has ended, as the engine tells of it.
#[derive(Clone)]
struct World {
    code: i64,
    /// Paths without links, and where a link leads.
    files: Vec<(&'static str, u32, &'static str)>,
    changes: Value,
    container: Value,
}

/// A task of which nothing is there: `nosuch`, looked for in `/bin` and `/opt/bin`.
fn absent() -> World {
    World {
        code: 127,
        files: vec![
            ("/bin", FOLDER, ""),
            ("/opt", FOLDER, ""),
            ("/opt/bin", FOLDER, ""),
            ("/sbin", FOLDER, ""),
            ("/sbin/docker-init", PROGRAM, ""),
        ],
        changes: value!([
            {"Path": "/sbin", "Kind": 0},
            {"Path": "/sbin/docker-init", "Kind": 1},
        ]),
        container: value!({
            "Id": "c1", "Path": "nosuch", "State": {"Status": "exited", "ExitCode": 127},
            "Config": {"Env": ["PATH=/bin:/opt/bin"], "WorkingDir": ""},
            "HostConfig": {"Tmpfs": null}, "Mounts": [],
        }),
    }
}

impl World {
    fn with(mut self, path: &'static str, mode: u32, target: &'static str) -> Self {
        self.files.retain(|(other, ..)| *other != path);
        self.files.push((path, mode, target));
        self
    }

    fn changed(mut self, path: &str, kind: u8) -> Self {
        self.changes.as_array_mut().unwrap().push(value!({"Path": path, "Kind": kind}));
        self
    }

    fn mounted(mut self, path: &str) -> Self {
        let mounts = self.container["Mounts"].as_array_mut().unwrap();
        mounts.push(value!({"Type": "bind", "Destination": path}));
        self
    }

    fn answer(&self, request: &Request) -> Option<Script> {
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::ZERO, self.code));
        }
        if request.is("GET /containers/c1/json") {
            return Some(json(200, &self.container.to_string()));
        }
        if request.is("GET /containers/c1/changes") {
            return Some(json(200, &self.changes.to_string()));
        }
        let (_, path) = request.line.split_once("/containers/c1/archive?path=")?;
        let path = path.replace("%2F", "/");
        let found = self.files.iter().find(|(file, ..)| *file == path);
        let Some((_, mode, target)) = found else {
            return Some(vec![Step::Send(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec())]);
        };
        if request.is("HEAD /") {
            return Some(stat(*mode));
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_path("x").unwrap();
        header.set_link_name(target).unwrap();
        header.set_cksum();
        let mut script = chunked();
        script.push(chunk(header.as_bytes()));
        Some(script)
    }

    async fn ran(self) -> Exit {
        let stage = Stage::brief(move |request| self.answer(request)).await;
        stage.run().await.0
    }
}

/// How a question fails, by name.
type Failure = (&'static str, fn() -> Script);

fn is_proven(exit: &Exit, why: NotStarted) -> bool {
    exit.outcome == Outcome::NotStarted(why) && exit.alternatives.is_empty()
}

fn is_unproven(exit: &Exit, code: i32) -> bool {
    let why = if code == 127 { NotStarted::NotFound } else { NotStarted::NotExecutable };
    exit.outcome == Outcome::Code(code) && exit.alternatives == [Outcome::NotStarted(why)]
}

#[tokio::test]
async fn a_program_that_is_nowhere_and_never_was_is_proven_not_found() {
    let exit = absent().ran().await;
    assert!(is_proven(&exit, NotStarted::NotFound), "{exit:?}");
    assert_eq!(exit.code, Some(127));
}

#[tokio::test]
async fn links_on_the_way_are_followed_and_mounts_elsewhere_do_no_harm() {
    let merged = absent()
        .with("/bin", LINK, "usr/bin")
        .with("/usr", FOLDER, "")
        .with("/usr/bin", FOLDER, "")
        .with("/opt/bin", LINK, "/usr/../usr/./bin")
        .with("/data", FOLDER, "")
        .mounted("/data");
    let exit = merged.ran().await;
    assert!(is_proven(&exit, NotStarted::NotFound), "{exit:?}");
    // What the engine makes for a mount and for the working directory.
    let mut made = absent()
        .with("/mnt", FOLDER, "")
        .with("/mnt/x", FOLDER, "")
        .mounted("/mnt/x")
        .changed("/mnt", 0)
        .changed("/mnt/x", 1)
        .changed("/work", 1);
    made.container["Config"]["WorkingDir"] = "/work".into();
    let exit = made.ran().await;
    assert!(is_proven(&exit, NotStarted::NotFound), "{exit:?}");
}

#[tokio::test]
async fn what_nobody_may_execute_is_proven_not_executable() {
    for mode in [PLAIN, FOLDER] {
        let mut world = absent().with("/opt/bin/nosuch", mode, "");
        world.code = 126;
        let exit = world.ran().await;
        assert!(is_proven(&exit, NotStarted::NotExecutable), "{exit:?}");
    }
}

#[tokio::test]
async fn a_program_that_is_there_may_have_given_the_code_itself() {
    for code in [126, 127] {
        let mut world = absent().with("/opt/bin/nosuch", PROGRAM, "");
        world.code = code;
        let exit = world.ran().await;
        assert!(is_unproven(&exit, i32::try_from(code).unwrap()), "{exit:?}");
    }
}

#[tokio::test]
async fn what_a_task_has_changed_leaves_it_unproven() {
    for (path, kind) in [
        // Removed itself, its folder, a link that led there; or replaced or made something.
        ("/opt/bin/nosuch", 2),
        ("/opt/bin", 2),
        ("/elsewhere/link", 2),
        ("/elsewhere/link", 0),
        ("/opt/bin", 0),
        ("/tmp/x", 1),
    ] {
        let exit = absent().changed(path, kind).ran().await;
        assert!(is_unproven(&exit, 127), "{path} {kind}: {exit:?}");
    }
}

#[tokio::test]
async fn what_another_file_system_may_have_had_leaves_it_unproven() {
    let linked = absent().with("/lib", FOLDER, "").with("/lib/l", LINK, "/opt").mounted("/lib/l");
    let mut init = absent().with("/bin", LINK, "/sbin").with("/sbin/docker-init", PLAIN, "");
    init.code = 126;
    init.container["Path"] = "docker-init".into();
    let exit = init.ran().await;
    assert!(is_unproven(&exit, 126), "{exit:?}");
    let mut tmpfs = absent();
    tmpfs.container["HostConfig"]["Tmpfs"] = value!({"/opt/bin": ""});
    for (what, world) in [
        ("over its folder", absent().mounted("/opt")),
        ("over a folder with a link to it", linked),
        ("of the memory", tmpfs),
        ("of the kernel", absent().with("/opt/bin", LINK, "/proc/1/root/x")),
        ("of which the place is not there", absent().mounted("/nowhere")),
    ] {
        let exit = world.ran().await;
        assert!(is_unproven(&exit, 127), "{what}: {exit:?}");
    }
}

#[tokio::test]
async fn links_that_the_task_could_have_made_itself_leave_it_unproven() {
    // It ran from /opt/v1, and then had its folder's link lead to /opt/v2.
    let versions = || absent().with("/opt/v1", FOLDER, "").with("/opt/v2", FOLDER, "");
    let mut swung = versions().with("/app", LINK, "/opt/v2").changed("/app", 0);
    swung.container["Path"] = "./program".into();
    swung.container["Config"]["WorkingDir"] = "/app".into();
    // It ran from /opt/bin, by way of the folder above its own, and then put a folder for its link.
    let mut replaced = versions().with("/app", FOLDER, "").changed("/app", 0);
    replaced.container["Path"] = "../bin/program".into();
    replaced.container["Config"]["WorkingDir"] = "/app".into();
    // Where the second mount was is known to the first one alone.
    let nested = absent().with("/data", FOLDER, "").mounted("/data").mounted("/data/link");
    for (what, world) in [("swung", swung), ("replaced", replaced), ("nested", nested)] {
        let exit = world.ran().await;
        assert!(is_unproven(&exit, 127), "{what}: {exit:?}");
    }
}

#[tokio::test]
async fn a_working_directory_is_where_its_links_lead() {
    let mut linked = absent()
        .with("/app", LINK, "opt/new")
        .with("/opt/new", FOLDER, "")
        .changed("/opt", 0)
        .changed("/opt/new", 1);
    linked.container["Config"]["Env"] = value!(["PATH=/bin"]);
    linked.container["Config"]["WorkingDir"] = "/app".into();
    let exit = linked.ran().await;
    assert!(is_proven(&exit, NotStarted::NotFound), "{exit:?}");
}

#[tokio::test]
async fn a_question_that_fails_or_is_not_answered_proves_nothing_and_spoils_nothing() {
    let failures: [Failure; 4] = [
        ("fails", || json(500, r#"{"message":"no"}"#)),
        ("is gone", || json(404, r#"{"message":"No such container: c1"}"#)),
        ("cuts", Script::new),
        ("stalls", || vec![Step::Hold]),
    ];
    for call in ["HEAD /containers/c1/archive", "GET /containers/c1/changes"] {
        for (name, failure) in failures {
            if (call, name) == ("HEAD /containers/c1/archive", "is gone") {
                // As the answer for a path at which nothing is.
                continue;
            }
            let world = absent();
            let stage = Stage::brief(move |request| {
                if request.is(call) { Some(failure()) } else { world.answer(request) }
            })
            .await;
            let begun = Instant::now();
            let (exit, _) = stage.run().await;
            assert!(is_unproven(&exit, 127), "{call} {name}: {exit:?}");
            assert!(begun.elapsed() < Duration::from_secs(10), "{call} {name}");
        }
    }
}

#[tokio::test]
async fn links_in_a_circle_and_files_for_folders_end_the_look() {
    let circle = absent().with("/opt/bin", LINK, "/opt/bin");
    let file = absent().with("/opt/bin", PROGRAM, "");
    for world in [circle, file] {
        let exit = world.ran().await;
        assert!(is_unproven(&exit, 127), "{exit:?}");
    }
}

#[tokio::test]
async fn whoever_may_have_put_a_program_there_before_leaves_it_unproven_and_unasked() {
    let world = absent();
    let stage = Stage::brief(move |request| {
        let put = request.is("PUT /containers/c1/archive");
        if put { Some(support::empty(200)) } else { world.answer(request) }
    })
    .await;
    let container = stage.prepared().await;
    container.write_file("/opt/bin/nosuch", b"#!/x", 0o755).await.unwrap();
    let exit = container.start().await.unwrap().wait().await;
    assert!(is_unproven(&exit, 127), "{exit:?}");
    assert_eq!(stage.engine.count("HEAD "), 0);
    container.close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_asked_after_another_code_or_without_an_init() {
    for (code, spec) in [
        (3, TaskSpec::builder("x")),
        (125, TaskSpec::builder("x")),
        (127, TaskSpec::builder("x").edit(|spec: &mut TaskSpec| spec.security.init = false)),
    ] {
        let spec: TaskSpecBuilder = spec;
        let mut world = absent();
        world.code = code;
        let stage = Stage::brief(move |request| world.answer(request)).await;
        let exit = stage.driver.run_task(spec.build().unwrap()).await.unwrap();
        assert_eq!(exit.outcome, Outcome::Code(i32::try_from(code).unwrap()));
        assert!(exit.is_proven(), "{exit:?}");
        assert_eq!(
            stage.engine.count("HEAD ") + stage.engine.count("GET /containers/c1/changes"),
            0
        );
    }
}
