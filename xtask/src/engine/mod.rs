//! Engines: the API client, the search for one, and private ones.

mod api;
mod command;
mod find;
mod network;
mod private;
pub(crate) mod process;
mod start;
mod stop;

pub(crate) use api::Engine;
pub(crate) use command::run;
pub(crate) use find::{Want, find, obtain};
pub(crate) use private::Private;
