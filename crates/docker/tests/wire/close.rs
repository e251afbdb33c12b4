//! Freezing and removing on an engine that contradicts itself, fails or is late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::stage::Stage;
use crate::support::{self, Step, empty, json, waited};
use crate::until::until;
use longshore_driver_api::{Driver as _, DriverExt as _, Outcome, State, Task, TaskIo, TaskSpec};

#[tokio::test]
async fn an_engine_that_contradicts_itself_about_freezing_is_asked_until_it_agrees() {
    let unpaused = AtomicUsize::new(0);
    let stage = Stage::brief(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(vec![support::chunked().remove(0), Step::Hold]);
        }
        if request.is("GET /containers/c1/json") {
            let frozen = r#"{"State":{"Status":"paused","Running":true,"Paused":true}}"#;
            return Some(json(200, frozen));
        }
        let unpause = request.is("POST /containers/c1/unpause");
        (unpause && unpaused.fetch_add(1, Ordering::Relaxed) == 0)
            .then(|| json(500, r#"{"message":"Container c1 is not paused"}"#))
    })
    .await;
    let container = stage.prepared().await;
    let _running = container.start().await.unwrap();
    container.freeze().await.unwrap();
    assert_eq!(container.state(), State::Frozen);
    container.unfreeze().await.unwrap();
    assert_eq!(container.state(), State::Running);
    assert_eq!(stage.engine.count("POST /containers/c1/unpause"), 2);
}

#[tokio::test]
async fn a_frozen_container_that_cannot_be_removed_is_thawed_first() {
    let thawed = AtomicUsize::new(0);
    let stage = Stage::brief(move |request| {
        if request.is("POST /containers/c1/unpause") {
            thawed.fetch_add(1, Ordering::Relaxed);
            return Some(empty(204));
        }
        (request.is("DELETE /containers/c1") && thawed.load(Ordering::Relaxed) == 0).then(|| {
            json(500, r#"{"message":"tried to kill container, but did not receive an exit event"}"#)
        })
    })
    .await;
    stage.prepared().await.close().await.unwrap();
    assert_eq!(stage.engine.count("DELETE /containers/c1"), 2);
}

#[tokio::test]
async fn a_removal_that_is_under_way_is_waited_for() {
    let looked = Arc::new(AtomicUsize::new(0));
    let looks = Arc::clone(&looked);
    let stage = Stage::brief(move |request| {
        if request.is("DELETE /containers/c1") {
            let message = "removal of container c1 is already in progress";
            return Some(json(409, &format!("{{\"message\":\"{message}\"}}")));
        }
        request.is("GET /containers/c1/json").then(|| match looks.fetch_add(1, Ordering::Relaxed) {
            0..3 => json(200, r#"{"State":{"Status":"removing"}}"#),
            _ => json(404, r#"{"message":"No such container: c1"}"#),
        })
    })
    .await;
    stage.prepared().await.close().await.unwrap();
    assert_eq!(looked.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_task_whose_end_by_closing_is_told_before_its_start_is_was_cancelled() {
    let closed = Arc::new(tokio::sync::Notify::new());
    let on = Arc::clone(&closed);
    let stage = Stage::brief(move |request| match () {
        () if request.is("POST /containers/c1/start") => {
            let mut script = vec![Step::Until(Arc::clone(&on))];
            script.extend(empty(204));
            Some(script)
        }
        // The removal kills it, and that is known at once.
        () if request.is("POST /containers/c1/wait") => Some(waited(Duration::ZERO, 137)),
        () => None,
    })
    .await;
    let (io, _output) = TaskIo::captured();
    let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
    let container = stage.driver.prepare(task).await.unwrap();
    let starting = tokio::spawn({
        let container = Arc::clone(&container);
        async move { container.start().await }
    });
    until("the start is asked for", async || stage.engine.count("POST /containers/c1/start") > 0)
        .await;
    container.close().await.unwrap();
    closed.notify_one();
    let running = starting.await.unwrap().unwrap();
    let exit = running.wait().await;
    assert_eq!(exit.outcome, Outcome::Cancelled, "{exit:?}");
}

/// A writer that fails at its end in the worst way.
struct Spiteful;

impl tokio::io::AsyncWrite for Spiteful {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

impl Drop for Spiteful {
    fn drop(&mut self) {
        panic!("a writer of the caller's panics, as it is meant to");
    }
}

#[tokio::test]
async fn a_writer_that_panics_as_it_is_dropped_does_not_hold_the_close() {
    let stage = Stage::brief(|_| None).await;
    let task = |io| Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
    let container = stage.driver.prepare(task(TaskIo::none().stdout(Spiteful))).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(10), container.close()).await;
    closed.expect("closing ends").unwrap();
    // What comes after it goes on.
    let container = stage.driver.prepare(task(TaskIo::none())).await.unwrap();
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn bounds_that_are_none_close_what_there_is() {
    let stage = Stage::new(
        |config| {
            let no_bound = Duration::MAX;
            let times = &mut config.timeouts;
            (times.connect, times.call, times.work) = (no_bound, no_bound, no_bound);
            (times.stream_idle, times.pull_idle) = (no_bound, no_bound);
            (times.pull_total, times.engine_gone, times.close) = (no_bound, no_bound, no_bound);
        },
        |_| None,
    )
    .await;
    let (exit, _) = stage.run().await;
    assert!(exit.is_success(), "{exit:?}");
    let _container = stage.prepared().await;
    let closed = tokio::time::timeout(Duration::from_secs(10), stage.driver.close()).await;
    closed.expect("it ends").unwrap();
    assert!(stage.engine.count("DELETE /containers") > 0);
}
