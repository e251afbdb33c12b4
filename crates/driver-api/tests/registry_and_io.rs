//! The contract's small promises that need no backend.

use std::sync::Arc;

use longshore_driver_api::{Driver, ErrorKind, Registry, Result, TaskIo};
use tokio::io::AsyncWriteExt as _;

async fn refuse(_config: ()) -> Result<Arc<dyn Driver>> {
    Err(longshore_driver_api::Error::new(ErrorKind::EngineUnavailable, "open"))
}

#[tokio::test]
async fn a_registry_names_what_it_knows_when_asked_for_something_else() {
    let mut registry = Registry::new();
    registry.register("docker", refuse).unwrap();
    registry.register("mock", refuse).unwrap();
    assert_eq!(registry.register("mock", refuse).unwrap_err().kind(), ErrorKind::Conflict);
    let error = registry.open("dokcer", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("docker, mock"), "{error}");
    assert_eq!(registry.open("docker", ()).await.unwrap_err().kind(), ErrorKind::EngineUnavailable);
}

#[tokio::test]
async fn captured_output_is_what_was_written() {
    let (mut io, output) = TaskIo::captured();
    io.stdout.as_mut().unwrap().write_all(b"out\0").await.unwrap();
    io.stderr.as_mut().unwrap().write_all(b"err").await.unwrap();
    assert_eq!((output.stdout(), output.stderr()), (b"out\0".to_vec(), b"err".to_vec()));
}
