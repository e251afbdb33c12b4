//! Whether an engine is there, and what is said when it is not.

use std::os::unix::net::UnixListener;

use super::super::api::DockerApi;
use super::super::error::ClientError;
use super::engine_at;

#[tokio::test]
async fn nothing_is_connected_before_the_first_call() {
    let client = engine_at("unix:///nowhere/docker.sock");
    let error = client.version().await.unwrap_err();
    assert!(matches!(error, ClientError::NoSocket { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "/nowhere/docker.sock does not exist: start the engine, or set DOCKER_HOST to where it listens"
    );
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_no_engine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    let error = engine_at(&format!("unix://{}", path.display())).version().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().starts_with("no engine answers at unix://"), "{error}");
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_no_engine() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = engine_at(&format!("tcp://127.0.0.1:{port}")).version().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[cfg(feature = "tls")]
#[test]
fn certificates_that_are_not_there_or_not_certificates_are_named() {
    use super::super::address::{Address, TlsFiles};
    use super::super::connect::Connector;

    let folder = tempfile::tempdir().unwrap();
    let connector = || {
        let tls = TlsFiles { folder: Some(folder.path().to_owned()) };
        let address = Address::parse("tcp://localhost", Some(tls)).unwrap();
        Connector::new(address, std::time::Duration::from_secs(1)).unwrap_err().to_string()
    };
    std::fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    let error = connector();
    assert!(error.contains("https://localhost:2376"), "{error}");
    assert!(error.contains("ca.pem holds no certificate"), "{error}");
}
