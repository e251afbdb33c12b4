//! Streams of JSON values.

use serde_json::{Value, json};

use super::super::api::DockerApi;
use super::super::error::ClientError;
use super::super::lines::Line;
use super::support::{Script, ScriptedEngine, Step, chunk, chunked};
use super::{BOUNDS, client_of};

async fn values(script: Script) -> (Vec<Value>, Result<(), ClientError>) {
    let engine = ScriptedEngine::start(move |_| script.clone());
    let mut lines = client_of(&engine).stats("c").await.unwrap();
    let mut values = Vec::new();
    loop {
        match lines.next().await {
            Ok(Some(value)) => values.push(value),
            Ok(None) => return (values, Ok(())),
            Err(error) => return (values, Err(error)),
        }
    }
}

fn with(steps: impl IntoIterator<Item = Step>) -> Script {
    let mut script = chunked();
    script.extend(steps);
    script
}

#[tokio::test]
async fn values_are_read_wherever_the_wire_cuts_them_and_big_numbers_are_exact() {
    let max = u64::MAX;
    let steps = [
        chunk(b"{\"a\":1}\n{\"b\""),
        chunk(format!(":{max}}}\n\n").as_bytes()),
        chunk(b"{\"last\":true}"),
        Step::Send(b"0\r\n\r\n".to_vec()),
    ];
    let (values, end) = values(with(steps)).await;
    assert_eq!(values, [json!({"a": 1}), json!({"b": max}), json!({"last": true})]);
    end.unwrap();
}

#[tokio::test]
async fn a_stream_that_falls_silent_ends_by_its_idle_bound() {
    let (values, end) = values(with([chunk(b"{}\n"), Step::Hold])).await;
    assert_eq!(values.len(), 1);
    assert!(matches!(end, Err(ClientError::Deadline { bound }) if bound == BOUNDS.stream_idle));
}

#[tokio::test]
async fn a_stream_that_is_cut_is_a_lost_connection() {
    let (_, end) = values(with([chunk(b"{}\n"), Step::Send(b"5\r\n{".to_vec())])).await;
    assert!(matches!(end, Err(ClientError::Disconnected(_))), "{end:?}");
}

#[tokio::test]
async fn a_line_that_is_too_long_can_be_passed_over() {
    let long = vec![b'x'; 3 << 20];
    let steps = [chunk(b"{\"a\":1}\n\""), chunk(&long), chunk(&long), chunk(b"\"\n{\"b\":2}\n")];
    let script = with(steps.into_iter().chain([Step::Send(b"0\r\n\r\n".to_vec())]));
    let engine = ScriptedEngine::start(move |_| script.clone());
    let mut lines = client_of(&engine).stats("c").await.unwrap();
    let mut told = Vec::new();
    while let Some(line) = lines.next_line::<Value>().await.unwrap() {
        told.push(match line {
            Line::Value(value) => value,
            Line::TooLong => json!("too long"),
        });
    }
    assert_eq!(told, [json!({"a": 1}), json!("too long"), json!({"b": 2})]);
}
