//! What a task sees of the network, and where it can be reached.

use longshore_driver_api::{DriverExt as _, ErrorKind, NetworkMode, Protocol, PublishedPort, Task};

use crate::Act;
use crate::trial::{Started, Trial, built};
use crate::verdict::Outcome;

/// A task that runs until it is killed, with its port 80 published.
fn publishing(t: &Trial, port: PublishedPort) -> Task {
    let spec = t.spec(&Act::Sleep(None)).network(NetworkMode::Bridge).publish(port);
    Task::new(built(spec))
}

async fn host_port(t: &Trial, started: &Started) -> Outcome<u16> {
    let info = t.ok("ask for the network", started.running.network()).await?;
    Ok(info.host_port(80, Protocol::Tcp).expect("a published port has a port of the host"))
}

pub(crate) async fn a_task_without_a_network_has_no_address(t: Trial) -> Outcome {
    let started = t.started(t.task(&Act::Sleep(None))).await?;
    let info = t.ok("ask for the network", started.running.network()).await?;
    assert_eq!(info.address(), None, "{info:?}");
    assert!(info.ports.is_empty(), "{info:?}");
    Ok(())
}

pub(crate) async fn a_port_that_the_engine_chooses_is_told(t: Trial) -> Outcome {
    let task = publishing(&t, PublishedPort::tcp(80));
    let Some(task) = t.supported(t.caps().publish_ports, task)? else { return Ok(()) };
    let one = t.started(task).await?;
    let other = t.started(publishing(&t, PublishedPort::tcp(80).host(0))).await?;
    let (first, second) = (host_port(&t, &one).await?, host_port(&t, &other).await?);
    assert!(first > 0 && second > 0 && first != second, "{first} and {second}");
    let info = t.ok("ask again", one.running.network()).await?;
    assert!(info.address().is_some(), "it is on a network: {info:?}");
    Ok(())
}

pub(crate) async fn a_port_of_the_host_that_is_taken_is_a_conflict(t: Trial) -> Outcome {
    let task = publishing(&t, PublishedPort::tcp(80));
    let Some(task) = t.supported(t.caps().publish_ports, task)? else { return Ok(()) };
    let holder = t.started(task).await?;
    let taken = host_port(&t, &holder).await?;
    let container = t.prepared(publishing(&t, PublishedPort::tcp(80).host(taken))).await?;
    let error = t.fails(ErrorKind::Conflict, "start", container.start()).await?;
    assert!(error.to_string().contains(&taken.to_string()), "the port is not named: {error}");
    t.ok("close the loser", container.close()).await?;
    t.ok("close the holder", holder.container.close()).await?;
    // It is free again with the end of its holder.
    let again = t.started(publishing(&t, PublishedPort::tcp(80).host(taken))).await?;
    assert_eq!(host_port(&t, &again).await?, taken);
    Ok(())
}

pub(crate) async fn what_was_told_of_the_network_stays_known_after_the_end(t: Trial) -> Outcome {
    let spec = || built(t.spec(&Act::Sleep(None)).network(NetworkMode::Auto));
    let asked = t.started(Task::new(spec())).await?;
    let info = t.ok("ask for the network", asked.running.network()).await?;
    assert!(info.address().is_some(), "the driver's choice is a network: {info:?}");
    let unasked = t.started(Task::new(spec())).await?;
    for started in [&asked, &unasked] {
        started.running.cancel();
        t.done("wait", started.running.wait()).await?;
    }
    assert_eq!(t.ok("ask after the end", asked.running.network()).await?, info);
    let late = unasked.running.network();
    t.fails(ErrorKind::InvalidState, "ask for the first time after the end", late).await?;
    Ok(())
}

pub(crate) async fn a_further_network_that_does_not_exist_is_named(t: Trial) -> Outcome {
    let network = t.scene().missing_network;
    let spec = t.spec(&Act::Exit(0)).network(NetworkMode::Bridge);
    let spec = spec.edit(|spec| spec.network.also = vec![network.clone()]);
    let has = t.caps().several_networks;
    let Some(task) = t.supported(has, Task::new(built(spec)))? else { return Ok(()) };
    // An engine may look for it when the container is made or when it is started.
    let run = t.driver().run_task(task);
    let error = t.fails(ErrorKind::NetworkNotFound, "run without its network", run).await?;
    assert!(error.to_string().contains(&network), "the network is not named: {error}");
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}
