//! What all runs share on the engine: networks to put a container on, and an image to pull.

use std::io;

use longshore_docker::DockerDriver;
use longshore_driver_api::{Capabilities, Driver};
use longshore_tests::{Setup, Step, application, config, push};

use crate::case::{Case, EXEC};

/// Bytes of the image's layer.
const LAYER: usize = 64 * 1024;

/// What all runs share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) networks: [String; 2],
    /// An image that only a registry has at first. None: there is no registry.
    pub(crate) image: Option<String>,
    can: Capabilities,
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
        let can = capabilities(&setup).await;
        Ok(Self { setup, networks, image, can })
    }

    /// Whether the engine has what the case is about.
    pub(crate) fn has(&self, case: &Case) -> bool {
        match case.step {
            _ if case.health => self.can.health,
            _ if case.recovery => self.can.recover,
            step if EXEC.contains(&step) => self.can.exec,
            Step::Connect => self.can.several_networks,
            Step::Pull => self.image.is_some(),
            // Nothing listens to Podman's.
            Step::Events => self.can.engine == "docker",
            _ => true,
        }
    }

    /// Whether the engine forgets the start of a task whose end nobody was told (Podman does).
    pub(crate) fn forgets(&self) -> bool {
        self.can.engine == "podman"
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

async fn capabilities(setup: &Setup) -> Capabilities {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    let config = config(&setup.engine.address(), &application("faults"), &run_dir);
    let driver = DockerDriver::open(config).await.expect("the engine is there");
    let can = driver.capabilities().clone();
    driver.close().await.expect("it has nothing");
    can
}
