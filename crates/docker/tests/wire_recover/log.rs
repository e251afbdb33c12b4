//! What is delivered of the output that was written before and after.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_driver_api::{Driver as _, Missing, Outcome, StreamEnd};
use serde_json::json as value;

use crate::scene::{
    Scene, ended, engine, handle, handle_of_this_process, local, logs, recovered, running, spec,
};
use crate::support::{Step, chunked, event, frame, waited};

#[tokio::test]
async fn what_was_delivered_is_skipped_and_what_the_engine_tells_late_is_not_missed() {
    let scene = Scene::new();
    let state = running();
    let engine = engine(scene.container(&state, &local()), |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_millis(600), 4));
        }
        if !request.is("GET /containers/c1/logs") {
            return None;
        }
        let follows = request.line.contains("follow=1");
        let mut told = vec![frame(1, b"abc"), frame(2, b"!"), frame(1, b"defg")];
        if !follows {
            // At the end there is more than was followed.
            told.push(frame(1, b"hij\n"));
        }
        Some(logs(&told))
    });
    let driver = scene.open(&engine).await;
    let (recovered, captured) = recovered(&driver, &handle(&spec(), 5)).await;
    let exit = recovered.running.wait().await;
    assert_eq!(exit.outcome, Outcome::Code(4));
    assert_eq!((captured.stdout(), captured.stderr()), (b"fghij\n".to_vec(), b"!".to_vec()));
    // Nobody can see that the engine's process is the same: nothing is guessed.
    assert_eq!(recovered.lost.stdout, Missing::Unknown);
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut);
    driver.close().await.unwrap();
}

#[tokio::test]
async fn with_the_engine_that_has_begun_it_a_log_is_whole_unless_it_was_away() {
    // An engine that goes away in good order ends what it tells as the end of the task does.
    for (life, lost, end) in [
        (Duration::from_millis(200), Missing::Nothing, StreamEnd::Unverified),
        (Duration::from_millis(2500), Missing::Nothing, StreamEnd::Cut),
    ] {
        let scene = Scene::new();
        let engine = engine(scene.container(&running(), &local()), move |request| {
            if request.is("POST /containers/c1/wait") {
                return Some(waited(life, 0));
            }
            request.is("GET /containers/c1/logs").then(|| logs(&[frame(1, b"abc\n")]))
        });
        let driver = scene.open(&engine).await;
        let (recovered, captured) = recovered(&driver, &handle_of_this_process(1)).await;
        assert_eq!(recovered.lost.stdout, lost);
        let exit = recovered.running.wait().await;
        assert_eq!((exit.outcome, exit.output.stdout.end), (Outcome::Code(0), end), "{life:?}");
        assert_eq!(captured.stdout(), b"bc\n");
        driver.close().await.unwrap();
    }
}

#[tokio::test]
async fn without_a_log_the_streams_are_attached_to_and_a_frozen_task_stays_frozen() {
    let scene = Scene::new();
    let mut state = running();
    state["Paused"] = true.into();
    let engine =
        engine(scene.container(&state, &value!({"Type": "none", "Config": {}})), |request| {
            request.is("POST /containers/c1/wait").then(|| waited(Duration::from_secs(60), 0))
        });
    let driver = scene.open(&engine).await;
    let (recovered, _) = recovered(&driver, &handle(&spec(), 0)).await;
    assert_eq!(
        (recovered.lost.stdout, recovered.lost.stderr),
        (Missing::Unknown, Missing::Unknown)
    );
    let lines = engine.lines();
    let at = |call: &str| lines.iter().position(|line| line.contains(call)).unwrap();
    assert!(at("/unpause") < at("/attach") && at("/attach") < at("/pause"));
    assert_eq!(recovered.container.state(), longshore_driver_api::State::Frozen);
    drop(recovered);
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_log_that_may_have_dropped_something_is_said_to() {
    let scene = Scene::new();
    let log = value!({"Type": "local", "Config": {"max-size": "64k", "max-file": "2"}});
    let engine = engine(scene.container(&ended(0), &log), |request| {
        let big = frame(1, &[b'x'; 40_000]);
        request.is("GET /containers/c1/logs").then(|| logs(&[big.clone(), big]))
    });
    let driver = scene.open(&engine).await;
    let (recovered, _) = recovered(&driver, &handle(&spec(), 10)).await;
    assert_eq!(recovered.lost.stdout, Missing::Unknown);
    assert_eq!(recovered.running.wait().await.output.stdout.end, StreamEnd::Cut);
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_log_that_breaks_off_while_it_is_looked_through_is_read_again() {
    let scene = Scene::new();
    let reads = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&reads);
    let engine = engine(scene.container(&ended(3), &local()), move |request| {
        if !request.is("GET /containers/c1/logs") {
            return None;
        }
        let mut script = logs(&[frame(1, b"abc\n"), frame(1, b"def\n")]);
        if seen.fetch_add(1, Ordering::SeqCst) == 0 {
            script.truncate(2);
        }
        Some(script)
    });
    let driver = scene.open(&engine).await;
    let (recovered, captured) = recovered(&driver, &handle_of_this_process(0)).await;
    assert_eq!(recovered.lost.stdout, Missing::Nothing);
    assert_eq!(recovered.running.wait().await.outcome, Outcome::Code(3));
    assert_eq!(captured.stdout(), b"abc\ndef\n");
    assert!(reads.load(Ordering::SeqCst) >= 3);
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_last_reading_of_a_log_that_stands_still_is_begun_anew() {
    let scene = Scene::new();
    let reads = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&reads);
    let engine = engine(scene.container(&ended(3), &local()), move |request| {
        if request.is("GET /events") {
            return Some([chunked(), vec![event(1, "start", ""), Step::Hold]].concat());
        }
        if !request.is("GET /containers/c1/logs") {
            return None;
        }
        let mut script = logs(&[frame(1, b"abc\n"), frame(1, b"def\n")]);
        // The first one is to know whether it is whole.
        if seen.fetch_add(1, Ordering::SeqCst) == 1 {
            script.truncate(2);
            script.push(Step::Hold);
        }
        Some(script)
    });
    let driver = scene.open_with(&engine, |config| config.timeouts.engine_gone *= 20).await;
    let (recovered, captured) = recovered(&driver, &handle(&spec(), 0)).await;
    let exit = recovered.running.wait().await;
    assert_eq!(exit.outcome, Outcome::Code(3));
    assert_eq!(captured.stdout(), b"abc\ndef\n");
    assert_eq!(reads.load(Ordering::SeqCst), 3);
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_position_beyond_the_log_is_no_whole_output() {
    let scene = Scene::new();
    let engine = engine(scene.container(&ended(0), &local()), |request| {
        request.is("GET /containers/c1/logs").then(|| logs(&[frame(1, b"abc\n")]))
    });
    let driver = scene.open(&engine).await;
    let (recovered, captured) = recovered(&driver, &handle_of_this_process(1000)).await;
    let exit = recovered.running.wait().await;
    assert_eq!(captured.stdout(), b"");
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut);
    driver.close().await.unwrap();
}
