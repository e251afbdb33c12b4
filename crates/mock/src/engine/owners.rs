//! Who is alive.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::driver::Inner;
use crate::sandbox::Sandbox;

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwnerState {
    /// Its lease is held.
    Alive,
    /// Its lease is free: what it left may be removed.
    Dead,
    /// Its lease cannot be read from here: what belongs to it is left alone.
    Unknown,
}

#[derive(Debug, Default)]
pub(crate) struct Owners(BTreeMap<String, Owner>);

#[derive(Debug)]
struct Owner {
    state: OwnerState,
    drivers: Vec<Weak<Inner>>,
}

impl Owners {
    pub(crate) fn open(&mut self, driver: &Arc<Inner>) {
        let fresh = || Owner { state: OwnerState::Alive, drivers: Vec::new() };
        let owner = self.0.entry(driver.owner().to_owned()).or_insert_with(fresh);
        owner.state = OwnerState::Alive;
        owner.drivers.push(Arc::downgrade(driver));
    }

    /// An owner's lease ends with its last driver.
    pub(crate) fn close(&mut self, driver: &Inner) {
        if let Some(owner) = self.0.get_mut(driver.owner()) {
            owner
                .drivers
                .retain(|other| other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), driver));
            if owner.drivers.is_empty() && owner.state == OwnerState::Alive {
                owner.state = OwnerState::Dead;
            }
        }
    }

    pub(crate) fn set(&mut self, name: &str, state: OwnerState) {
        let fresh = || Owner { state, drivers: Vec::new() };
        self.0.entry(name.to_owned()).or_insert_with(fresh).state = state;
    }

    /// Takes the drivers of an owner who dies.
    pub(crate) fn kill(&mut self, name: &str) -> Vec<Arc<Inner>> {
        self.set(name, OwnerState::Dead);
        let drivers = self.0.get_mut(name).map(|owner| std::mem::take(&mut owner.drivers));
        drivers.unwrap_or_default().iter().filter_map(Weak::upgrade).collect()
    }

    /// Whether it is proven that nobody has a container, not even one who has recovered it.
    pub(crate) fn left(&self, sandbox: &Sandbox) -> bool {
        let adopter = sandbox.adopter.lock();
        self.state(adopter.as_ref().unwrap_or(&sandbox.owner)) == OwnerState::Dead
    }

    pub(crate) fn state(&self, name: &str) -> OwnerState {
        self.0.get(name).map_or(OwnerState::Unknown, |owner| owner.state)
    }
}
