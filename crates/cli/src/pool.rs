//! `longshore pool`: a pool of networks made beforehand, to be tried and looked at.

mod tally;
mod view;

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use longshore::prefork::Pool;
use longshore::{Config, Driver, DriverExt as _, NetworkMode, TaskSpec};
use tokio::task::JoinSet;

use crate::engine;
use crate::failure::{Failure, note};
use crate::signals::Signals;
use crate::{notes, stdio, terminal, units};
use tally::Tally;
use view::View;

/// The exit status when a task failed.
const SOME_FAILED: u8 = 1;
/// Signal n is told as 128 + n, as a shell does.
const SIGNALLED: u8 = 128;

/// How many slots there are where nobody says how many.
const USUAL: usize = 4;

/// How often it is looked whether there is something new to show.
const LOOK: Duration = Duration::from_millis(200);

/// Keeps a pool of networks that are made beforehand, and shows its slots
///
/// The pool is one of this command's own, for trying: those of other processes cannot be seen. With an
/// image, tasks of it borrow from the pool, one after the other. Ends with --for, once all --tasks have
/// run, or with Ctrl-C, and removes everything; then it says what the pool did and how the tasks ended.
///
/// The exit status is 1 if a task failed, 125 if tasks could not be run at all or, without any, no
/// placeholder could be made, and 130 after Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(override_usage = "longshore pool [OPTIONS] [IMAGE [COMMAND] [ARG]...]")]
pub(crate) struct Args {
    #[command(flatten)]
    engine: engine::Args,
    /// Slots that there always are [default: as the configuration says, else 4]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Slots that there are at most, when tasks find none free
    #[arg(long, value_name = "N")]
    max: Option<usize>,
    /// A network of the slots, in turn
    #[arg(long, value_name = "NETWORK")]
    network: Vec<String>,
    /// Lends no placeholder twice
    #[arg(long)]
    use_once: bool,
    /// Tasks at a time, 1 to 10000
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        requires = "words",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000)
    )]
    workers: usize,
    /// Tasks in all [default: any number]
    #[arg(long, value_name = "N", requires = "words")]
    tasks: Option<u64>,
    /// How long the pool is kept
    #[arg(long = "for", value_name = "TIME", value_parser = units::seconds)]
    duration: Option<Duration>,
    /// The image, then the command and its arguments
    #[arg(value_name = "IMAGE", trailing_var_arg = true, hide = true)]
    words: Vec<String>,
}

pub(crate) async fn main(args: Args) -> Result<u8, Failure> {
    let mut signals = Signals::catch()?;
    let config = signals.unless(config(&args)).await?;
    let task = task(&args)?;
    let scripted = args.engine.is_scripted(&config);
    let opening = async { Ok(longshore::open_with_pool(config).await?) };
    let close = async |(driver, _): (Arc<dyn Driver>, _)| driver.close().await;
    let opened = engine::opened(opening, &mut signals, engine::PATIENCE, close).await;
    let (driver, pool) = opened.map_err(engine::cancelled)??;
    engine::say_if_in_memory(&*driver, scripted);
    let tally = Arc::default();
    let worked = tokio::select! {
        worked = work(&driver, task, &args, &tally) => worked.map(|()| None),
        shown = show(&pool) => shown.map(|()| None),
        () = expiry(args.duration) => Ok(None),
        signal = signals.next() => Ok(Some(signal)),
    };
    let last = pool.usage();
    let closed = driver.close().await;
    note(view::summary(&last));
    let tally = std::mem::take(&mut *lock(&tally));
    for line in tally.lines() {
        note(line);
    }
    let interrupted = engine::ended(worked, closed, note)?;
    if interrupted.is_none()
        && args.words.is_empty()
        && last.made == 0
        && let Some(error) = last.last_error
    {
        return Err(Failure::new(format!("no placeholder could be made: {error}")));
    }
    Ok(match interrupted {
        Some(signal) => SIGNALLED + signal.number(),
        None if tally.has_failures() => SOME_FAILED,
        None => 0,
    })
}

async fn config(args: &Args) -> Result<Config, Failure> {
    let mut config = args.engine.config().await?;
    let pool = &mut config.prefork;
    if let Some(size) = args.size {
        pool.size = size;
    } else if !pool.is_on() {
        pool.size = USUAL;
        if args.engine.config.is_some() {
            note(format_args!(
                "the configuration makes no pool (pre_fork_pool_size is 0): this one has {USUAL} slots; --size says otherwise"
            ));
        }
    }
    if let Some(max) = args.max {
        pool.max_size = max;
    }
    if !args.network.is_empty() {
        pool.networks.clone_from(&args.network);
    }
    pool.use_once |= args.use_once;
    Ok(config)
}

fn task(args: &Args) -> Result<Option<TaskSpec>, Failure> {
    let Some((image, command)) = args.words.split_first() else { return Ok(None) };
    let task = TaskSpec::builder(image).args(command).network(NetworkMode::Prefork);
    Ok(Some(task.build()?))
}

/// Runs tasks until there are to be no more. Without a task it never ends. Tasks that fail are
/// counted; only where nothing else comes any more, the last failure is this one's.
async fn work(
    driver: &Arc<dyn Driver>,
    task: Option<TaskSpec>,
    args: &Args,
    tally: &Arc<Mutex<Tally>>,
) -> Result<(), Failure> {
    let Some(task) = task else { return std::future::pending().await };
    let left = Arc::new(AtomicU64::new(args.tasks.unwrap_or(u64::MAX)));
    // One event, such as the death of a placeholder, fails at most the tasks that are under way.
    let bearable = args.workers as u64;
    let mut workers = JoinSet::new();
    for _ in 0..args.workers {
        let (driver, task) = (Arc::clone(driver), task.clone());
        let (left, tally) = (Arc::clone(&left), Arc::clone(tally));
        workers.spawn(async move {
            while take(&left) {
                let ended = driver.run_task(task.clone()).await;
                let in_a_row = lock(&tally).count(&ended);
                if let Err(error) = ended
                    && in_a_row > bearable
                {
                    return Err(error);
                }
            }
            Ok::<(), longshore::Error>(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.map_err(|error| Failure::new(format!("a worker ended early: {error}")))??;
    }
    Ok(())
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one of what is left.
fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Shows the pool whenever it has changed, on a terminal in one place, below what is logged meanwhile.
async fn show(pool: &Pool) -> Result<(), Failure> {
    let in_place = io::stdout().is_terminal();
    // Wherever else stderr leads, it disturbs nothing.
    let log = (in_place && terminal::stderr_is_terminal()).then(notes::hold);
    let mut last = String::new();
    loop {
        let view = View::of(&pool.usage(), &pool.slots());
        let text = match terminal::size().filter(|_| in_place) {
            Some(size) => view.fitted(size),
            None => view.text(),
        };
        let logged = log.as_ref().filter(|log| log.has_some());
        if text != last || logged.is_some() {
            let back = match last.lines().count() {
                lines if in_place && lines > 0 => format!("\x1b[{lines}A\x1b[J"),
                _ => String::new(),
            };
            let gap = if in_place || last.is_empty() { "" } else { "\n" };
            match logged {
                Some(log) => {
                    stdio::print(&back).await?;
                    log.say();
                    stdio::print(&text).await?;
                }
                None => stdio::print(&format!("{back}{gap}{text}")).await?,
            }
            last = text;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn expiry(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}
