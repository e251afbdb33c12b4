//! Many quick tasks at once over a connection that breaks at random: nothing is left, every byte
//! that came is right, and this process is as it was before.

mod process;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use longshore_docker::DockerDriver;
use longshore_driver_api::{
    Driver, DriverExt, ErrorKind, Exit, Outcome, Result, StreamReport, Task, TaskIo,
};
use longshore_testee::{STDERR, STDOUT, pattern};
use longshore_tests::{Fault, FaultProxy, Place, Script, Setup, Step, Table, application, config};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use process::Footprint;

/// Tasks at the same time.
const AT_ONCE: usize = 16;
/// The share of requests that are broken.
const BROKEN: f64 = 0.08;
/// More than any task takes under any fault of the menu, on a busy machine.
const TASK: Duration = Duration::from_secs(120);

/// Faults that can happen to any request, and to those alone that stream.
fn menu() -> Vec<(Step, Fault)> {
    let steps = [
        Step::Image,
        Step::Create,
        Step::Attach,
        Step::Wait,
        Step::Start,
        Step::Inspect,
        Step::Remove,
    ];
    let faults = [
        Fault::Refuse,
        Fault::CutBeforeRequest,
        Fault::CutAfterRequest,
        Fault::CutThenLate(Duration::from_millis(300)),
        Fault::Stall,
        Fault::StallBefore,
        Fault::Delay(Duration::from_millis(200)),
        Fault::Status500,
        Fault::Status500After,
        Fault::Truncate(Place::Head),
        Fault::HalfClose(Place::Within),
        Fault::Garbage,
        Fault::DuplicateReply,
    ];
    let streams = [
        (Step::Attach, Fault::Truncate(Place::Within)),
        (Step::Attach, Fault::StallAt(Place::Within)),
        (Step::Wait, Fault::StallAt(Place::Within)),
        (Step::Wait, Fault::Truncate(Place::HeadEnd)),
    ];
    let all = steps.iter().flat_map(|step| faults.map(|fault| (*step, fault)));
    all.chain(streams).collect()
}

/// One task: what it writes, and how it ended.
struct Ran {
    bytes: u64,
    lengths: [usize; 2],
    came: [Vec<u8>; 2],
    /// None: it hung.
    ended: Option<Result<Exit>>,
}

impl Ran {
    /// Everything that is wrong with what was told.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let Some(ended) = &self.ended else { return vec!["hangs".to_owned()] };
        let reports = match ended {
            Ok(exit) => {
                if !matches!(exit.outcome, Outcome::Code(0) | Outcome::Lost) {
                    problems.push(format!("{:?}", exit.outcome));
                }
                Some((exit.outcome, [exit.output.stdout, exit.output.stderr]))
            }
            Err(error) => {
                if matches!(error.kind(), ErrorKind::Closed | ErrorKind::InvalidState) {
                    problems.push(format!("it is nobody's fault: {error}"));
                }
                None
            }
        };
        for (index, number) in [STDOUT, STDERR].into_iter().enumerate() {
            let (came, length) = (&self.came[index], self.lengths[index]);
            let expected = pattern(self.bytes, number).bytes_of(length);
            if !expected.starts_with(came) {
                problems.push(format!("stream {number}: wrong bytes"));
            }
            let Some((outcome, reports)) = reports else { continue };
            let report: StreamReport = reports[index];
            if report.delivered != came.len() as u64 {
                problems.push(format!("stream {number}: wrong count: {report:?}"));
            }
            let whole = came.len() == length;
            if outcome == Outcome::Code(0) && !whole && !report.is_incomplete() {
                problems.push(format!("stream {number}: {} of {length}: {report:?}", came.len()));
            }
        }
        problems
    }

    fn kind(&self) -> String {
        match &self.ended {
            None => "hung".to_owned(),
            Some(Err(_)) => "an error, with its kind".to_owned(),
            Some(Ok(exit)) if exit.outcome == Outcome::Lost => "lost, and said so".to_owned(),
            Some(Ok(exit)) if exit.output.is_incomplete() => {
                "code 0, output said to be incomplete".to_owned()
            }
            Some(Ok(_)) => "code 0, every byte right".to_owned(),
        }
    }

    /// Why its end is not known, if it is not.
    fn lost(&self) -> Option<String> {
        let Some(Ok(exit)) = &self.ended else { return None };
        let why = exit.engine_error.as_deref().unwrap_or("it is not said");
        (exit.outcome == Outcome::Lost).then(|| why.to_owned())
    }
}

async fn run_one(setup: Setup, driver: Arc<DockerDriver>, bytes: u64, lengths: [usize; 2]) -> Ran {
    let (io, captured) = TaskIo::captured();
    let words = [lengths[0].to_string(), lengths[1].to_string(), bytes.to_string()];
    let args = ["write", "--stdout", &words[0], "--stderr", &words[1], "--seed", &words[2]];
    let spec = setup.task(args).build().expect("a valid task");
    let run = driver.run_task(Task::new(spec).io(io));
    let ended = tokio::time::timeout(TASK, run).await.ok();
    Ran { bytes, lengths, came: [captured.stdout(), captured.stderr()], ended }
}

// The only test of this process: it counts what the process holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_over_a_bad_connection_leave_nothing_and_lie_about_nothing() {
    let setup = Setup::from_env();
    let count = if setup.soak { 1000 } else { 120 };
    let application = application("stress");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let before = Footprint::of_this_process();
    let begun = Instant::now();

    let script = Script::random(setup.seed, BROKEN, menu());
    let proxy = FaultProxy::start(setup.engine.socket(), script).expect("a socket");
    let config = config(&proxy.address(), &application, &folder.path().join("run"));
    let driver = Arc::new(DockerDriver::open(config).await.expect("opening is not broken"));
    let mut rng = StdRng::seed_from_u64(setup.seed);
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let lengths = [rng.random_range(0..40_000), rng.random_range(0..10_000)];
            run_one(setup.clone(), Arc::clone(&driver), rng.random(), lengths)
        })
        .collect();
    let ran: Vec<Ran> = futures_util::stream::iter(tasks).buffer_unordered(AT_ONCE).collect().await;
    let faults = proxy.log().iter().filter(|passed| passed.met).count();
    proxy.heal();
    let closed = tokio::time::timeout(Duration::from_secs(60), driver.close()).await;
    closed.expect("closing hangs").expect("nothing is left");
    let left = setup.engine.containers(&application).await.expect("the engine answers");
    drop((driver, proxy));
    let after = Footprint::settled(before).await;

    let mut table = Table::new("Quick tasks over a bad connection", ["what", "count"]);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for one in &ran {
        *kinds.entry(one.kind()).or_default() += 1;
    }
    table.row(["tasks, 16 at a time".to_owned(), count.to_string()]);
    table.row(["requests broken".to_owned(), faults.to_string()]);
    for (kind, count) in kinds {
        table.row([kind, count.to_string()]);
    }
    let problems: Vec<String> = ran.iter().flat_map(Ran::problems).collect();
    table.row(["wrong bytes, counts or outcomes".to_owned(), problems.len().to_string()]);
    table.row(["containers left".to_owned(), left.len().to_string()]);
    table.row(["file descriptors more than before".to_owned(), after.descriptors_beyond(before)]);
    table.row(["tasks of the runtime more than before".to_owned(), after.tasks_beyond(before)]);
    table.row(["seconds".to_owned(), format!("{:.0}", begun.elapsed().as_secs_f64())]);
    println!("{}", table.markdown());
    let mut lost: BTreeMap<String, usize> = BTreeMap::new();
    ran.iter().filter_map(Ran::lost).for_each(|why| *lost.entry(why).or_default() += 1);
    for (why, count) in lost {
        println!("lost, {count} times: {why}");
    }
    if setup.soak {
        let how = setup.circumstances().await.expect("the engine answers");
        table.publish(&how).expect("docs/reliability.md can be written");
    }
    for id in &left {
        let _ = setup.engine.remove(id).await;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(after, before);
    assert!(faults * 20 > count, "hardly anything was broken: {faults}");
    let well = |one: &&Ran| matches!(&one.ended, Some(Ok(exit)) if exit.is_success());
    let well = ran.iter().filter(well).count();
    assert!(well * 4 > count, "hardly anything ran: {well}");
}
