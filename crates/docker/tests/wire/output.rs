//! Output whose connection an engine breaks off or leaves open: what came is delivered, and what is missing is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::stage::Stage;
use crate::support::{Script, Step, chunked, event, frame, json, upgrade, waited};
use longshore_driver_api::{Outcome, StreamEnd};
use tokio::sync::Notify;

#[tokio::test]
async fn a_connection_that_stays_open_after_the_end_does_not_hold_the_task() {
    let stage = Stage::brief(|request| {
        request.is("POST /containers/c1/attach").then(|| {
            let mut script = upgrade(&frame(1, b"all of it"));
            script.push(Step::Hold);
            script
        })
    })
    .await;
    let before = Instant::now();
    let (exit, captured) = stage.run().await;
    assert_eq!(captured.stdout(), b"all of it");
    // There may have been more.
    assert_eq!(exit.output.stdout.end, StreamEnd::Abandoned);
    assert!(exit.is_success() && before.elapsed() < Duration::from_secs(8), "{exit:?}");
}

#[tokio::test]
async fn output_that_is_cut_while_the_task_lives_is_told() {
    let attached = AtomicUsize::new(0);
    let stage = Stage::brief(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_millis(2500), 0));
        }
        if !request.is("POST /containers/c1/attach") {
            return None;
        }
        let mut script = upgrade(&frame(1, b"first half"));
        if attached.fetch_add(1, Ordering::Relaxed) > 0 {
            script.push(Step::Hold);
        }
        Some(script)
    })
    .await;
    let (exit, captured) = stage.run().await;
    assert_eq!(captured.stdout(), b"first half");
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut);
    assert!(exit.output.is_incomplete());
}

#[tokio::test]
async fn output_that_the_task_closed_itself_is_not_taken_for_cut() {
    // Each connection ends at once: there is nothing to attach to any more.
    let stage = Stage::brief(|request| {
        let wait = request.is("POST /containers/c1/wait");
        wait.then(|| waited(Duration::from_millis(2500), 3))
    })
    .await;
    let (exit, _) = stage.run().await;
    assert_eq!(exit.outcome, Outcome::Code(3));
    assert_eq!(exit.output.stdout.end, StreamEnd::Unverified);
    // One of them may be cut as the first was, so it is asked again.
    assert_eq!(stage.engine.count("POST /containers/c1/attach"), 3);
}

#[tokio::test]
async fn output_that_breaks_off_inside_a_frame_is_told() {
    let stage = Stage::brief(|request| {
        let attach = request.is("POST /containers/c1/attach");
        attach.then(|| upgrade(&frame(1, b"a longer text")[..12]))
    })
    .await;
    let (exit, captured) = stage.run().await;
    assert_eq!(captured.stdout(), b"a lo");
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut);
}

#[tokio::test]
async fn a_refusal_to_attach_again_or_an_end_of_that_as_well_is_no_proof_that_all_came() {
    const REFUSAL: &str = r#"{"message":"boom"}"#;
    let seconds: [fn() -> Script; 2] = [|| json(503, REFUSAL), || upgrade(b"")];
    for second in seconds {
        let attached = AtomicUsize::new(0);
        let stage = Stage::brief(move |request| {
            if request.is("POST /containers/c1/wait") {
                return Some(waited(Duration::from_secs(5), 0));
            }
            if request.is("GET /containers/c1/json") {
                let runs = r#"{"Id":"c1","State":{"Status":"running","Running":true}}"#;
                return Some(json(200, runs));
            }
            if !request.is("POST /containers/c1/attach") {
                return None;
            }
            match attached.fetch_add(1, Ordering::Relaxed) {
                0 => Some(upgrade(&frame(1, b"first half"))),
                1 => Some(second()),
                _ => Some([upgrade(b""), vec![Step::Hold]].concat()),
            }
        })
        .await;
        let (exit, captured) = stage.run().await;
        assert_eq!(captured.stdout(), b"first half");
        assert_eq!(exit.output.stdout.end, StreamEnd::Cut, "{exit:?}");
    }
}

#[tokio::test]
async fn output_that_comes_too_late_to_be_waited_for_is_told_as_missing() {
    let stage = Stage::brief(|request| {
        request.is("POST /containers/c1/attach").then(|| {
            let mut script = upgrade(&frame(1, b"first "));
            script.push(Step::Pause(Duration::from_secs(5)));
            script.push(Step::Send(frame(1, b"second")));
            script
        })
    })
    .await;
    let (exit, captured) = stage.run().await;
    assert_eq!(captured.stdout(), b"first ");
    assert!(exit.output.is_incomplete(), "{exit:?}");
}

/// A task whose output ends at once, and that of each further connection never.
async fn cut_then(
    again: impl Fn(usize) -> Option<Script> + Send + Sync + 'static,
    looked: impl Fn(usize) -> Option<Script> + Send + Sync + 'static,
) -> StreamEnd {
    let (attaches, looks) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let stage = Stage::brief(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_secs(4), 0));
        }
        if request.is("GET /containers/c1/json") {
            return looked(looks.fetch_add(1, Ordering::Relaxed));
        }
        if !request.is("POST /containers/c1/attach") {
            return None;
        }
        let number = attaches.fetch_add(1, Ordering::Relaxed);
        let held = || [upgrade(b""), vec![Step::Hold]].concat();
        let first = || upgrade(&frame(1, b"first half"));
        Some(if number == 0 { first() } else { again(number).unwrap_or_else(held) })
    })
    .await;
    let (exit, captured) = stage.run().await;
    assert_eq!(captured.stdout(), b"first half");
    exit.output.stdout.end
}

#[tokio::test]
async fn a_cut_is_not_forgotten_where_the_engine_does_not_say_at_once_whether_the_task_lives() {
    let runs = r#"{"Id":"c1","State":{"Status":"running","Running":true}}"#;
    let boom = r#"{"message":"boom"}"#;
    // It says so later, or never.
    for failures in [1, usize::MAX] {
        let looked =
            move |number| Some(if number < failures { json(500, boom) } else { json(200, runs) });
        assert_eq!(cut_then(|_| None, looked).await, StreamEnd::Cut, "{failures}");
    }
}

#[tokio::test]
async fn what_was_doubtful_when_the_task_ended_stays_so() {
    let paused = r#"{"Id":"c1","State":{"Status":"paused","Running":true,"Paused":true}}"#;
    let refused = r#"{"message":"Container c1 is paused"}"#;
    // Afterwards it has ended.
    let end = cut_then(
        move |number| (number == 1).then(|| json(409, refused)),
        move |number| (number == 0).then(|| json(200, paused)),
    );
    assert_eq!(end.await, StreamEnd::Cut);
}

#[tokio::test]
async fn a_container_that_has_gone_leaves_no_doubt_whatever_was_answered_before() {
    let (attaches, looks) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (started, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let stage = Stage::brief(move |request| {
        if request.is("POST /containers/c1/start") {
            started.notify_one();
        }
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_secs(20), 9));
        }
        if request.is("GET /events") {
            // The end is told once it is known that nothing is there any more.
            let events = vec![
                Step::Until(Arc::clone(&started)),
                event(1, "start", r#""longshore.task":"t""#),
                Step::Until(Arc::clone(&gone)),
                Step::Pause(Duration::from_millis(600)),
                event(7, "die", r#""exitCode":"0""#),
                Step::Hold,
            ];
            return Some([chunked(), events].concat());
        }
        if request.is("GET /containers/c1/json") {
            if looks.fetch_add(1, Ordering::Relaxed) == 0 {
                return Some(json(500, r#"{"message":"boom"}"#));
            }
            gone.notify_one();
            return Some(json(404, r#"{"message":"No such container: c1"}"#));
        }
        let is_again = request.is("POST /containers/c1/attach")
            && attaches.fetch_add(1, Ordering::Relaxed) > 0;
        is_again.then(|| [upgrade(b""), vec![Step::Hold]].concat())
    })
    .await;
    let (exit, _) = stage.run().await;
    assert_eq!(exit.outcome, Outcome::Code(0), "{exit:?}");
    assert_eq!(exit.output.stdout.end, StreamEnd::Unverified, "{exit:?}");
}
