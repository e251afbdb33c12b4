//! The testee's image with more to its configuration.

use longshore_docker::DockerDriver;
use longshore_driver_api::{DriverExt as _, TaskSpec, TaskSpecBuilder};

use crate::engine;

/// Such an image. Dropping it removes it.
pub(crate) struct Committed(String);

impl Committed {
    /// Made from a container that never ran, with instructions as in a Dockerfile.
    pub(crate) async fn new(driver: &DockerDriver, kind: &str, changes: &[String]) -> Self {
        let container =
            driver.prepare(TaskSpec::builder(engine::image()).build().unwrap()).await.unwrap();
        let id = container.engine_id().unwrap();
        let image = format!("longshore-test/{kind}-{}", &id[..12]);
        let changes: Vec<String> =
            changes.iter().map(|line| format!("&changes={}", escaped(line))).collect();
        let path = format!("/commit?container={id}&repo={image}&tag=1{}", changes.concat());
        let (status, said) = engine::call("POST", &path).unwrap();
        assert_eq!(status, 201, "{said}");
        container.close().await.unwrap();
        Self(format!("{image}:1"))
    }

    /// A task of the testee in it.
    pub(crate) fn task(&self, args: &[&str]) -> TaskSpecBuilder {
        TaskSpec::builder(&self.0).args(args.iter().copied())
    }
}

impl Drop for Committed {
    fn drop(&mut self) {
        // Nothing more can be done here.
        let _ = engine::call("DELETE", &format!("/images/{}", self.0));
    }
}

/// As a value in a query.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let escape = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
