//! Published ports: what is sent to the host's port reaches the task.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use longshore_driver_api::{Driver as _, Protocol, PublishedPort};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::ask_tcp;
use crate::world::{PORT, with_networks};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_to_a_published_port_reaches_the_task_and_is_answered() {
    with_networks(1, async |world| {
        let driver = world.driver(|_| ()).await;
        for network in ["bridge", &world.networks[0]] {
            // Two ports of the host, one of them on one address only.
            let spec = world
                .answering(network)
                .publish(PublishedPort::tcp(PORT))
                .edit(|spec| spec.network.publish.push(PublishedPort::tcp(PORT).address(HERE)));
            let server = world.server(&driver, spec).await;
            let info = server.running.network().await.unwrap();
            let all = info.ports.iter().find(|it| it.host_address.is_unspecified());
            let one = info.ports.iter().find(|it| it.host_address == HERE);
            let (all, one) = (all.expect("on all"), one.expect("on one"));
            assert_ne!(all.host_port, one.host_port, "{info:?}");
            for (port, text) in [(all.host_port, "on all addresses"), (one.host_port, "on one")] {
                assert_eq!(ask_tcp(SocketAddr::new(HERE, port), text).await, text);
            }
            server.end().await;
        }
        driver.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datagram_to_a_published_port_reaches_the_task_and_is_answered() {
    with_networks(0, async |world| {
        let driver = world.driver(|_| ()).await;
        let spec = world.task("bridge", &["listen-udp", &PORT.to_string()]);
        let spec = spec.publish(PublishedPort::tcp(PORT).protocol(Protocol::Udp));
        let server = world.server(&driver, spec).await;
        let info = server.running.network().await.unwrap();
        assert_eq!(info.host_port(PORT, Protocol::Tcp), None, "{info:?}");
        let port = info.host_port(PORT, Protocol::Udp).expect("a port of the host");
        let socket = UdpSocket::bind((HERE, 0)).await.unwrap();
        socket.connect((HERE, port)).await.unwrap();
        socket.send(b"a datagram").await.unwrap();
        let mut answer = [0; 64];
        let length = timeout(Duration::from_secs(30), socket.recv(&mut answer)).await;
        let length = length.expect("an answer comes").unwrap();
        assert_eq!(&answer[..length], b"a datagram");
        server.end().await;
        driver.close().await.unwrap();
    })
    .await;
}
