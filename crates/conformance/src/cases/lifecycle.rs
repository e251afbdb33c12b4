//! The stages of a container.

use longshore_driver_api::{ContainerExt as _, State};

use crate::Act;
use crate::trial::Trial;
use crate::verdict::Outcome;

pub(crate) async fn reserving_a_container_creates_nothing(t: Trial) -> Outcome {
    let container = t.driver().container(t.task(&Act::Exit(0)))?;
    assert_eq!(container.state(), State::Reserved);
    assert_eq!(container.engine_id(), None);
    t.ok("ask for the image", container.image_status()).await?;
    assert_eq!(t.leftovers().await?, [""; 0]);
    assert_eq!(container.state(), State::Reserved);
    Ok(())
}

pub(crate) async fn the_state_is_right_at_each_stage(t: Trial) -> Outcome {
    let container = t.driver().container(t.task(&Act::trap_term(0)))?;
    assert_eq!(container.state(), State::Reserved);
    t.ok("ensure the image", container.ensure_image()).await?;
    assert_eq!(container.state(), State::Reserved);
    t.ok("create", container.create()).await?;
    assert_eq!(container.state(), State::Created);
    let running = t.ok("start", container.start()).await?;
    assert_eq!(container.state(), State::Running);
    t.ok("stop", running.stop(None)).await?;
    t.done("wait", running.wait()).await?;
    assert_eq!(container.state(), State::Exited);
    t.ok("close", container.close()).await?;
    assert_eq!(container.state(), State::Closed);
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}
