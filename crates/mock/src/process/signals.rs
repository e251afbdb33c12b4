//! What a process does when a signal comes.

use std::collections::BTreeMap;

use longshore_driver_api::Signal;
use tokio::sync::mpsc;

/// What a process has said about signals.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    said: BTreeMap<Signal, Said>,
    /// Signals that came while it stood still.
    pub(super) pending: Vec<Signal>,
}

#[derive(Debug)]
enum Said {
    Ignore,
    Trap(Vec<mpsc::UnboundedSender<()>>),
}

/// What a signal does to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    End,
    Stop,
    Continue,
}

impl Signals {
    pub(super) fn ignore(&mut self, signal: Signal) {
        self.said.insert(signal, Said::Ignore);
    }

    pub(super) fn trap(&mut self, signal: Signal) -> Trap {
        let (sender, receiver) = mpsc::unbounded_channel();
        match self.said.get_mut(&signal) {
            Some(Said::Trap(senders)) => senders.push(sender),
            _ => {
                self.said.insert(signal, Said::Trap(vec![sender]));
            }
        }
        Trap(receiver)
    }

    /// Tells those who trap the signal, and says what it does to the process.
    ///
    /// `protected`: it is process 1 of its namespace, on which the default actions have no effect
    /// but for the two signals that nobody can handle.
    pub(super) fn act(&mut self, signal: Signal, protected: bool) -> Action {
        let default = default_action(signal);
        // They cannot be handled.
        if matches!(signal.number(), KILL | STOP) {
            return default;
        }
        match self.said.get_mut(&signal) {
            Some(Said::Trap(senders)) => {
                senders.retain(|sender| sender.send(()).is_ok());
                if default == Action::Continue { default } else { Action::Nothing }
            }
            Some(Said::Ignore) if default != Action::Continue => Action::Nothing,
            _ if protected && default != Action::Continue => Action::Nothing,
            _ => default,
        }
    }
}

const KILL: u8 = 9;
const CHLD: u8 = 17;
const CONT: u8 = 18;
const STOP: u8 = 19;
const TTOU: u8 = 22;
const URG: u8 = 23;
const WINCH: u8 = 28;

fn default_action(signal: Signal) -> Action {
    match signal.number() {
        CHLD | URG | WINCH => Action::Nothing,
        CONT => Action::Continue,
        STOP..=TTOU => Action::Stop,
        _ => Action::End,
    }
}

/// A signal that a process handles itself. The signal keeps having no other effect after this is
/// dropped.
#[derive(Debug)]
pub struct Trap(mpsc::UnboundedReceiver<()>);

impl Trap {
    /// Waits until the signal comes. One that came in the meantime counts.
    ///
    /// Dropping the future only stops waiting.
    pub async fn recv(&mut self) {
        if self.0.recv().await.is_none() {
            // The process is gone, and with it whoever could send.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(number: u8) -> Signal {
        Signal::from_number(number).unwrap()
    }

    #[test]
    fn defaults_are_those_of_linux() {
        let mut signals = Signals::default();
        for (number, action) in [
            (1, Action::End),
            (15, Action::End),
            (17, Action::Nothing),
            (18, Action::Continue),
            (19, Action::Stop),
            (20, Action::Stop),
            (22, Action::Stop),
            (23, Action::Nothing),
            (28, Action::Nothing),
            (34, Action::End),
            (64, Action::End),
        ] {
            assert_eq!(signals.act(signal(number), false), action, "{number}");
        }
    }

    #[test]
    fn kill_and_stop_cannot_be_handled() {
        let mut signals = Signals::default();
        signals.ignore(Signal::KILL);
        let _trap = signals.trap(signal(19));
        assert_eq!(signals.act(Signal::KILL, true), Action::End);
        assert_eq!(signals.act(signal(19), true), Action::Stop);
    }

    #[test]
    fn process_1_is_protected_from_what_it_does_not_handle() {
        let mut signals = Signals::default();
        assert_eq!(signals.act(Signal::TERM, true), Action::Nothing);
        assert_eq!(signals.act(Signal::TERM, false), Action::End);
    }

    #[test]
    fn a_trapped_signal_reaches_every_trap_and_does_nothing_else() {
        let mut signals = Signals::default();
        let mut traps = [signals.trap(Signal::TERM), signals.trap(Signal::TERM)];
        assert_eq!(signals.act(Signal::TERM, false), Action::Nothing);
        assert!(traps.iter_mut().all(|trap| trap.0.try_recv().is_ok()));
        let [first, second] = traps;
        drop((first, second));
        assert_eq!(signals.act(Signal::TERM, false), Action::Nothing);
    }
}
