//! Engines: the API client, the search for one, and private ones.

mod api;
mod claim;
mod command;
mod docker;
mod enter;
mod find;
mod kind;
mod network;
mod podman;
mod private;
pub(crate) mod process;
mod restart;
mod root;
mod start;
mod stop;

pub(crate) use api::{Engine, OWN_NETWORKS};
pub(crate) use command::run;
pub(crate) use enter::run as enter;
pub(crate) use find::{Obtained, Want, find, obtain};
pub(crate) use kind::Kind;
pub(crate) use private::Private;
