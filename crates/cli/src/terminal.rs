//! This process's own terminal, while a task has it.

use std::io::{self, IsTerminal as _};
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, Once, PoisonError};

use longshore::TtySize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::failure::Failure;

/// The terminal's settings before it was made raw. It is global because a panic has to find it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Keeps the terminal raw: every key goes to the task, Ctrl-C too.
///
/// The settings come back when it is dropped, and before a panic is reported.
#[derive(Debug)]
pub(crate) struct Raw(());

impl Raw {
    /// Makes the terminal on stdin raw.
    pub(crate) fn enter() -> Result<Self, Failure> {
        let fail = |error: rustix::io::Errno| Failure::io("set the terminal", &error.into());
        let stdin = rustix::stdio::stdin();
        let before = tcgetattr(stdin).map_err(fail)?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        restore_on_panic();
        let guard = Self(());
        tcsetattr(stdin, OptionalActions::Now, &raw).map_err(fail)?;
        Ok(guard)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // If the terminal is gone, there is nothing to restore.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &before);
    }
}

fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            report(panic);
        }));
    });
}

pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// The size of the terminal that this process has, on whichever stream.
pub(crate) fn size() -> Option<TtySize> {
    let streams: [BorrowedFd<'_>; 3] =
        [rustix::stdio::stdout(), rustix::stdio::stdin(), rustix::stdio::stderr()];
    let size = streams.into_iter().find_map(|fd| tcgetwinsize(fd).ok())?;
    // A terminal that does not know its size says 0.
    (size.ws_row > 0 && size.ws_col > 0)
        .then_some(TtySize { rows: size.ws_row, columns: size.ws_col })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    const ROLE: &str = "LONGSHORE_TEST_PANICS_IN_RAW_MODE";

    /// Runs itself again with a terminal, where it panics.
    #[test]
    fn a_panic_gives_the_terminal_back() {
        if std::env::var_os(ROLE).is_some() {
            let _raw = Raw::enter().unwrap();
            // The thread that panics is not the one that holds the guard.
            let panicked = std::thread::spawn(|| panic!("as expected")).join();
            assert!(panicked.is_err());
            // No destructor runs, so that only the panic can have restored anything.
            std::process::exit(7);
        }
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let before = tcgetattr(&slave).unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "terminal::tests::a_panic_gives_the_terminal_back"])
            .env(ROLE, "1")
            .stdin(slave.try_clone().unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(7), "it entered raw mode and panicked");
        let after = tcgetattr(&slave).unwrap();
        assert_eq!(after.local_modes, before.local_modes);
        assert_eq!(after.input_modes, before.input_modes);
        assert_eq!(after.output_modes, before.output_modes);
    }
}
