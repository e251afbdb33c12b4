//! What waiting for a task costs.
//!
//! - `waiting memory [COUNT]`: the memory that each container takes in this process while it is
//!   waited for, with both output streams attached, which may be 20 KiB. The engine is a process that
//!   only pretends.
//! - `waiting latency IMAGE [COUNT]`: how soon the end of a task of `IMAGE` that exits at once is
//!   known on the engine at `DOCKER_HOST`, from its start.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{Driver as _, DriverExt as _, Task, TaskIo, TaskSpec};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a container that is waited for may take, in KiB.
const MOST_EACH: f64 = 20.0;

fn main() -> Result {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["pretend", socket] => pretend(Path::new(socket)),
        ["memory"] => memory(1000),
        ["memory", count] => memory(count.parse()?),
        ["latency", image] => latency(image, 100),
        ["latency", image, count] => latency(image, count.parse()?),
        _ => Err("give `memory [COUNT]` or `latency IMAGE [COUNT]`".into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn memory(count: usize) -> Result {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("engine.sock");
    let mut engine = Command::new(std::env::current_exe()?).arg("pretend").arg(&socket).spawn()?;
    while !socket.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut config = DockerConfig::default();
    config.host = Some(format!("unix://{}", socket.display()));
    config.run_dir = Some(folder.path().join("run"));
    config.reap_on_open = false;
    let driver = DockerDriver::open(config).await?;
    let mut held = Vec::new();
    let mut before = 0;
    // The first ones bring up what is there once.
    for number in 0..count + 10 {
        let io = TaskIo::none().stdout(tokio::io::sink()).stderr(tokio::io::sink());
        let task = Task::new(TaskSpec::builder("x").build()?).io(io);
        let container = driver.prepare(task).await?;
        held.push((container.start().await?, container));
        if number == 9 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            held.reserve(count);
            before = resident()?;
            println!("with 10: {before} KiB");
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = resident()?;
    engine.kill()?;
    engine.wait()?;
    let each = after.saturating_sub(before) as f64 / count as f64;
    println!("with {}: {after} KiB, {each:.1} KiB each", count + 10);
    if each > MOST_EACH {
        return Err(format!("a container may take {MOST_EACH} KiB").into());
    }
    // What is pretended need not be closed.
    std::process::exit(0);
}

/// What of this process is in memory, in KiB.
fn resident() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::main(flavor = "current_thread")]
async fn latency(image: &str, count: usize) -> Result {
    let folder = tempfile::tempdir()?;
    let mut config = DockerConfig::default();
    config.run_dir = Some(folder.path().join("run"));
    config.reap_on_open = false;
    let driver = DockerDriver::open(config).await?;
    let mut times = Vec::new();
    for _ in 0..count {
        let spec = TaskSpec::builder(image).args(["exit", "0"]).build()?;
        let (io, _output) = TaskIo::captured();
        let container = driver.prepare(Task::new(spec).io(io)).await?;
        let begun = Instant::now();
        let running = container.start().await?;
        let started = begun.elapsed();
        let exit = running.wait().await;
        assert!(exit.is_success(), "{exit:?}");
        times.push((begun.elapsed() - started, begun.elapsed()));
        container.close().await?;
    }
    times.sort();
    let p50 = times[times.len() / 2];
    println!("from the start's answer to the result: p50 {:?}", p50.0);
    times.sort_by_key(|(_, whole)| *whole);
    println!("from the start to the result: p50 {:?}", times[times.len() / 2].1);
    driver.close().await?;
    Ok(())
}

/// An engine on which every task runs for ever.
fn pretend(socket: &Path) -> Result {
    let listener = UnixListener::bind(socket)?;
    for (number, stream) in listener.incoming().enumerate() {
        let stream = stream?;
        // Thousands of them stand still.
        std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
            // The other side may go at any time.
            let _ = answer(stream, number);
        })?;
    }
    Ok(())
}

fn answer(mut stream: UnixStream, number: usize) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap_or_default();
    let json = |status: u16, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let stays = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let upgraded = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let (text, holds) = if line.contains("/version") {
        (json(200, r#"{"Version":"20.10.24","ApiVersion":"1.41"}"#), false)
    } else if line.contains("/info") {
        (json(200, r#"{"CgroupVersion":"2"}"#), false)
    } else if line.contains("/images/") {
        (json(200, r#"{"Os":"linux","Architecture":"amd64"}"#), false)
    } else if line.contains("/containers/create") {
        (json(201, &format!(r#"{{"Id":"c{number}"}}"#)), false)
    } else if line.contains("/attach") {
        (upgraded.to_owned(), true)
    } else if line.contains("/wait") || line.contains("/events") {
        (stays.to_owned(), true)
    } else {
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), false)
    };
    stream.write_all(text.as_bytes())?;
    while holds && stream.read(&mut byte)? > 0 {}
    Ok(())
}
