//! Versions, statuses, bounds and bodies.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::super::api::{Change, DockerApi, WaitCondition};
use super::super::error::ClientError;
use super::super::version::ApiVersion;
use super::support::{ScriptedEngine, Step, chunk, chunked, empty, json as answer};
use super::{BOUNDS, client_of, engine_with};

#[tokio::test]
async fn the_agreed_version_is_on_the_path_of_every_call() {
    let engine = ScriptedEngine::start(|_| answer(200, "{}"));
    let client = client_of(&engine);
    client.version().await.unwrap();
    client.speak(ApiVersion { major: 1, minor: 44 });
    client.info().await.unwrap();
    client.inspect_image("localhost:5000/a/b:c").await.unwrap();
    let expected =
        ["GET /version", "GET /v1.44/info", "GET /v1.44/images/localhost:5000/a/b:c/json"];
    assert_eq!(engine.lines(), expected);
    assert_eq!(engine.seen()[0].header("host"), Some("docker"));
}

#[tokio::test]
async fn every_call_has_a_connection_of_its_own() {
    let engine = ScriptedEngine::start(|_| answer(200, "{}"));
    let client = client_of(&engine);
    // The script closes each connection after its answer: a reused one would fail.
    for _ in 0..3 {
        client.info().await.unwrap();
    }
}

#[tokio::test]
async fn a_bound_below_one_second_is_not_zero() {
    let engine = ScriptedEngine::start(|_| {
        let mut script = vec![Step::Pause(Duration::from_millis(50))];
        script.extend(answer(200, "{}"));
        script
    });
    client_of(&engine).info().await.unwrap();
}

#[tokio::test]
async fn the_bound_covers_the_body_too() {
    let engine = ScriptedEngine::start(|_| {
        let mut script = chunked();
        script.extend([chunk(b"{"), Step::Hold]);
        script
    });
    let before = tokio::time::Instant::now();
    let error = client_of(&engine).info().await.unwrap_err();
    assert!(matches!(error, ClientError::Deadline { bound } if bound == BOUNDS.call), "{error}");
    assert!(before.elapsed() >= BOUNDS.call);
}

#[tokio::test]
async fn an_answer_cut_in_its_head_or_its_body_is_a_lost_connection() {
    for script in [
        vec![],
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nConte".to_vec())],
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec())],
        {
            let mut script = chunked();
            script.push(Step::Send(b"5\r\n{\"a".to_vec()));
            script
        },
    ] {
        let engine = ScriptedEngine::start(move |_| script.clone());
        let error = client_of(&engine).info().await.unwrap_err();
        assert!(matches!(error, ClientError::Disconnected(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_or_not_json_cannot_be_understood() {
    for bytes in [&b"SSH-2.0-OpenSSH\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n["]
    {
        let engine = ScriptedEngine::start(move |_| vec![Step::Send(bytes.to_vec())]);
        let error = client_of(&engine).info().await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_error_keeps_its_status_and_the_engines_words() {
    let engine = ScriptedEngine::start(|_| answer(404, r#"{"message":"No such image: x:latest"}"#));
    let error = client_of(&engine).inspect_image("x:latest").await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "No such image: x:latest");
}

#[tokio::test]
async fn started_already_is_told_from_started() {
    for (status, expected) in [(204, Change::Done), (304, Change::Already)] {
        let engine = ScriptedEngine::start(move |_| empty(status));
        assert_eq!(client_of(&engine).start_container("c").await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_state_that_nobody_knows_does_not_spoil_an_inspection() {
    let body = r#"{"Id":"c","State":{"Status":"stopping","Running":true,"ExitCode":0}}"#;
    let engine = ScriptedEngine::start(move |_| answer(200, body));
    let container = client_of(&engine).inspect_container("c").await.unwrap();
    assert_eq!(container.state.status, "stopping");
}

#[tokio::test]
async fn a_code_other_than_zero_is_an_answer_and_not_an_error() {
    let engine = ScriptedEngine::start(|_| {
        let mut script = chunked();
        script.extend([
            Step::Pause(Duration::from_millis(50)),
            chunk(b"{\"StatusCode\":137,\"Error\":null}\n"),
            Step::Send(b"0\r\n\r\n".to_vec()),
        ]);
        script
    });
    let wait = client_of(&engine).wait("c", WaitCondition::NextExit).await.unwrap();
    let (result, _) = wait.result().await.unwrap();
    assert_eq!(result.status_code, 137);
    assert!(result.error.is_none());
    assert_eq!(engine.lines(), ["POST /containers/c/wait?condition=next-exit"]);
}

#[tokio::test]
async fn a_wait_that_the_engine_breaks_off_is_no_exit() {
    for last in [Step::Send(b"0\r\n\r\n".to_vec()), Step::Pause(Duration::ZERO)] {
        let engine = ScriptedEngine::start(move |_| {
            let mut script = chunked();
            script.push(last.clone());
            script
        });
        let wait = client_of(&engine).wait("c", WaitCondition::NextExit).await.unwrap();
        let error = wait.result().await.unwrap_err();
        assert!(matches!(error, ClientError::Disconnected(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_create_sends_its_name_and_platform_and_body() {
    let engine = ScriptedEngine::start(|_| answer(201, r#"{"Id":"abc","Warnings":["no swap"]}"#));
    let body = json!({"Image": "x", "Env": ["A=1"]});
    let created =
        client_of(&engine).create_container("n", Some("linux/arm64"), &body).await.unwrap();
    assert_eq!((created.id.as_str(), created.warnings.len()), ("abc", 1));
    let seen = engine.seen().remove(0);
    assert_eq!(seen.line, "POST /containers/create?name=n&platform=linux%2Farm64");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&seen.body).unwrap(), body);
    assert_eq!(seen.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_call_whose_future_is_dropped_ends_its_connection() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let engine = ScriptedEngine::start(move |_| {
        if let Some(tell) = tell.lock().unwrap().take() {
            let _ = tell.send(());
        }
        vec![Step::Hold]
    });
    let address = super::Address::parse(&engine.address(), None).unwrap();
    let connector = super::Connector::new(address, Duration::from_secs(5)).unwrap();
    let tasks = super::TaskTracker::new();
    let client = super::Engine::new(super::Transport::new(connector, tasks.clone()), BOUNDS);
    let call = tokio::spawn(async move { client.info().await });
    told.await.unwrap();
    call.abort();
    tasks.close();
    // The task that moves the connection's bytes ends: nothing is left open.
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_call_waits_for_ever_for_an_engine_that_does_not_answer() {
    let engine = ScriptedEngine::start(|_| vec![Step::Hold]);
    let client = &client_of(&engine);
    let calls: [(&str, BoxFuture<'_, bool>); 4] = [
        ("pause", Box::pin(async { is_bound(&client.pause_container("c").await) })),
        ("unpause", Box::pin(async { is_bound(&client.unpause_container("c").await) })),
        ("inspect image", Box::pin(async { is_bound(&client.inspect_image("x").await) })),
        ("info", Box::pin(async { is_bound(&client.info().await) })),
    ];
    for (name, call) in calls {
        assert!(call.await, "{name}");
    }
    assert_eq!(engine.lines().len(), 4);
}

fn is_bound<T>(result: &Result<T, ClientError>) -> bool {
    matches!(result, Err(ClientError::Deadline { .. }))
}

#[tokio::test]
async fn labels_of_any_length_are_no_reason_not_to_see_a_container() {
    let long = vec![b'x'; 1 << 20];
    let mut script = chunked();
    script.push(chunk(br#"[{"Id":"a","Labels":{"evil":""#));
    // Far more than an answer may hold that is read at once.
    script.extend((0..80).map(|_| chunk(&long)));
    script.push(chunk(br#"","longshore.owner":"o"}},{"Id":"b","Labels":null}]"#));
    script.push(Step::Send(b"0\r\n\r\n".to_vec()));
    let engine = ScriptedEngine::start(move |_| script.clone());
    let mut bounds = BOUNDS;
    bounds.call = Duration::from_secs(60);
    let found = engine_with(&engine.address(), bounds).list_containers(&[]).await.unwrap();
    let ids: Vec<_> =
        found.iter().map(|it| (it.id.as_str(), it.label("longshore.owner"))).collect();
    assert_eq!(ids, [("a", Some("o")), ("b", None)]);
    assert_eq!(found[0].labels.len(), 1);
}

#[tokio::test]
async fn a_long_answer_that_is_cut_or_no_json_is_told_as_that() {
    let long = vec![b'x'; 5 << 20];
    for (end, is_cut) in
        [(Step::Send(b"5\r\n".to_vec()), true), (Step::Send(b"0\r\n\r\n".to_vec()), false)]
    {
        let mut script = chunked();
        script.extend([chunk(b"[\""), chunk(&long), end]);
        let engine = ScriptedEngine::start(move |_| script.clone());
        let mut bounds = BOUNDS;
        bounds.call = Duration::from_secs(60);
        let client = engine_with(&engine.address(), bounds);
        let error = client.list_containers(&[]).await.unwrap_err();
        assert_eq!(matches!(error, ClientError::Disconnected(_)), is_cut, "{error:?}");
        assert_eq!(matches!(error, ClientError::Protocol(_)), !is_cut, "{error:?}");
    }
}
