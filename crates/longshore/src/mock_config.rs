//! The backend in memory, described without code: images whose programs are simple steps.

use std::collections::BTreeMap;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Result, Signal, duration};
use serde::{Deserialize, Serialize};

use crate::mock::{Engine, Image, Program};

/// What the backend in memory holds: enough to try something out, or to test a shell script,
/// without an engine. Code does better with [`mock::Engine`](crate::mock::Engine) itself.
///
/// ```
/// let config: longshore::Config = toml::from_str(
///     r#"
///     driver = "mock"
///     [mock.images."acme/greeter:1"]
///     entrypoint = ["/greet"]
///     programs."/greet" = [{ stdout = "hello\n" }, { sleep = "5s" }, { exit = 3 }]
///     "#,
/// )?;
/// assert!(config.mock.images["acme/greeter:1"].present);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MockConfig {
    /// Images by name.
    pub images: BTreeMap<String, MockImage>,
    /// Whether any other image can be pulled, too. All its programs end at once with code 0.
    pub any_image: bool,
}

/// An image of the backend in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MockImage {
    /// Whether it is on the engine. Otherwise it has to be pulled.
    pub present: bool,
    /// The program and first arguments of tasks that do not name their own.
    pub entrypoint: Vec<String>,
    /// The arguments of tasks that name neither arguments nor a program.
    pub command: Vec<String>,
    /// What it holds, by path: what each program does.
    pub programs: BTreeMap<String, Vec<MockStep>>,
    /// Files that are there and cannot be executed.
    pub not_executable: Vec<String>,
}

/// What a program does. After its last step it ends with code 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MockStep {
    /// Writes to stdout.
    Stdout(String),
    /// Writes to stderr.
    Stderr(String),
    /// Copies stdin to stdout, to stdin's end.
    Echo,
    /// Waits.
    Sleep(#[serde(with = "duration::text")] Duration),
    /// Ignores a signal from here on.
    Ignore(Signal),
    /// Waits for a signal.
    WaitFor(Signal),
    /// A child is killed because memory is used up.
    ChildOutOfMemory,
    /// Ends with this code.
    Exit(u8),
    /// Dies by this signal.
    Die(Signal),
    /// Is killed because memory is used up.
    OutOfMemory,
    /// Runs until it is killed.
    Forever,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self { images: BTreeMap::new(), any_image: true }
    }
}

impl Default for MockImage {
    fn default() -> Self {
        Self {
            present: true,
            entrypoint: Vec::new(),
            command: Vec::new(),
            programs: BTreeMap::new(),
            not_executable: Vec::new(),
        }
    }
}

impl MockConfig {
    pub(crate) fn fill(&self, engine: &Engine) -> Result<()> {
        for (name, image) in &self.images {
            let made = image.make()?;
            engine.publish_image(name, made.clone())?;
            if image.present {
                engine.add_image(name, made)?;
            }
        }
        if !self.any_image {
            engine.unknown_images(None);
        }
        Ok(())
    }
}

impl MockImage {
    fn make(&self) -> Result<Image> {
        let mut image = Image::empty().entrypoint(&self.entrypoint).command(&self.command);
        for path in &self.not_executable {
            image = image.not_executable(path);
        }
        for (path, steps) in &self.programs {
            image = image.program(path, program(path, steps)?);
        }
        Ok(image)
    }
}

fn program(path: &str, steps: &[MockStep]) -> Result<Program> {
    let mut done = Program::steps();
    for (index, step) in steps.iter().enumerate() {
        let end = match step {
            MockStep::Stdout(text) => Err(done.stdout(text.as_bytes())),
            MockStep::Stderr(text) => Err(done.stderr(text.as_bytes())),
            MockStep::Echo => Err(done.echo()),
            MockStep::Sleep(time) => Err(done.sleep(*time)),
            MockStep::Ignore(signal) => Err(done.ignore(*signal)),
            MockStep::WaitFor(signal) => Err(done.wait_for(*signal)),
            MockStep::ChildOutOfMemory => Err(done.child_out_of_memory()),
            MockStep::Exit(code) => Ok(done.exit(*code)),
            MockStep::Die(signal) => Ok(done.die(*signal)),
            MockStep::OutOfMemory => Ok(done.out_of_memory()),
            MockStep::Forever => Ok(done.forever()),
        };
        match end {
            Err(more) => done = more,
            Ok(program) if index + 1 == steps.len() => return Ok(program),
            Ok(_) => {
                return Err(Error::new(ErrorKind::InvalidInput, "open").message(format!(
                    "program {path:?} of the mock ends in step {index}: remove what comes after"
                )));
            }
        }
    }
    Ok(done.exit(0))
}
