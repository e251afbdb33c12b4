//! One connection through the proxy.

use std::io;

use tokio::io::{AsyncWriteExt, copy};
use tokio::net::UnixStream;
use tokio::time::sleep;

use super::Shared;
use super::answer::Answer;
use super::fault::Fault;
use super::request;

/// An engine's own failure, as an engine writes it.
const STATUS_500: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n{\"message\":\"fault of the test\"}";

/// No HTTP: a TLS alert, and more.
const GARBAGE: &[u8] = b"\x15\x03\x03\x00\x02\x02\x46\r\n\r\n\0\xff\xfe garbage\r\n\r\n";

/// Passes one connection on, with its fault. An error is the end of one of its two sides.
pub(super) async fn serve(mut client: UnixStream, shared: &Shared) -> io::Result<()> {
    let begun = request::first_line(&mut client).await?;
    let (number, fault) = shared.enter(&request::line(&begun));
    if fault.is_some_and(Fault::is_sure) {
        shared.met(number);
    }
    if fault == Some(Fault::Refuse) {
        // With bytes unread, the client's side is reset.
        return Ok(());
    }
    let request = request::rest(&mut client, begun).await?;
    match fault {
        Some(Fault::CutBeforeRequest) => Ok(()),
        Some(Fault::StallBefore) => left(&client).await,
        Some(Fault::Status500) => {
            client.write_all(STATUS_500).await?;
            left(&client).await
        }
        Some(Fault::CutThenLate(late)) => {
            drop(client);
            sleep(late).await;
            unheard(shared, number, &request).await
        }
        Some(Fault::CutUntilReleased) => {
            drop(client);
            shared.released().await;
            unheard(shared, number, &request).await
        }
        Some(Fault::CutAfterRequest) => {
            // The engine has it before the client knows that the answer is lost.
            let engine = ask(shared, &request).await?;
            drop(client);
            hear_out(engine, shared, number).await
        }
        _ => both_ways(client, shared, number, &request, fault).await,
    }
}

/// Hands the request to the engine.
async fn ask(shared: &Shared, request: &[u8]) -> io::Result<UnixStream> {
    let mut engine = UnixStream::connect(&shared.engine).await?;
    engine.write_all(request).await?;
    Ok(engine)
}

/// Lets the engine carry the request out, for nobody.
async fn unheard(shared: &Shared, number: usize, request: &[u8]) -> io::Result<()> {
    let engine = ask(shared, request).await?;
    hear_out(engine, shared, number).await
}

async fn hear_out(engine: UnixStream, shared: &Shared, number: usize) -> io::Result<()> {
    // The writing half stays open: an engine takes its end for a client that has left.
    let (from, _open) = engine.into_split();
    Answer::new(from, None, shared, number).drain().await
}

/// Connects the client with the engine, and breaks the answer as the fault says.
async fn both_ways(
    client: UnixStream,
    shared: &Shared,
    number: usize,
    request: &[u8],
    fault: Option<Fault>,
) -> io::Result<()> {
    let (from_engine, mut to_engine) = ask(shared, request).await?.into_split();
    let (mut from_client, to_client) = client.into_split();
    let upward = async {
        copy(&mut from_client, &mut to_engine).await?;
        // Also a client that has left altogether ends this direction first.
        to_engine.shutdown().await?;
        std::future::pending().await
    };
    let mut answer = Answer::new(from_engine, Some(to_client), shared, number);
    let reached = |there: bool| {
        if there {
            shared.met(number);
        }
    };
    let downward = async {
        match fault {
            Some(Fault::Stall) => answer.hold().await,
            Some(Fault::StallAt(place)) => {
                reached(answer.pass_to(place).await?);
                answer.hold().await
            }
            Some(Fault::Delay(time)) => {
                sleep(time).await;
                answer.pass(u64::MAX).await
            }
            Some(Fault::Status500After) => answer.instead(STATUS_500).await,
            Some(Fault::Garbage) => answer.instead(GARBAGE).await,
            Some(Fault::Truncate(place)) => {
                reached(answer.pass_to(place).await?);
                Ok(())
            }
            Some(Fault::HalfClose(place)) => {
                let there = answer.pass_to(place).await?;
                answer.end().await?;
                reached(there);
                answer.hold().await
            }
            Some(Fault::DuplicateReply) => {
                answer.pass_twice().await?;
                answer.pass(u64::MAX).await
            }
            _ => answer.pass(u64::MAX).await,
        }
    };
    tokio::select! {
        ended = upward => ended,
        ended = downward => ended,
    }
}

/// Waits until the client has closed its side altogether.
async fn left(client: &UnixStream) -> io::Result<()> {
    super::answer::closed(|| client.ready(tokio::io::Interest::WRITABLE)).await
}
