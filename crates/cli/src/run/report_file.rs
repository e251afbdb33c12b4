//! The files of the reports: known to be writable, and to be nobody else's, before anything runs.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::args::Args;
use super::parse::SecurityOption;
use crate::failure::Failure;

/// Where a report goes.
#[derive(Debug)]
pub(super) struct ReportFile {
    path: PathBuf,
    file: File,
}

/// The files that a run was asked to write and to read.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    json: Option<PathBuf>,
    stats: Option<PathBuf>,
    read: Vec<(&'static str, PathBuf)>,
}

/// The reports, open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) json: Option<ReportFile>,
    pub(super) stats: Option<ReportFile>,
}

impl Wanted {
    pub(super) fn by(args: &Args) -> Self {
        let read = [("--spec", &args.task.spec), ("--config", &args.engine.config)];
        let read = read.into_iter().filter_map(|(option, path)| Some((option, path.clone()?)));
        let variables = args.task.env_file.iter().map(|path| ("--env-file", path.clone()));
        let profiles = args.security.security_opt.iter().filter_map(|option| match option {
            SecurityOption::SeccompFile(path) => Some(("--security-opt seccomp", path.clone())),
            _ => None,
        });
        Self {
            json: args.reports.json.clone(),
            stats: args.reports.stats.clone(),
            read: read.chain(variables).chain(profiles).collect(),
        }
    }

    /// Without the samples, of which there will be none.
    pub(super) fn only_the_end(self) -> Self {
        Self { stats: None, ..self }
    }

    /// Opens the reports, and empties them only once all of them are right. Blocks on a named pipe
    /// until somebody reads it.
    pub(super) fn open(&self) -> Result<Opened, Failure> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(ReportFile::open).transpose();
        let (json, stats) = (open(&self.json)?, open(&self.stats)?);
        for (option, report) in [("--json", &json), ("--stats", &stats)] {
            let Some(report) = report else { continue };
            self.unlike_what_is_read(option, report)?;
            // The end is told once the output is over; samples come in the midst of it.
            report.unlike_the_streams(option, option == "--json")?;
        }
        if let (Some(json), Some(stats)) = (&json, &stats)
            && json.is(&stats.metadata()?)?
            && !json.swallows()?
        {
            let what = format!("--json and --stats are one file, {}", json.path.display());
            return Err(Failure::new(what).help(OWN));
        }
        for report in [&json, &stats].into_iter().flatten() {
            report.empty()?;
        }
        Ok(Opened { json, stats })
    }

    fn unlike_what_is_read(&self, option: &str, report: &ReportFile) -> Result<(), Failure> {
        for (other, path) in &self.read {
            // What cannot be read was said already.
            if std::fs::metadata(path).is_ok_and(|read| report.is(&read).unwrap_or(false)) {
                let what = format!("{option} {} is the file of {other}", report.path.display());
                return Err(Failure::new(what).help(OWN));
            }
        }
        Ok(())
    }
}

const OWN: &str = "give the report a file of its own";

impl ReportFile {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| Failure::io(path.display(), &error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }

    /// Writes it as a whole.
    pub(super) fn write(mut self, text: &[u8]) -> Result<(), Failure> {
        self.file.write_all(text).map_err(|error| Failure::io(self.path.display(), &error))
    }

    fn metadata(&self) -> Result<Metadata, Failure> {
        self.file.metadata().map_err(|error| Failure::io(self.path.display(), &error))
    }

    fn is(&self, other: &Metadata) -> Result<bool, Failure> {
        let own = self.metadata()?;
        Ok((own.dev(), own.ino()) == (other.dev(), other.ino()))
    }

    /// Whether what is written there can mix with nothing, such as `/dev/null`.
    fn swallows(&self) -> Result<bool, Failure> {
        Ok(self.metadata()?.file_type().is_char_device() && !self.file.is_terminal())
    }

    /// A file that is also one of the streams would be emptied, or overwritten; a pipe or a
    /// terminal only mixes what is written at the same time.
    fn unlike_the_streams(&self, option: &str, after_the_output: bool) -> Result<(), Failure> {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        for (name, stream) in
            [("stdin", stdin.as_fd()), ("stdout", stdout.as_fd()), ("stderr", stderr.as_fd())]
        {
            // A stream that is closed is no file.
            let Ok(found) = metadata(stream) else { continue };
            let harmless =
                self.swallows()? || (!found.is_file() && (after_the_output || name == "stdin"));
            if self.is(&found)? && !harmless {
                let what =
                    format!("{option} {} is where {name} goes or comes from", self.path.display());
                return Err(Failure::new(what).help(OWN));
            }
        }
        Ok(())
    }

    fn empty(&self) -> Result<(), Failure> {
        if !self.metadata()?.is_file() {
            return Ok(());
        }
        self.file.set_len(0).map_err(|error| Failure::io(self.path.display(), &error))
    }
}

fn metadata(stream: BorrowedFd<'_>) -> io::Result<Metadata> {
    File::from(stream.try_clone_to_owned()?).metadata()
}
