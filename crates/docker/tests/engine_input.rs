//! Input on a real engine: every byte is the task's, also those by which an engine could be asked to
//! let go of it.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;
#[path = "support/until.rs"]
mod until;

use longshore_conformance::Fixture as _;
use longshore_driver_api::{
    Captured, Driver as _, DriverExt as _, ExecSpec, Task, TaskIo, TaskSpec,
};
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use until::until;

/// Ctrl-P Ctrl-Q are an engine's own keys; the rest is what begins ours, and looks like an end.
const KEYS: &[u8] = b"a\x10\x11b\x10\x10\x11c\x1ed\x1e\x1e\x04\x03\0e\x10\x11\n";

/// Streams, and the other end of the input.
fn streams() -> (DuplexStream, TaskIo, Captured) {
    let (input, stdin) = duplex(1024);
    let (io, captured) = TaskIo::captured();
    (input, io.stdin(stdin), captured)
}

/// Sends the keys in one piece or each for itself, and sees them come back.
async fn type_in(mut input: DuplexStream, back: &Captured, in_one_piece: bool, before: &[u8]) {
    let whole = |sent: usize| [before, &KEYS[..sent]].concat();
    until("it reads", async || back.stdout() == before).await;
    if in_one_piece {
        input.write_all(KEYS).await.unwrap();
    } else {
        for (at, byte) in KEYS.iter().enumerate() {
            input.write_all(&[*byte]).await.unwrap();
            // Its echo is the proof that it was read alone. This one is held back at a terminal, and
            // at Podman's further processes, until the next one comes.
            if *byte != 0x1e {
                until("it has come back", async || back.stdout() == whole(at + 1)).await;
            }
        }
    }
    until("all have come back", async || back.stdout() == whole(KEYS.len())).await;
}

#[tokio::test]
async fn no_byte_lets_a_task_go() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let length = KEYS.len().to_string();
    for (tty, in_one_piece) in [(true, true), (true, false), (false, true), (false, false)] {
        let (args, before) = match tty {
            true => (vec!["cat-raw", &length], &b"ready\n"[..]),
            false => (vec!["cat", "--limit", &length], &b""[..]),
        };
        let (input, io, captured) = streams();
        let spec = TaskSpec::builder(engine::image()).args(args).tty(tty).build().unwrap();
        let task = driver.run_task(Task::new(spec).io(io));
        let (exit, ()) = tokio::join!(task, type_in(input, &captured, in_one_piece, before));
        let exit = exit.unwrap();
        assert!(exit.is_success() && !exit.output.stdout.is_incomplete(), "{tty}: {exit:?}");
    }
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn no_byte_lets_a_further_process_go() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let spec = TaskSpec::builder(engine::image()).args(["sleep", "forever"]).build().unwrap();
    let container = driver.prepare(spec).await.unwrap();
    let _running = container.start().await.unwrap();
    let length = KEYS.len().to_string();
    for (tty, in_one_piece) in [(true, true), (true, false), (false, true), (false, false)] {
        let (command, before) = match tty {
            true => (vec!["/testee", "cat-raw", &length], &b"ready\n"[..]),
            false => (vec!["/testee", "cat", "--limit", &length], &b""[..]),
        };
        let (input, io, captured) = streams();
        let exec = container.exec(ExecSpec::new(command).tty(tty), io).await.unwrap();
        type_in(input, &captured, in_one_piece, before).await;
        let exit = exec.wait().await;
        assert!(exit.is_success() && !exit.output.stdout.is_incomplete(), "{tty}: {exit:?}");
    }
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}
