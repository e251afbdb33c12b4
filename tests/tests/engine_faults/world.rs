//! What all runs share on the engine: networks to put a container on, and an image to pull.

use std::io;

use longshore_tests::{Setup, application, push};

/// Bytes of the image's layer.
const LAYER: usize = 64 * 1024;

/// What all runs share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) networks: [String; 2],
    /// An image that only a registry has at first. None: there is no registry.
    pub(crate) image: Option<String>,
}

impl World {
    pub(crate) async fn new(setup: Setup) -> io::Result<Self> {
        let networks = [application("faults"), application("faults")];
        for network in &networks {
            let body = format!(r#"{{"Name":"{network}","CheckDuplicate":true}}"#);
            let (status, answer) = setup.engine.call("POST", "/networks/create", &body).await?;
            assert_eq!(status, 201, "{answer}");
        }
        let image = match std::env::var("LONGSHORE_TEST_REGISTRY") {
            Ok(registry) => {
                let pushed = push(&registry, LAYER).await?;
                Some(format!("{registry}/{}", pushed.name))
            }
            Err(_) => None,
        };
        Ok(Self { setup, networks, image })
    }

    /// Leaves nothing behind.
    pub(crate) async fn end(self) -> io::Result<()> {
        for network in &self.networks {
            let path = format!("/networks/{network}");
            let (status, answer) = self.setup.engine.call("DELETE", &path, "").await?;
            assert!(status < 300, "{answer}");
        }
        match &self.image {
            Some(image) => self.setup.engine.remove_image(image).await,
            None => Ok(()),
        }
    }
}
