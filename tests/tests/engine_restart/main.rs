//! A pool, keepers and tasks on an engine that is really restarted: its daemon ends, and begins again.

mod ended;
mod keeper;
mod late;
mod live;
mod reap;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_docker::{DockerDriver, DockerPlaceholders, Timeouts};
use longshore_driver_api::{
    Driver as _, DriverExt as _, ErrorKind, NamespaceRequest, NamespaceSource as _, NetworkMode,
    NetworkReport, Result, TaskSpec, WhenEmpty,
};
use longshore_prefork::{Pool, PoolOptions, Usage};
use longshore_tests::{Setup, application, config};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// Whatever happens has happened by then: a daemon may take its time to begin.
const LONG: Duration = Duration::from_secs(120);
const SIZE: usize = 4;
/// For how long a pool may not know that a placeholder is dead once its engine is back: some two
/// seconds, and more on a machine that is busy.
const UNTOLD: Duration = Duration::from_secs(20);

/// There is one engine for all tests.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Restarts the engine; returns when it answers again.
async fn restart(more: &[&str]) {
    let command = std::env::var("LONGSHORE_TEST_RESTART")
        .expect("LONGSHORE_TEST_RESTART is not set: run this by `cargo xtask test`");
    let command: Vec<String> = serde_json::from_str(&command).unwrap();
    // Whoever else has an engine on this machine keeps its bridge.
    let others = || Path::new("/sys/class/net/docker0").exists();
    let before = others();
    let ran = tokio::process::Command::new(&command[0]).args(&command[1..]).args(more).output();
    let ran = ran.await.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(others(), before, "the bridge of another engine");
}

/// What there is not on Podman, where it has to be refused.
async fn unless_on_podman<T>(setup: &Setup, opened: Result<T>) -> Option<T> {
    if !setup.engine.is_podman().await.unwrap() {
        return Some(opened.unwrap());
    }
    let refused = opened.err().expect("there is none on Podman");
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    None
}

async fn until(pool: &Pool, what: &str, is: impl Fn(&Usage) -> bool) {
    let begun = Instant::now();
    while !is(&pool.usage()) {
        assert!(begun.elapsed() < LONG, "never {what}: {:?}", pool.usage());
        sleep(Duration::from_millis(1)).await;
    }
}

fn borrower(setup: &Setup, args: &[&str]) -> TaskSpec {
    let spec = setup.task(args.iter().copied()).network(NetworkMode::Prefork);
    spec.edit(|spec| spec.network.when_empty = Some(WhenEmpty::Wait(LONG))).build().unwrap()
}

/// Restarts it while placeholders are free, leased and starting.
async fn pool_recovers(run_dir: &Path, more: &[&str]) {
    let _alone = ALONE.lock().await;
    let (setup, application) = (Setup::from_env(), application("restart"));
    let mut config = config(&setup.engine.address(), &application, run_dir);
    config.timeouts = Timeouts::default();
    let placeholders = DockerPlaceholders::open(config.clone()).await;
    let Some(placeholders) = unless_on_podman(&setup, placeholders).await else { return };
    let mut options = PoolOptions::sized(SIZE);
    (options.rate, options.burst) = (0, 1);
    let pool = Arc::new(Pool::open(options, Arc::new(placeholders)).unwrap());
    config.namespaces = Some(pool.clone());
    let driver = DockerDriver::open(config).await.unwrap();
    until(&pool, "filled", |usage| usage.free == SIZE).await;

    // One lease is a task's, one is nobody's in particular, one placeholder is replaced, one is free.
    let container = driver.prepare(borrower(&setup, &["sleep", "forever"])).await.unwrap();
    let running = container.start().await.unwrap();
    let lease = pool.lease(NamespaceRequest::default()).await.unwrap().unwrap();
    let mut changes = NamespaceRequest::default();
    changes.changes = true;
    drop(pool.lease(changes).await.unwrap());
    let usage = pool.usage();
    assert_eq!((usage.free, usage.in_use, usage.starting), (1, 2, 1), "{usage:?}");
    restart(more).await;

    // What a placeholder's end is to its lease, on engines whose containers outlive them as well.
    let holder = lease.namespaces().holder.clone();
    let lives = |about: Option<serde_json::Value>| {
        about.is_some_and(|about| about["State"]["Running"] == serde_json::json!(true))
    };
    if !lives(setup.engine.inspect(&holder).await.unwrap()) {
        let why = timeout(LONG, lease.until_lost()).await.expect("the lease is told");
        assert!(!why.is_empty());
    }
    running.cancel();
    let exit = timeout(LONG, running.wait()).await.expect("the task's end is known");
    // The engine may have ended the task itself before it ended the placeholder.
    assert!(matches!(exit.network, NetworkReport::Lost(_) | NetworkReport::Lent), "{exit:?}");
    timeout(LONG, container.close()).await.expect("it is closed").unwrap();
    drop(lease);

    until(&pool, "whole again", |usage| usage.free == SIZE).await;
    let usage = pool.usage();
    assert_eq!((usage.size(), usage.waiting), (SIZE, 0), "{usage:?}");
    // One that ended as its engine did is free until the engine, which is back, has told that.
    let begun = Instant::now();
    for number in 0..SIZE {
        loop {
            let slot = pool.slots().into_iter().find(|slot| slot.number == number);
            let holder = slot.and_then(|slot| slot.holder);
            if let Some(holder) = &holder
                && lives(setup.engine.inspect(holder).await.unwrap())
            {
                break;
            }
            let late = begun.elapsed() > UNTOLD;
            assert!(!late, "slot {number} lends what is not there: {holder:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
    until(&pool, "whole again", |usage| usage.free == SIZE).await;
    let exit = driver.run_task(borrower(&setup, &["exit", "0"])).await.unwrap();
    assert_eq!((exit.code, exit.network), (Some(0), NetworkReport::Lent));
    driver.close().await.unwrap();
    let left = setup.engine.settle(&application, 0, Duration::from_secs(30)).await.unwrap();
    assert_eq!(left, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_whole_again_after_its_engine_was_restarted() {
    let folder = tempfile::tempdir().unwrap();
    pool_recovers(&folder.path().join("run"), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_whole_again_after_its_engine_was_killed_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    pool_recovers(&folder.path().join("run"), &["--kill"]).await;
}
