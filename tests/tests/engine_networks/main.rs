//! Networks of a real engine as tasks see them: who is reached by which name, on which network the
//! driver puts a task, and what becomes of an owner's own.

mod owners;
mod ports;
mod resolver;
mod world;

use std::net::{Ipv4Addr, SocketAddr};

use longshore_driver_api::{
    Container, Driver as _, DriverExt as _, ErrorKind, NetworkMode, TaskSpecBuilder,
};
use longshore_tests::Setup;
use resolver::Resolver;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use world::{PORT, resolved, run, said, with_networks};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_hosts_network_a_task_reaches_what_listens_on_the_host_alone() {
    with_networks(0, async |world| {
        let driver = world.driver(|_| ()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let echo = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            connection.read_to_string(&mut text).await.unwrap();
            connection.write_all(text.as_bytes()).await.unwrap();
            // Nobody else comes.
            drop(listener);
        });
        let ask = ["ask", "127.0.0.1", &port, "to the host"];
        for elsewhere in ["none", "bridge"] {
            let (exit, output) = run(&driver, world.task(elsewhere, &ask)).await;
            assert_eq!(exit.code, Some(74), "{elsewhere}: {exit:?} {output:?}");
        }
        assert_eq!(said(&driver, world.task("host", &ask)).await, "to the host");
        echo.await.unwrap();
        let container =
            driver.prepare(world.task("host", &["sleep", "forever"]).build().unwrap()).await;
        let container = container.unwrap();
        let running = container.start().await.unwrap();
        let info = running.network().await.unwrap();
        assert_eq!(info.address(), None, "its addresses are the host's: {info:?}");
        container.close().await.unwrap();
        driver.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_found_by_its_alias_and_address_on_its_own_network_alone() {
    with_networks(2, async |world| {
        let [ours, other] = &world.networks[..] else { unreachable!("there are two") };
        let driver = world.driver(|_| ()).await;
        let spec = world.answering(ours).edit(|spec| spec.network.aliases = vec!["web".to_owned()]);
        let server = world.server(&driver, spec).await;
        assert_eq!(world.networks_of(&*server.container).await, [ours.as_str()]);
        let address = server.address_on(ours).await;
        assert_eq!(resolved(&driver, world.task(ours, &["resolve", "web"])).await, [&*address]);
        let (exit, output) = run(&driver, world.task(other, &["resolve", "web"])).await;
        assert_eq!(exit.code, Some(74), "no such name there: {output:?}");

        let ask = ["ask", "web", &PORT.to_string(), "by its alias"];
        assert_eq!(said(&driver, world.task(ours, &ask)).await, "by its alias");
        // From the engine's host, which is this one.
        let at = SocketAddr::new(address.parse().unwrap(), PORT);
        assert_eq!(ask_tcp(at, "by its address").await, "by its address");
        server.end().await;
        driver.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_on_two_networks_is_found_by_its_alias_on_both() {
    with_networks(2, async |world| {
        let driver = world.driver(|_| ()).await;
        let spec = world.answering(&world.networks[0]).edit(|spec| {
            spec.network.also = vec![world.networks[1].clone()];
            spec.network.aliases = vec!["web".to_owned()];
        });
        let server = world.server(&driver, spec).await;
        let info = server.running.network().await.unwrap();
        let names: Vec<_> = info.networks.iter().map(|it| &it.network).collect();
        assert_eq!(names, [&world.networks[0], &world.networks[1]]);
        let mut addresses = Vec::new();
        for network in &world.networks {
            let address = server.address_on(network).await;
            let found = resolved(&driver, world.task(network, &["resolve", "web"])).await;
            assert_eq!(found, [&*address], "{network}");
            let ask = ["ask", "web", &PORT.to_string(), network];
            assert_eq!(said(&driver, world.task(network, &ask)).await, *network);
            addresses.push(address);
        }
        assert_ne!(addresses[0], addresses[1]);
        server.end().await;
        driver.close().await.unwrap();
    })
    .await;
}

/// Sends a text and gives what comes back.
pub(crate) async fn ask_tcp(at: SocketAddr, text: &str) -> String {
    let mut connection = TcpStream::connect(at).await.unwrap();
    connection.write_all(text.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The network's gateway, which is an address of the engine's host.
fn gateway(routes: &str) -> Option<Ipv4Addr> {
    let line = routes.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().filter(|to| *to == "00000000").and_then(|_| words.next())
    });
    // As it is in memory, on a machine whose lowest byte comes first.
    u32::from_str_radix(line?, 16).ok().map(|number| Ipv4Addr::from(number.to_le_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_found_in_extra_hosts_and_by_the_name_server_that_was_given() {
    with_networks(0, async |world| {
        let driver = world.driver(|_| ()).await;
        let routes = said(&driver, world.task("bridge", &["read", "/proc/net/route"])).await;
        let here = gateway(&routes).unwrap_or_else(|| panic!("a way out: {routes}"));
        let (known, unknown) = (Ipv4Addr::new(192, 0, 2, 9), Ipv4Addr::new(192, 0, 2, 8));
        let task = |name: &str| -> TaskSpecBuilder {
            world.task("bridge", &["resolve", name]).edit(|spec| {
                spec.network.dns = vec![here.into()];
                spec.network.dns_search = vec!["found.test".to_owned()];
                spec.network.dns_options = vec!["ndots:3".to_owned()];
                spec.network.extra_hosts = [("pinned.test".to_owned(), unknown.into())].into();
            })
        };
        let resolver = match Resolver::start(here, "known.found.test", known).await {
            Ok(resolver) => resolver,
            Err(error) => {
                // Another name server has every address of this host.
                eprintln!("SKIPPED names_are_found: port 53 of {here}: {error}");
                return driver.close().await.unwrap();
            }
        };
        assert_eq!(resolved(&driver, task("pinned.test")).await, [unknown.to_string()]);
        assert_eq!(resolver.asked(), [""; 0], "it stands in /etc/hosts");
        assert_eq!(resolved(&driver, task("known")).await, [known.to_string()]);
        assert!(resolver.asked().iter().all(|name| name == "known.found.test"));
        let (exit, _) = run(&driver, task("not.known")).await;
        assert_eq!(exit.code, Some(74));
        // Less than three dots: the domain is tried first.
        let asked = resolver.asked();
        let place = |name: &str| asked.iter().position(|it| it == name);
        let (with, without) = (place("not.known.found.test"), place("not.known"));
        assert!(with.is_some() && with < without, "{asked:?}");
        driver.close().await.unwrap();
    })
    .await;
}

/// A task that leaves the choice to the driver.
fn auto(setup: &Setup) -> TaskSpecBuilder {
    setup.task(["sleep", "forever"]).network(NetworkMode::Auto)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_least_used_network_is_taken_and_each_container_counts_once() {
    with_networks(2, async |world| {
        let driver = world.driver(|config| config.networks = world.networks.clone()).await;
        let make =
            async || driver.prepare(auto(&world.scene.setup).build().unwrap()).await.unwrap();
        let on = async |container: &dyn Container| {
            let found = world.networks_of(container).await;
            let [name] = &found[..] else { panic!("one network: {found:?}") };
            world.networks.iter().position(|it| it == name).expect("it is one of ours")
        };
        // How many of the next six come on the first network tells by how much it is ahead.
        let ahead = async || {
            let mut made = Vec::new();
            for _ in 0..6 {
                made.push(make().await);
            }
            let mut firsts = 0;
            for container in &made {
                firsts += usize::from(on(&**container).await == 0);
                container.close().await.unwrap();
            }
            firsts
        };
        assert_eq!(ahead().await, 3, "nothing is there yet");
        // It runs, is asked where it is, and is closed twice: it counts once, and as long as it is there.
        let first = make().await;
        let running = first.start().await.unwrap();
        let info = running.network().await.unwrap();
        assert_eq!(info.networks.len(), 1, "{info:?}");
        assert_eq!(info.networks[0].network, world.networks[0]);
        assert_eq!(info.networks[0].addresses.len(), 1, "{info:?}");
        let second = make().await;
        assert_eq!(on(&*second).await, 1);
        second.close().await.unwrap();
        running.cancel();
        running.wait().await;
        first.close().await.unwrap();
        first.close().await.unwrap();
        assert_eq!(ahead().await, 3, "it is given back once");
        // However often a container is tried in vain, nothing of it is left.
        let broken = auto(&world.scene.setup).edit(|spec| spec.image = "no/such-image".to_owned());
        for _ in 0..3 {
            let container = driver.container(broken.clone().build().unwrap().into()).unwrap();
            for _ in 0..2 {
                let error = container.create().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            }
            container.close().await.unwrap();
        }
        assert_eq!(ahead().await, 3, "what was not made is on no network");
        driver.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_are_started_at_once_are_spread_evenly() {
    with_networks(2, async |world| {
        let driver = world.driver(|config| config.networks = world.networks.clone()).await;
        let start = async |_| {
            let spec = auto(&world.scene.setup).build().unwrap();
            let container = driver.prepare(spec).await.unwrap();
            let running = container.start().await.unwrap();
            (container, running)
        };
        let tasks = futures_util::future::join_all((0..8).map(start)).await;
        let mut addresses = Vec::new();
        for name in &world.networks {
            let mut count = 0;
            for (_, running) in &tasks {
                let info = running.network().await.unwrap();
                assert_eq!(info.networks.len(), 1, "{info:?}");
                if info.networks[0].network == *name {
                    count += 1;
                    addresses.push(info.address().expect("it has one"));
                }
            }
            assert_eq!(count, 4, "{name}");
        }
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 8, "each has an address of its own");
        for (container, _) in &tasks {
            container.close().await.unwrap();
        }
        driver.close().await.unwrap();
    })
    .await;
}
