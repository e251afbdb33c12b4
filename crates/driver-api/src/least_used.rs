//! The choice of a network for a task that leaves it to its driver.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Error, ErrorKind, Network, NetworkMode, Result};

/// Names, of which the one is chosen that is used least at the moment.
///
/// It counts what this one holds, not what others do on the same engine. Clones count together.
///
/// ```
/// use longshore_driver_api::LeastUsed;
///
/// let networks = LeastUsed::new(["one", "two"]);
/// let first = networks.choose().unwrap();
/// let second = networks.choose().unwrap();
/// assert_eq!((first.name(), second.name()), ("one", "two"));
/// drop(second);
/// assert_eq!(networks.choose().unwrap().name(), "two");
/// ```
#[derive(Clone)]
pub struct LeastUsed(Arc<Mutex<Vec<Counted>>>);

struct Counted {
    name: Arc<str>,
    users: usize,
}

impl LeastUsed {
    /// A choice of these names. One that is there twice counts once.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut counted: Vec<Counted> = Vec::new();
        for name in names {
            if !counted.iter().any(|known| *known.name == *name.as_ref()) {
                counted.push(Counted { name: Arc::from(name.as_ref()), users: 0 });
            }
        }
        Self(Arc::new(Mutex::new(counted)))
    }

    /// The name that is used least, the first of them if there are several. `None`: there are no
    /// names. It counts as used until what is returned is dropped.
    #[must_use]
    pub fn choose(&self) -> Option<Chosen> {
        self.choose_rather(|_| true)
    }

    /// The network of a task that leaves it to its driver ([`NetworkMode::Auto`]): none that the task
    /// is on anyway ([`Network::also`]). `None` for other tasks, and where there are no names.
    ///
    /// # Errors
    ///
    /// `InvalidInput`: the task is on all of them anyway.
    pub fn choose_for(&self, network: &Network) -> Result<Option<Chosen>> {
        if network.mode != NetworkMode::Auto {
            return Ok(None);
        }
        let is_on = |name: &str| network.also.iter().any(|also| also == name);
        let chosen = self.choose_rather(|name| !is_on(name));
        match chosen.as_ref().filter(|chosen| is_on(chosen.name())) {
            None => Ok(chosen),
            Some(chosen) => Err(Error::new(ErrorKind::InvalidInput, "container")
                .message(format!(
                    "network.also: {:?} is the driver's own choice, and there is no other",
                    chosen.name()
                ))
                .remedy("leave it out there, or give the driver more networks (networks)")),
        }
    }

    /// The same among the names that are `good`; if none is, among all.
    #[must_use]
    pub fn choose_rather(&self, good: impl Fn(&str) -> bool) -> Option<Chosen> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = counted.iter_mut().enumerate();
        let (index, least) = named.min_by_key(|(_, it)| (!good(&it.name), it.users))?;
        least.users += 1;
        Some(Chosen { name: Arc::clone(&least.name), index, of: Arc::clone(&self.0) })
    }

    /// How often each name is used at the moment.
    #[must_use]
    pub fn users(&self) -> Vec<(String, usize)> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.iter().map(|it| (it.name.to_string(), it.users)).collect()
    }
}

impl fmt::Debug for LeastUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.users()).finish()
    }
}

/// A name that was chosen. It counts as used until this is dropped, exactly once.
pub struct Chosen {
    name: Arc<str>,
    index: usize,
    of: Arc<Mutex<Vec<Counted>>>,
}

impl Chosen {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        let mut counted = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        // Each choice counted one up, and no name ever goes away.
        counted[self.index].users -= 1;
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chosen").field(&self.name()).finish()
    }
}
