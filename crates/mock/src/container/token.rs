//! What the public handles hold.

use std::sync::Arc;

use super::core::Core;

/// Held by every handle to a container and to what runs in it: with the last one the container is
/// handed over.
pub(crate) struct Token(pub(super) Arc<Core>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}
