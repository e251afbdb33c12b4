//! Attaching: the connection is taken over, byte-exact in both directions.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::api::{DockerApi, Streams};
use super::super::demux::{Channel, Demux};
use super::super::error::ClientError;
use super::client_of;
use super::support::{ScriptedEngine, Step, frame, json, upgrade};

const ALL: Streams = Streams { stdin: true, stdout: true, stderr: true };
const OUT: Streams = Streams { stdin: false, stdout: true, stderr: false };

#[tokio::test]
async fn only_the_wanted_streams_are_asked_for() {
    let engine = ScriptedEngine::start(|_| upgrade(b""));
    let client = client_of(&engine);
    client.attach("c", ALL, "a,b").await.unwrap();
    client.attach("c", OUT, "a,b").await.unwrap();
    let expected = [
        "POST /containers/c/attach?stream=1&stdin=1&stdout=1&stderr=1&detachKeys=a%2Cb",
        "POST /containers/c/attach?stream=1&stdout=1",
    ];
    assert_eq!(engine.lines(), expected);
    assert_eq!(engine.seen()[0].header("upgrade"), Some("tcp"));
}

#[tokio::test]
async fn output_that_comes_with_the_head_in_one_piece_is_not_lost() {
    let early = [frame(1, b"early"), frame(2, b"err")].concat();
    let engine = ScriptedEngine::start(move |_| {
        let mut script = upgrade(&early);
        script.push(Step::Send(frame(1, b" late")));
        script
    });
    let stream = client_of(&engine).attach("c", ALL, "a,b").await.unwrap();
    let (from, _to) = stream.split();
    let mut demux = Demux::new(from, false);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some((channel, bytes)) = demux.next().await.unwrap() {
        match channel {
            Channel::Stdout => out.extend_from_slice(bytes),
            Channel::Stderr => err.extend_from_slice(bytes),
        }
    }
    assert_eq!((out.as_slice(), err.as_slice()), (&b"early late"[..], &b"err"[..]));
}

#[tokio::test]
async fn a_terminals_bytes_come_as_they_are_whatever_they_look_like() {
    // The first eight look like the header of a frame.
    let bytes = b"\x01\0\0\0\0\0\0\x04from a terminal\x1b[0m\x02";
    let engine = ScriptedEngine::start(|_| upgrade(bytes));
    let (from, _to) = client_of(&engine).attach("c", OUT, "a,b").await.unwrap().split();
    let mut demux = Demux::new(from, true);
    let mut out = Vec::new();
    while let Some((channel, bytes)) = demux.next().await.unwrap() {
        assert_eq!(channel, Channel::Stdout);
        out.extend_from_slice(bytes);
    }
    assert_eq!(out, bytes);
}

#[tokio::test]
async fn the_end_of_input_is_told_while_output_still_comes() {
    let engine = ScriptedEngine::start(|_| {
        let mut script = upgrade(b"");
        script.push(Step::EchoToEnd);
        script
    });
    let (mut from, mut to) = client_of(&engine).attach("c", ALL, "a,b").await.unwrap().split();
    to.write_all(b"input").await.unwrap();
    to.shutdown().await.unwrap();
    let mut back = Vec::new();
    from.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"input");
}

#[tokio::test]
async fn a_stream_that_the_engine_drops_in_a_frame_is_a_lost_connection() {
    let engine = ScriptedEngine::start(|_| upgrade(&frame(1, b"half of it")[..12]));
    let (from, _to) = client_of(&engine).attach("c", OUT, "a,b").await.unwrap().split();
    let mut demux = Demux::new(from, false);
    let (channel, bytes) = demux.next().await.unwrap().unwrap();
    assert_eq!((channel, bytes), (Channel::Stdout, &b"half"[..]));
    let error = demux.next().await.unwrap_err();
    assert!(matches!(error, ClientError::Disconnected(_)), "{error:?}");
}

#[tokio::test]
async fn an_engine_that_refuses_or_keeps_the_connection_is_an_error() {
    let engine = ScriptedEngine::start(|_| json(404, r#"{"message":"No such container: c"}"#));
    let error = client_of(&engine).attach("c", OUT, "a,b").await.unwrap_err();
    assert!(error.is_not_found());
    let engine = ScriptedEngine::start(|_| json(200, "{}"));
    let error = client_of(&engine).attach("c", OUT, "a,b").await.unwrap_err();
    assert!(error.to_string().contains("instead of handing the connection over"), "{error}");
}
