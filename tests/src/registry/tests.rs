//! The proxy against a small registry of its own.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{Asked, RegistryFault, RegistryProxy};

const LAYER: usize = 100_000;

/// Answers every request with a blob, and says so to each that its connection stays.
async fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {LAYER}\r\nConnection: keep-alive\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                // The proxy may have enough of it.
                let _ = stream.write_all(&vec![b'x'; LAYER]).await;
            });
        }
    });
    address
}

async fn get(proxy: &RegistryProxy, path: &str) -> (String, usize) {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Basic eA==\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_millis(300), stream.read_to_end(&mut answer)).await;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer.len() - end)
}

const BLOB: &str = "/v2/a/blobs/sha256:0";

#[tokio::test]
async fn without_a_fault_everything_passes_and_is_written_down() {
    let proxy = RegistryProxy::start(&registry().await).await.unwrap();
    let (head, length) = get(&proxy, BLOB).await;
    assert!(head.contains("Connection: close") && !head.contains("keep-alive"), "{head}");
    assert_eq!(length, LAYER);
    get(&proxy, "/v2/").await;
    get(&proxy, "/v2/a/manifests/1").await;
    let asked: Vec<_> = proxy.requests().iter().map(|request| request.asked).collect();
    assert_eq!(asked, [Asked::Layer, Asked::Version, Asked::Manifest]);
    assert_eq!(proxy.requests()[0].authorization.as_deref(), Some("Basic eA=="));
}

#[tokio::test]
async fn just_as_many_answers_are_broken_as_was_said() {
    let proxy = RegistryProxy::start(&registry().await).await.unwrap();
    proxy.fault(Asked::Layer, 1, RegistryFault::CutAfter(10));
    proxy.fault(Asked::Layer, 1, RegistryFault::StallAfter(20));
    proxy.fault(Asked::Layer, 1, RegistryFault::Spoil);
    proxy.fault(Asked::Layer, 9, RegistryFault::Status(429, "later"));
    assert_eq!(get(&proxy, "/v2/").await.1, LAYER);
    assert_eq!(get(&proxy, BLOB).await.1, 10);
    assert_eq!(get(&proxy, BLOB).await.1, 20);
    let (head, length) = get(&proxy, BLOB).await;
    assert!(head.contains(&format!("content-length: {}", LAYER + 1)), "{head}");
    assert_eq!(length, LAYER + 1);
    assert!(get(&proxy, BLOB).await.0.starts_with("HTTP/1.1 429 "));
    proxy.heal();
    assert_eq!(get(&proxy, BLOB).await.1, LAYER);
    assert_eq!(proxy.count(Asked::Layer), 5);
}
