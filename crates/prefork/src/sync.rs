//! The lock of the desk, and the places where another thread may come first.
//!
//! In a test that tries the orders of the threads (`desk/orders.rs`) each such place is a choice;
//! anywhere else it is nothing.

use parking_lot::MutexGuard;

/// A lock under which nothing is done that could want it again, or wait.
#[derive(Debug)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        turn();
        #[cfg(test)]
        if orders::tried() {
            // There is no choice while it is held, so only its own holder can want it then.
            return self.0.try_lock().expect("whoever has the lock wants it again");
        }
        self.0.lock()
    }
}

/// Another thread may come first here: what follows can be seen by others, and is not done under
/// the lock.
#[inline]
pub(crate) fn turn() {
    #[cfg(test)]
    orders::choose();
}

#[cfg(test)]
pub(crate) mod orders;
