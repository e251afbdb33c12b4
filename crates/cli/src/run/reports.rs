//! What a run writes down: how it ended, and what it used.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use longshore::{Exit, Sample, StatsSink, TaskSpec};
use serde::Serialize;

use super::report_file::ReportFile;
use crate::failure::Failure;

/// The end of a run: that of the task with all its evidence, or the error that kept it from one.
#[derive(Debug, Serialize)]
pub(super) struct End<'a> {
    /// The task's id; none if what was described is no task.
    pub(super) task: Option<&'a str>,
    /// Its image, as it was given.
    pub(super) image: Option<&'a str>,
    /// The engine's id of its container, if there was one.
    pub(super) container: Option<&'a str>,
    /// Its published ports: `ADDRESS:HOST:PORT/PROTOCOL`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ports: Vec<String>,
    /// The status of this process.
    pub(super) exit_status: u8,
    /// What was said about the end on stderr.
    pub(super) notes: &'a [String],
    /// The word of Fn's driver for the end.
    pub(super) status: Option<&'static str>,
    #[serde(flatten)]
    pub(super) exit: Option<&'a Exit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<EndError>,
}

/// What went wrong with the engine, or with what it was asked for.
#[derive(Debug, Serialize)]
pub(super) struct EndError {
    kind: Option<String>,
    message: String,
}

impl EndError {
    pub(super) fn of(failure: &Failure) -> Self {
        Self { kind: failure.kind().map(|kind| kind.to_string()), message: failure.what() }
    }
}

/// The end of a run as it is told, with what the driver knows where it knows anything.
impl<'a> End<'a> {
    pub(super) fn new(spec: &'a TaskSpec, exit_status: u8, notes: &'a [String]) -> Self {
        Self {
            task: Some(&spec.id),
            image: Some(&spec.image),
            container: None,
            ports: Vec::new(),
            exit_status,
            notes,
            status: None,
            exit: None,
            error: None,
        }
    }

    /// The end of a run that had no task.
    pub(super) fn without_task(exit_status: u8, error: EndError) -> Self {
        Self {
            task: None,
            image: None,
            container: None,
            ports: Vec::new(),
            exit_status,
            notes: &[],
            status: None,
            exit: None,
            error: Some(error),
        }
    }

    pub(super) fn text(&self) -> Result<Vec<u8>, Failure> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::new(format!("the end cannot be written down: {error}")))?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Writes samples to a file as they come, on a thread of its own: a JSON array, a sample a line.
#[derive(Debug)]
pub(super) struct StatsFile {
    path: PathBuf,
    samples: Sender<Option<Sample>>,
    writer: JoinHandle<io::Result<()>>,
}

impl StatsFile {
    pub(super) fn start(file: ReportFile) -> Result<Self, Failure> {
        let path = file.path().to_owned();
        let file = file.into_file();
        let (samples, receiver) = channel();
        let writer = std::thread::Builder::new()
            .name("longshore-stats".to_owned())
            .spawn(move || write_samples(BufWriter::new(file), &receiver))
            .map_err(|error| Failure::io("start a thread", &error))?;
        Ok(Self { path, samples, writer })
    }

    pub(super) fn sink(&self) -> impl StatsSink {
        let samples = self.samples.clone();
        move |sample| {
            // Once writing failed, samples have nowhere to go; finish() says so.
            let _ = samples.send(Some(sample));
        }
    }

    /// Ends the array. No sample is taken afterwards.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let _ = self.samples.send(None);
        let written = self.writer.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        written.map_err(|error| Failure::io(self.path.display(), &error))
    }
}

fn write_samples(mut file: BufWriter<File>, samples: &Receiver<Option<Sample>>) -> io::Result<()> {
    let mut before = "[\n";
    while let Ok(Some(sample)) = samples.recv() {
        file.write_all(before.as_bytes())?;
        serde_json::to_writer(&mut file, &sample)?;
        file.flush()?;
        before = ",\n";
    }
    file.write_all(if before == "[\n" { b"[]\n" } else { b"\n]\n" })?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use longshore::stats::{Metric, Metrics, Series, Timestamp};

    use super::*;

    #[test]
    fn samples_are_written_as_a_series() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0_u64, 1, 3] {
            let path = folder.path().join(count.to_string());
            let stats = StatsFile::start(ReportFile::open(&path).unwrap()).unwrap();
            let mut sink = stats.sink();
            for pids in 0..count {
                let metrics = Metrics::new().with(Metric::Pids, pids);
                sink.sample(Sample::new(Timestamp::UNIX_EPOCH, metrics));
            }
            // A sink that outlives the task must not keep the file open.
            stats.finish().unwrap();
            sink.sample(Sample::new(Timestamp::UNIX_EPOCH, Metrics::new()));
            let series: Series =
                serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let pids: Vec<_> = series.iter().map(|s| s.metrics.get(Metric::Pids)).collect();
            assert_eq!(pids, (0..count).map(Some).collect::<Vec<_>>());
        }
    }
}
