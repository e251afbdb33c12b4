//! `prefork`: what a network made beforehand saves, and what the pool itself costs.

use std::pin::pin;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use anyhow::{Result, ensure};
use longshore_driver_api::{NamespaceRequest, NamespaceSource};
use longshore_mock::{Config, Engine};
use longshore_prefork::{Pool, PoolOptions};
use tokio::runtime::{Builder, Runtime};

use super::rivals::{Ours, docker_run};
use super::{engine, milliseconds};
use crate::frame::{Case, Plan, nanoseconds};

/// Placeholders on the engine.
const SLOTS: usize = 4;
/// How many tasks make one figure where several run at a time.
const TASKS: usize = 16;
/// Who borrow at once, and how often each for one figure.
const THREADS: usize = 16;
const EACH: usize = 2_000;

pub(crate) fn plan() -> Result<Plan> {
    let (host, image) = engine()?;
    let pooled = Rc::new(Ours::with_pool(&host, &image, SLOTS)?);
    let plain = Rc::new(Ours::open(&host, &image)?);
    let of = |network| if network == "prefork" { Rc::clone(&pooled) } else { Rc::clone(&plain) };
    let mut cases = Vec::new();
    for network in ["prefork", "bridge", "none"] {
        let ours = of(network);
        let run = milliseconds(1, move || ours.run(network));
        cases.push(Case::new("longshore", network, run).against("longshore/bridge"));
    }
    if Command::new("docker").arg("--version").output().is_ok() {
        let run = milliseconds(1, move || docker_run(&host, &image, "bridge"));
        cases.push(Case::new("cli", "bridge", run));
    }
    for at_once in [4, 8] {
        let baseline = format!("longshore/bridge-{at_once}-at-once");
        for network in ["prefork", "bridge"] {
            let ours = of(network);
            let run = milliseconds(TASKS, move || ours.run_many(network, TASKS, at_once));
            let what = format!("{network}-{at_once}-at-once");
            cases.push(Case::new("longshore", what, run).against(baseline.as_str()));
        }
    }
    let memory = Rc::new(InMemory::open(THREADS)?);
    let alone = Rc::clone(&memory);
    let run = nanoseconds(EACH, move || {
        for _ in 0..EACH {
            acquire(&alone.pool);
        }
    });
    cases.push(Case::new("pool", "acquire", run).unit("ns").against("pool/acquire"));
    let run = Box::new(move || memory.among_threads());
    cases.push(Case::new("pool", "acquire-16-threads", run).unit("ns").against("pool/acquire"));
    Ok(Plan {
        name: "prefork",
        about: "One short task from nothing to removed, its output read: on a network borrowed from a pool of 4 \
                placeholders, on one of its own, and without one; for each of 16 tasks with 4 or 8 of them at once \
                (8 wait for the 4 placeholders). `pool` borrows and gives back, in memory, alone and the median of \
                what each of 16 threads at once sees."
            .to_owned(),
        unit: "ms",
        baseline: "longshore",
        rounds: 25,
        cases,
    })
}

/// A pool whose placeholders cost nothing.
struct InMemory {
    pool: Arc<Pool>,
    // The pool's tasks are on it.
    _runtime: Runtime,
}

impl InMemory {
    fn open(size: usize) -> Result<InMemory> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let pool = runtime.block_on(async {
            let placeholders = Engine::new().placeholders(Config::new());
            let mut options = PoolOptions::sized(size);
            options.rate = 0;
            let pool = Arc::new(Pool::open(options, Arc::new(placeholders))?);
            while pool.usage().free < size {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            anyhow::Ok(pool)
        })?;
        Ok(InMemory { pool, _runtime: runtime })
    }

    /// The median of the nanoseconds that one round takes, with as many threads as slots.
    fn among_threads(&self) -> Result<f64> {
        let pool = &self.pool;
        let each = || {
            let time = || {
                let start = Instant::now();
                acquire(pool);
                start.elapsed().as_nanos()
            };
            std::iter::repeat_with(time).take(EACH).collect::<Vec<_>>()
        };
        let mut times: Vec<u128> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(each)).collect();
            let times = threads.into_iter().flat_map(|it| it.join().expect("a thread panicked"));
            times.collect()
        });
        ensure!(self.pool.usage().free == THREADS, "a lease was lost: {:?}", self.pool.usage());
        times.sort_unstable();
        Ok(times[times.len() / 2] as f64)
    }
}

/// Borrows and gives back. There always is one to be had, so it never waits.
fn acquire(pool: &Pool) {
    let lease = pin!(pool.lease(NamespaceRequest::default()));
    match lease.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(Some(lease))) => drop(lease),
        other => panic!("it was not to be had at once: {other:?}"),
    }
}
