//! Images: which programs they hold, and who may pull them.

use std::collections::{BTreeMap, BTreeSet};

use longshore_driver_api::{Credential, HealthCheck, NotStarted, Signal, TaskSpec};

use crate::Program;

/// An image: the programs in it, and what the engine runs where a task does not say.
///
/// ```
/// use longshore_mock::{Engine, Image, Program};
///
/// let engine = Engine::new();
/// let tool = Image::empty()
///     .program("/bin/tool", Program::steps().stdout("made\n").exit(0))
///     .not_executable("/etc/tool.conf")
///     .entrypoint(["/bin/tool"]);
/// engine.add_image("acme/tool:1", tool).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Image {
    files: BTreeMap<String, File>,
    any: Option<Program>,
    entrypoint: Vec<String>,
    command: Vec<String>,
    stop_signal: Option<Signal>,
    health: Option<Vec<String>>,
    volumes: BTreeSet<String>,
    pub(crate) credential: Option<Credential>,
    platform: Option<String>,
}

#[derive(Debug, Clone)]
enum File {
    Program(Program),
    NotExecutable,
}

impl Image {
    /// An image in which every program is this one, whatever it is called.
    #[must_use]
    pub fn new(program: Program) -> Self {
        Self { any: Some(program), ..Self::default() }
    }

    /// An image without any program.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds a program, to be found by exactly this path.
    #[must_use]
    pub fn program(mut self, path: impl Into<String>, program: Program) -> Self {
        self.files.insert(path.into(), File::Program(program));
        self
    }

    /// Adds a file that is there and cannot be executed.
    #[must_use]
    pub fn not_executable(mut self, path: impl Into<String>) -> Self {
        self.files.insert(path.into(), File::NotExecutable);
        self
    }

    /// Sets the program and first arguments of tasks that do not name their own.
    #[must_use]
    pub fn entrypoint(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.entrypoint = words.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the arguments of tasks that name neither arguments nor a program.
    #[must_use]
    pub fn command(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.command = words.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the stop signal of tasks that do not name their own.
    #[must_use]
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = Some(signal);
        self
    }

    /// Sets the program, with its arguments, that finds out whether a task does well, for tasks
    /// that do not say themselves.
    #[must_use]
    pub fn health(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.health = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Declares a volume: every container has an anonymous one of its own there.
    #[must_use]
    pub fn volume(mut self, path: impl Into<String>) -> Self {
        self.volumes.insert(path.into());
        self
    }

    /// Lets the image be pulled only with this credential.
    #[must_use]
    pub fn needs(mut self, credential: Credential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Sets the platform that it is for, such as `linux/arm64`. At first it is for every one.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
        self
    }

    /// The platform that it is for, where that is another than is asked for.
    pub(crate) fn other_platform(&self, asked: Option<&str>) -> Option<&str> {
        let have = self.platform.as_deref()?;
        let mut pairs = asked?.split('/').zip(have.split('/'));
        pairs.any(|(asked, have)| asked != have).then_some(have)
    }

    /// The words that a task runs: as a real engine puts them together.
    pub(crate) fn argv(&self, spec: &TaskSpec) -> Vec<String> {
        let own_entrypoint = spec.entrypoint.is_some();
        let mut argv = spec.entrypoint.clone().unwrap_or_else(|| self.entrypoint.clone());
        // A task's own entry point makes the image's arguments meaningless.
        if spec.args.is_empty() && !own_entrypoint {
            argv.extend(self.command.iter().cloned());
        } else {
            argv.extend(spec.args.iter().cloned());
        }
        argv
    }

    pub(crate) fn find(&self, name: Option<&String>) -> Result<Program, NotStarted> {
        match name.and_then(|name| self.files.get(name)) {
            Some(File::Program(program)) => Ok(program.clone()),
            Some(File::NotExecutable) => Err(NotStarted::NotExecutable),
            None => self.any.clone().ok_or(NotStarted::NotFound),
        }
    }

    /// What finds out whether a task does well.
    pub(crate) fn health_of(&self, spec: &TaskSpec) -> Option<Vec<String>> {
        match &spec.health.check {
            HealthCheck::Run(words) => Some(words.clone()),
            HealthCheck::Off => None,
            _ => self.health.clone(),
        }
    }

    /// How many anonymous volumes a container of it has.
    pub(crate) fn volumes(&self) -> usize {
        self.volumes.len()
    }

    pub(crate) fn stop_signal_of(&self, spec: &TaskSpec) -> Signal {
        spec.stop.signal.or(self.stop_signal).unwrap_or(Signal::TERM)
    }
}
