//! What container backends share about images: credentials, single-flight pulls, retry and cache
//! accounting.
//!
//! Nothing here knows an engine. A backend finds the registry's credential with [`resolve`], pulls with [`RetryPolicy`] inside a
//! [`Flight`], so that many tasks share one pull, and keeps the images that are there under a
//! size with an [`ImageCache`]:
//!
//! ```
//! use std::time::Duration;
//!
//! use longshore_driver_api::{Credential, CredentialSource, NoHooks, Result};
//! use longshore_images::{Flight, PullKey, RetryPolicy, StaticCredentials, resolve};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let image = "ghcr.io/org/app:1".parse().expect("a valid reference");
//! let configured = StaticCredentials::new().with("ghcr.io", Credential::password("ann", "pw"))?;
//! let credential = resolve(&NoHooks, &configured, &image).await?;
//!
//! let pulls: Flight<PullKey, u64, String> = Flight::new();
//! let key = PullKey::new(&image, Some("linux/amd64"), credential.as_ref());
//! let pull = pulls.join(key, Some(Duration::from_secs(600)), move |progress| async move {
//!     RetryPolicy::new()
//!         .run("pull", "ghcr.io/org/app:1", || async {
//!             progress.send(100); // Here the backend asks its engine, with the credential.
//!             Ok("sha256:0123".to_owned())
//!         })
//!         .await
//! });
//! let id = pull.wait().await.map_err(|error| error.into_error("pull", "ghcr.io/org/app:1"))?;
//! assert_eq!(id, "sha256:0123");
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//!
//! - A credential is found for the exact host of the image, port included; never for a subdomain
//!   or a domain above. Docker Hub's several names are one host.
//! - No error, log or `Debug` text holds a secret, or anything that a credential helper said.
//! - Time is tokio's. Nothing blocks a runtime's thread: files are read in blocking tasks, and a
//!   credential helper has a thread of its own and is killed when nobody waits for it any more.

#![deny(missing_docs)]

mod cache;
mod credentials;
mod flight;
mod key;
mod retry;

pub use cache::{BeingRemoved, CacheUsage, ImageCache, ImageFigures, ImageHold, Removal, Restored};
pub use credentials::{Chain, ConfigFile, HelperOptions, InlineConfig, StaticCredentials, resolve};
pub use flight::{Flight, FlightError, ProgressReceiver, ProgressSender, Waiter};
pub use key::PullKey;
pub use retry::RetryPolicy;
