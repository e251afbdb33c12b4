//! The statistics of a running task, to the caller's sink: from the files of its control group, or
//! from the engine's stream. Never from both at a time.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Result, StatsSink};
use longshore_host::{Cgroup, CgroupSampler};
use longshore_stats::EngineStats;
use tokio::time::MissedTickBehavior;

use crate::blocking::off_the_runtime;
use crate::client::error::ClientError;
use crate::config::StatsSource;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::retry::again;

/// The pause before the stream is asked for again after it broke.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest pause, where nothing comes: it doubles.
const AGAIN_AT_MOST: Duration = Duration::from_secs(30);
/// The engine's own pace, for tasks that do not choose.
const USUAL: Duration = Duration::from_secs(1);

/// Decides where statistics come from on this engine.
pub(crate) async fn source(
    wanted: StatsSource,
    peer: Option<i32>,
    engine: &str,
) -> Result<StatsSource> {
    let is_here = move || peer.is_some_and(longshore_host::may_share_processes);
    let chosen = match wanted {
        StatsSource::Engine => StatsSource::Engine,
        _ if off_the_runtime(is_here).await? => wanted,
        StatsSource::Auto => StatsSource::Engine,
        StatsSource::Cgroup => {
            return Err(Error::new(ErrorKind::Unsupported, "open").message(format!(
                "stats_source = \"cgroup\", and the engine at {engine} is not on this host or in another pid namespace: set it to \"auto\" or \"engine\""
            )));
        }
    };
    tracing::debug!(?wanted, ?chosen, "where statistics come from");
    Ok(chosen)
}

/// Tells the sink every sample until the task that runs this is ended.
pub(super) async fn pump(core: Arc<Core>, id: String, mut sink: Box<dyn StatsSink>) {
    let chosen = core.shared.stats_source;
    if chosen != StatsSource::Engine {
        match sampler(&core, &id).await {
            Ok(Some(sampler)) => {
                let every = core.spec.stats_interval.unwrap_or(USUAL);
                return from_files(&core.name, sampler, every, &mut *sink).await;
            }
            // It has ended.
            Ok(None) => return,
            Err(error) => {
                let instead = match chosen {
                    StatsSource::Auto => "the engine's, at the engine's pace",
                    _ => "none",
                };
                tracing::warn!(
                    container = core.name,
                    %error,
                    instead,
                    "its control group cannot be read for statistics"
                );
                if chosen != StatsSource::Auto {
                    return;
                }
            }
        }
    }
    from_engine(&core, &id, &mut *sink).await;
}

/// Finds the container's control group. `None`: its main process has ended.
async fn sampler(core: &Core, id: &str) -> Result<Option<CgroupSampler>> {
    let state = match again("inspect_container", || core.shared.api.inspect_container(id)).await {
        Ok(container) => container.state,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(engine_error("statistics", &core.subject(), error)),
    };
    let process = u32::try_from(state.pid).ok().filter(|process| *process > 0);
    let Some(process) = process else { return Ok(None) };
    let id = id.to_owned();
    let found = off_the_runtime(move || Cgroup::of_container(process, &id)).await??;
    Ok(found.map(Cgroup::sampler))
}

async fn from_files(
    container: &str,
    mut sampler: CgroupSampler,
    every: Duration,
    sink: &mut dyn StatsSink,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let read = off_the_runtime(move || {
            let sample = sampler.sample();
            (sampler, sample)
        });
        let Ok((back, sample)) = read.await else { return };
        sampler = back;
        match sample {
            Ok(sample) => sink.sample(sample),
            // The container has ended, and its group with it.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!(container, %error, "its statistics cannot be read any more");
                return;
            }
        }
    }
}

async fn from_engine(core: &Core, id: &str, sink: &mut dyn StatsSink) {
    let (mut pause, mut is_told) = (AGAIN, false);
    loop {
        let mut told = 0_u64;
        let ended = one_stream(core, id, sink, &mut told).await;
        let why = match ended {
            // It has ended.
            Err(error) if error.is_not_found() => return,
            Err(error) => Some(error.to_string()),
            Ok(()) if told == 0 => Some("the engine's stream ended without any".to_owned()),
            Ok(()) => None,
        };
        pause = if told > 0 { AGAIN } else { (pause * 2).min(AGAIN_AT_MOST) };
        if let Some(why) = why {
            if is_told {
                tracing::debug!(container = core.name, why, ?pause, "no statistics again");
            } else {
                tracing::warn!(
                    container = core.name,
                    why,
                    "the engine gives no statistics for now: they are asked for again, without another warning"
                );
                is_told = true;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Tells the sink all samples of one stream of the engine's, and counts them.
async fn one_stream(
    core: &Core,
    id: &str,
    sink: &mut dyn StatsSink,
    told: &mut u64,
) -> Result<(), ClientError> {
    let mut lines = core.shared.api.stats(id).await?;
    let mut before: Option<EngineStats> = None;
    while let Some(now) = lines.next::<EngineStats>().await? {
        if let Some(sample) = EngineStats::sample(before.as_ref(), &now) {
            sink.sample(sample);
            *told += 1;
            before = Some(now);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use longshore_driver_api::Sample;
    use longshore_stats::Metric;
    use tokio::sync::mpsc;

    use super::*;

    const ID: &str = "0123456789abcdef";

    /// A file system tree in which process 77 is the main one of the container.
    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/77/cgroup", &format!("0::/docker/{ID}\n"));
        write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        write(&group("cgroup.events"), "populated 1\n");
        write(&group("memory.current"), "1000\n");
        tree
    }

    fn group(file: &str) -> String {
        format!("sys/fs/cgroup/docker/{ID}/{file}")
    }

    fn sampler_in(root: &Path) -> CgroupSampler {
        Cgroup::of_container_in(root, 77, ID).unwrap().unwrap().sampler()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sample_comes_at_once_and_then_each_interval_until_the_group_is_gone() {
        let tree = tree();
        let (sender, mut samples) = mpsc::unbounded_channel::<(Duration, Sample)>();
        let begun = tokio::time::Instant::now();
        let mut sink = move |sample| {
            sender.send((begun.elapsed(), sample)).unwrap();
        };
        let sampler = sampler_in(tree.path());
        let every = Duration::from_millis(10);
        let pump = tokio::spawn(async move {
            from_files("c", sampler, every, &mut sink).await;
        });
        for tick in 0..25 {
            let (at, sample) = samples.recv().await.unwrap();
            assert_eq!(at.as_millis(), tick * 10);
            assert_eq!(sample.metrics.get(Metric::MemUsage), Some(1000));
        }
        fs::remove_dir_all(tree.path().join(group("")).parent().unwrap()).unwrap();
        pump.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_are_not_understood_end_the_samples() {
        let tree = tree();
        fs::write(tree.path().join(group("memory.current")), "a lot").unwrap();
        let mut sink = |sample| panic!("{sample:?}");
        from_files("c", sampler_in(tree.path()), USUAL, &mut sink).await;
    }

    #[tokio::test]
    async fn the_source_is_what_was_asked_for_or_what_can_be() {
        let own = i32::try_from(std::process::id()).ok();
        for (wanted, peer, chosen) in [
            (StatsSource::Auto, own, StatsSource::Auto),
            (StatsSource::Auto, None, StatsSource::Engine),
            (StatsSource::Engine, own, StatsSource::Engine),
            (StatsSource::Cgroup, own, StatsSource::Cgroup),
        ] {
            assert_eq!(source(wanted, peer, "tcp://e:1").await.unwrap(), chosen);
        }
        let error = source(StatsSource::Cgroup, None, "tcp://e:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("tcp://e:1 is not on this host"), "{error}");
    }
}
