//! What container backends share about images: credentials, single-flight pulls, pull policy,
//! retry and cache accounting.
#![deny(missing_docs)]

mod credentials;
mod flight;
mod key;

pub use credentials::{Chain, ConfigFile, HelperOptions, InlineConfig, StaticCredentials, resolve};
pub use flight::{Flight, FlightError, ProgressReceiver, ProgressSender, Waiter};
pub use key::PullKey;
