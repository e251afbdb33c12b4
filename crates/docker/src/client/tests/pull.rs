//! Pulls over the transport.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use super::super::api::DockerApi;
use super::super::error::ClientError;
use super::super::pull::{Credentials, PullEvent, PullRequest};
use super::super::version::ApiVersion;
use super::support::{ScriptedEngine, Step, chunk, chunked, json};
use super::{BOUNDS, client_of};

fn request(reference: &str) -> PullRequest {
    PullRequest { reference: reference.to_owned(), ..PullRequest::default() }
}

async fn pull(engine: &ScriptedEngine) -> (Vec<PullEvent>, Result<(), ClientError>) {
    let events = Mutex::new(Vec::new());
    let tell = |event| events.lock().unwrap().push(event);
    let result = client_of(engine).pull_image(&request("r.io/a:b"), &tell).await;
    (events.into_inner().unwrap(), result)
}

#[tokio::test]
async fn the_credential_is_sent_in_the_alphabet_that_the_engine_decodes() {
    let engine = ScriptedEngine::start(|_| json(200, ""));
    let client = client_of(&engine);
    client.speak(ApiVersion { major: 1, minor: 41 });
    // In the standard alphabet these passwords give `+` and `/`.
    for password in ["a>>>b???", "Abc8Q~xyz", "\u{ff}\u{fe}"] {
        let credentials = Some(Credentials::password("r.io", "ann", password));
        let request = PullRequest { credentials, ..request("r.io/a:b") };
        client.pull_image(&request, &|_| {}).await.unwrap();
        let seen = engine.seen().pop().unwrap();
        assert!(seen.line.starts_with("POST /v1.41/images/create?fromImage=r.io%2Fa%3Ab"));
        let header = seen.header("x-registry-auth").unwrap();
        let decoded: serde_json::Value =
            serde_json::from_slice(&URL_SAFE.decode(header).unwrap()).unwrap();
        assert_eq!(decoded["password"], password);
        assert_eq!(decoded["serveraddress"], "r.io");
    }
}

#[tokio::test]
async fn every_step_is_told_and_a_line_break_in_two_pieces_is_no_failure() {
    let engine = ScriptedEngine::start(|_| {
        let mut script = chunked();
        script.extend([
            chunk(
                br#"{"status":"Downloading","progressDetail":{"current":3,"total":9},"id":"l1"}"#,
            ),
            chunk(b"\r\n"),
            chunk(b"{\"status\":\"Status: Downloaded\"}\r"),
            Step::Pause(std::time::Duration::from_millis(30)),
            chunk(b"\n"),
            Step::Send(b"0\r\n\r\n".to_vec()),
        ]);
        script
    });
    let (events, result) = pull(&engine).await;
    result.unwrap();
    let layer = PullEvent {
        layer: Some("l1".into()),
        status: "Downloading".into(),
        current: Some(3),
        total: Some(9),
    };
    assert_eq!(events[0], layer);
    assert_eq!(events[1].status, "Status: Downloaded");
}

#[tokio::test]
async fn a_failure_in_the_middle_is_the_engines_and_a_cut_is_a_lost_connection() {
    let engine = ScriptedEngine::start(|_| {
        let mut script = chunked();
        script.push(chunk(b"{\"errorDetail\":{\"message\":\"denied\"},\"error\":\"denied\"}\r\n"));
        script.push(Step::Send(b"0\r\n\r\n".to_vec()));
        script
    });
    let (_, result) = pull(&engine).await;
    assert!(matches!(result, Err(ClientError::Reported(text)) if text == "denied"));

    // Not every engine gives both.
    for (line, expected) in [
        (r#"{"error":"denied"}"#, "denied"),
        (r#"{"errorDetail":{"code":1}}"#, "it failed without a reason"),
        (r#"{"error":""}"#, "it failed without a reason"),
        (r#"{"errorDetail":{"message":" "},"error":"denied"}"#, "denied"),
    ] {
        let engine = ScriptedEngine::start(move |_| {
            let mut script = chunked();
            script.extend([chunk(line.as_bytes()), Step::Send(b"0\r\n\r\n".to_vec())]);
            script
        });
        let (_, result) = pull(&engine).await;
        assert!(
            matches!(&result, Err(ClientError::Reported(text)) if text == expected),
            "{result:?}"
        );
    }

    let engine = ScriptedEngine::start(|_| {
        let mut script = chunked();
        script.push(chunk(b"{\"status\":\"Pulling\"}\r\n"));
        script
    });
    let (events, result) = pull(&engine).await;
    assert_eq!(events.len(), 1);
    assert!(matches!(result, Err(ClientError::Disconnected(_))), "{result:?}");
}

#[tokio::test]
async fn a_pull_that_stands_still_ends_by_its_idle_bound() {
    let engine = ScriptedEngine::start(|_| {
        let mut script = chunked();
        script.extend([chunk(b"{\"status\":\"Pulling\"}\r\n"), Step::Hold]);
        script
    });
    let (_, result) = pull(&engine).await;
    assert!(matches!(result, Err(ClientError::Deadline { bound }) if bound == BOUNDS.pull_idle));
}

#[tokio::test]
async fn a_status_and_a_missing_engine_are_told_as_they_are() {
    let engine = ScriptedEngine::start(|_| json(404, r#"{"message":"pull access denied for x"}"#));
    let (_, result) = pull(&engine).await;
    assert!(result.unwrap_err().is_not_found());
    let client = super::engine_at("unix:///nowhere/docker.sock");
    let error = client.pull_image(&request("x"), &|_| {}).await.unwrap_err();
    assert!(matches!(error, ClientError::NoSocket { .. }), "{error:?}");
}

#[test]
fn a_credential_never_shows_itself() {
    let shown = format!("{:?}", Credentials::password("r.io", "ann", "hunter2"));
    assert!(!shown.contains("hunter2") && !shown.contains("ann"));
}
