//! Statistics of a running task.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_driver_api::{Sample, Task, TaskIo};

use crate::Act;
use crate::trial::{Trial, built};
use crate::verdict::Outcome;

pub(crate) async fn samples_come_while_the_task_runs_and_not_after(t: Trial) -> Outcome {
    let (io, gathered) = gathering();
    let task = t.task(&Act::Sleep(None)).io(io);
    let Some(task) = t.supported(t.caps().stats, task)? else { return Ok(()) };
    let started = t.started(task).await?;
    t.until("three samples have come", || gathered().len() >= 3).await?;
    started.running.cancel();
    t.done("wait", started.running.wait()).await?;
    let samples = gathered();
    assert!(samples.iter().all(|sample| !sample.metrics.is_empty()), "{samples:?}");
    assert!(samples.is_sorted_by(|a, b| a.timestamp < b.timestamp), "{samples:?}");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(gathered().len(), samples.len(), "a sample came after wait had returned");
    Ok(())
}

pub(crate) async fn samples_come_as_often_as_the_task_asks(t: Trial) -> Outcome {
    const EVERY: Duration = Duration::from_millis(10);
    const SAMPLES: usize = 30;
    let (io, gathered) = gathering();
    let spec = built(t.spec(&Act::Sleep(None)).stats_interval(EVERY));
    let task = Task::new(spec).io(io);
    let able = t.caps().stats && t.caps().stats_interval;
    let Some(task) = t.supported(able, task)? else { return Ok(()) };
    let started = t.started(task).await?;
    t.until("thirty samples have come", || gathered().len() >= SAMPLES).await?;
    started.running.cancel();
    t.done("wait", started.running.wait()).await?;
    let samples = gathered();
    assert!(samples.is_sorted_by(|a, b| a.timestamp < b.timestamp), "{samples:?}");
    let at = |index: usize| samples[index].timestamp.unix_nanos();
    let took = u64::try_from(at(SAMPLES - 1) - at(0)).map(Duration::from_nanos);
    let took = took.expect("they are in order");
    // Each is a tick of its own; a busy machine may leave some out.
    assert!(took >= EVERY * 25, "too often: {took:?}");
    assert!(took < Duration::from_secs(10), "too seldom: {took:?}");
    Ok(())
}

/// Streams that only gather samples, and what they have gathered.
fn gathering() -> (TaskIo, impl Fn() -> Vec<Sample>) {
    let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
    let sink = Arc::clone(&samples);
    let io = TaskIo::none().stats(move |sample| {
        sink.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    });
    (io, move || samples.lock().unwrap_or_else(PoisonError::into_inner).clone())
}
