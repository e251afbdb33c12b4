//! What is taken up, what is not, and how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore_driver_api::{
    Driver as _, ErrorKind, LABEL_APPLICATION, LABEL_LEASE, LABEL_OWNER, LABEL_RECOVERABLE_UNTIL,
    Missing, NotStarted, OomEvidence, Outcome, TaskIo,
};
use serde_json::json as value;

use crate::scene::{
    NOW, Scene, ended, engine, handle, handle_of, handle_of_this_process, local, logs, recovered,
    running, spec,
};
use crate::support::{Request, Script, Step, chunk, chunked, event, frame, json, waited};

/// That the engine remembers that it has started the task: it is the same one.
fn remembered(request: &Request) -> Option<Script> {
    let script = || [chunked(), vec![event(1, "start", ""), Step::Hold]].concat();
    request.is("GET /events").then(script)
}

#[tokio::test]
async fn a_task_that_ended_without_an_owner_tells_its_code_and_how_long_it_ran() {
    let scene = Scene::new();
    let engine = engine(scene.container(&ended(9), &local()), |request| {
        let log = || logs(&[frame(1, b"all\n")]);
        remembered(request).or_else(|| request.is("GET /containers/c1/logs").then(log))
    });
    let driver = scene.open(&engine).await;
    let (recovered, captured) = recovered(&driver, &handle(&spec(), 0)).await;
    let exit = recovered.running.wait().await;
    assert_eq!(
        (exit.outcome, exit.timings.run.map(|it| it.as_secs())),
        (Outcome::Code(9), Some(4))
    );
    assert_eq!(captured.stdout(), b"all\n");
    recovered.container.close().await.unwrap();
    assert!(engine.lines().iter().any(|line| line.starts_with("DELETE")));
    driver.close().await.unwrap();
}

#[tokio::test]
async fn code_1_under_an_init_proves_nothing_of_a_task_whose_environment_is_not_known_any_more() {
    let scene = Scene::new();
    let engine = engine(scene.container(&ended(1), &local()), |request| {
        remembered(request).or_else(|| request.is("GET /containers/c1/logs").then(|| logs(&[])))
    });
    let driver = scene.open(&engine).await;
    let (recovered, _) = recovered(&driver, &handle(&spec(), 0)).await;
    let exit = recovered.running.wait().await;
    assert_eq!(exit.outcome, Outcome::Code(1));
    assert_eq!(exit.alternatives, [Outcome::NotStarted(NotStarted::TooLong)], "{exit:?}");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn what_the_engine_tells_of_a_task_that_was_taken_up_is_heard() {
    let scene = Scene::new();
    let engine = engine(scene.container(&running(), &local()), |request| {
        // Its labels name its dead owner: a stream of the new one's containers leaves it out.
        if request.is("GET /events") && !request.line.contains(LABEL_OWNER) {
            let told = |nanos: i64, action: &str| {
                let attributes = value!({"exitCode": "1"});
                let actor = value!({"ID": "c1", "Attributes": attributes});
                let event = value!({"Action": action, "Actor": actor, "timeNano": nanos});
                chunk(format!("{event}\n").as_bytes())
            };
            let mut script = chunked();
            let pause = Step::Pause(Duration::from_millis(500));
            script.extend([pause, told(6, "oom"), told(7, "die"), Step::Hold]);
            return Some(script);
        }
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_secs(2), 1));
        }
        request.is("GET /containers/c1/logs").then(|| logs(&[]))
    });
    let driver = scene.open(&engine).await;
    let (recovered, _) = recovered(&driver, &handle(&spec(), 0)).await;
    let exit = recovered.running.wait().await;
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(1), OomEvidence::Seen), "{exit:?}");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn an_end_that_the_engine_did_not_see_is_lost() {
    let scene = Scene::new();
    let engine = engine(scene.container(&ended(255), &local()), |request| {
        request.is("GET /containers/c1/logs").then(|| logs(&[]))
    });
    let driver = scene.open(&engine).await;
    let (recovered, _) = recovered(&driver, &handle(&spec(), 0)).await;
    let exit = recovered.running.wait().await;
    assert_eq!(exit.outcome, Outcome::Lost, "{exit:?}");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_task_that_somebody_has_started_again_is_lost_with_its_output_and_removed() {
    let scene = Scene::new();
    let mut again = running();
    again["FinishedAt"] = "2041-05-06T07:08:01.5Z".into();
    let engine = engine(scene.container(&again, &local()), |request| {
        let log = || logs(&[frame(1, b"of both\n")]);
        request.is("GET /containers/c1/logs").then(log)
    });
    let driver = scene.open(&engine).await;
    let (recovered, captured) = recovered(&driver, &handle(&spec(), 0)).await;
    assert_eq!(recovered.lost.stdout, Missing::Unknown);
    let exit = recovered.running.wait().await;
    assert_eq!((&exit.outcome, exit.code), (&Outcome::Lost, None), "{exit:?}");
    assert!(exit.engine_error.as_deref().unwrap().contains("started the container again"));
    assert!(exit.output.is_incomplete() && captured.stdout().is_empty(), "{exit:?}");
    recovered.container.close().await.unwrap();
    assert!(engine.lines().iter().any(|line| line.starts_with("DELETE")));
    driver.close().await.unwrap();
}

#[tokio::test]
async fn code_255_is_the_tasks_own_where_the_engine_was_there_all_the_time() {
    let scene = Scene::new();
    let engine = engine(scene.container(&ended(255), &local()), |request| {
        request.is("GET /containers/c1/logs").then(|| logs(&[]))
    });
    let driver = scene.open(&engine).await;
    let (recovered, _) = recovered(&driver, &handle_of_this_process(0)).await;
    let exit = recovered.running.wait().await;
    assert_eq!((exit.outcome, exit.code), (Outcome::Code(255), Some(255)), "{exit:?}");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_taken_up_is_told_apart_and_left_as_it_is() {
    let mut scene = Scene::new();
    let foreign = handle_of("E2", &spec(), 0);
    let own = handle(&spec(), 0);
    let gone = |request: &Request| {
        let missing = || json(404, r#"{"message":"no such container"}"#);
        request.is("GET /containers/c1/json").then(missing)
    };
    // Another engine of the same host has its own storage, and perhaps the same id.
    let neighbour = |request: &Request| {
        let info = value!({"ID": "E1", "SystemTime": NOW, "DockerRootDir": "/other"});
        request.is("GET /info").then(|| json(200, &info.to_string()))
    };
    let engines = [
        (
            engine(scene.container(&running(), &local()), |_| None),
            &foreign,
            ErrorKind::HandleForeign,
        ),
        (engine(scene.container(&running(), &local()), neighbour), &own, ErrorKind::HandleForeign),
        (engine(String::new(), gone), &own, ErrorKind::NotFound),
    ];
    for (engine, handle, kind) in engines {
        let driver = scene.open(&engine).await;
        let error = driver.recover(handle, TaskIo::none()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        driver.close().await.unwrap();
    }
    let spoilt: [(&str, &str, ErrorKind); 3] = [
        (LABEL_RECOVERABLE_UNTIL, "2041-05-06T07:08:09Z", ErrorKind::Expired),
        (LABEL_APPLICATION, "another", ErrorKind::HandleForeign),
        (LABEL_LEASE, "rubbish", ErrorKind::OwnerAlive),
    ];
    for (label, text, kind) in spoilt {
        let good = std::mem::replace(&mut scene.labels[label], text.into());
        let engine = engine(scene.container(&running(), &local()), |_| None);
        let driver = scene.open(&engine).await;
        let error = driver.recover(&own, TaskIo::none()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        driver.close().await.unwrap();
        let changes = engine.lines().iter().any(|line| !line.starts_with("GET"));
        assert!(!changes, "{:?}", engine.lines());
        scene.labels[label] = good;
    }
}

#[tokio::test]
async fn a_handle_leads_to_a_container_and_nowhere_else() {
    let scene = Scene::new();
    let engine = engine(scene.container(&running(), &local()), |_| None);
    let driver = scene.open(&engine).await;
    let before = engine.lines().len();
    for id in ["", "c1/json?x=", "../images/x"] {
        let text = handle(&spec(), 0).to_string().replace(r#""c1""#, &format!("{id:?}"));
        let error = driver.recover(&text.parse().unwrap(), TaskIo::none()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HandleUnknown, "{error}");
    }
    assert_eq!(engine.lines().len(), before, "nothing is asked of the engine");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_fails_on_the_way_leaves_the_task_to_the_next_attempt() {
    for step in ["GET /containers/c1/logs", "POST /containers/c1/wait"] {
        let scene = Scene::new();
        let broken = Arc::new(AtomicBool::new(true));
        let is_broken = Arc::clone(&broken);
        let engine = engine(scene.container(&running(), &local()), move |request| {
            if request.is(step) && is_broken.load(Ordering::Relaxed) {
                return Some(json(500, r#"{"message":"not now"}"#));
            }
            if request.is("POST /containers/c1/wait") {
                return Some(waited(Duration::ZERO, 0));
            }
            request.is("GET /containers/c1/logs").then(|| logs(&[]))
        });
        let driver = scene.open(&engine).await;
        let (io, _) = TaskIo::captured();
        let error = driver.recover(&handle(&spec(), 0), io).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Engine, "{error}");
        broken.store(false, Ordering::Relaxed);
        let (recovered, _) = recovered(&driver, &handle(&spec(), 0)).await;
        assert_eq!(recovered.running.wait().await.outcome, Outcome::Code(0));
        driver.close().await.unwrap();
    }
}
