//! Statistics of a running task.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_driver_api::{Sample, TaskIo};

use crate::Act;
use crate::trial::Trial;
use crate::verdict::Outcome;

pub(crate) async fn samples_come_while_the_task_runs_and_not_after(t: Trial) -> Outcome {
    let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
    let sink = Arc::clone(&samples);
    let gathered = move || samples.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let io = TaskIo::none().stats(move |sample| {
        sink.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    });
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
