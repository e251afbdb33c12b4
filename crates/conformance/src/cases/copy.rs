//! Files into a container and out of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use longshore_driver_api::{
    ByteSize, Container, ContainerExt as _, ErrorKind, Result, TarStream, Task, TaskSpec,
    UnpackLimits, Unpacked, unpack,
};
use longshore_testee::{STDOUT, pattern};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use crate::Act;
use crate::run::Runtime;
use crate::tools::poll_at_most;
use crate::trial::Trial;
use crate::verdict::{Outcome, Stop};

/// A container that is created. Where nothing can be copied, sees that it is refused, and that is
/// all there is.
async fn created(t: &Trial, act: &Act) -> Outcome<Option<Arc<dyn Container>>> {
    let container = t.prepared(t.task(act)).await?;
    if t.caps().copy {
        return Ok(Some(container));
    }
    let kind = ErrorKind::Unsupported;
    t.fails(kind, "write a file", container.write_file("/tmp/f", b"", 0o644)).await?;
    t.fails(kind, "read a file", container.read_file("/tmp/f", ByteSize::mib(1))).await?;
    Ok(None)
}

async fn back_and_forth(t: &Trial, container: &dyn Container, name: &str) -> Outcome {
    for length in [0, 1, 513, 300_000] {
        let path = format!("/tmp/{name}-{length}");
        let bytes = pattern(t.seed(), STDOUT).bytes_of(length);
        t.ok("write a file", container.write_file(&path, &bytes, 0o644)).await?;
        let most = ByteSize(length as u64);
        let read = t.ok("read a file", container.read_file(&path, most)).await?;
        assert!(read == bytes, "{path} came back with other bytes");
        t.ok("write it again", container.write_file(&path, b"again", 0o644)).await?;
        let read = t.ok("read it again", container.read_file(&path, ByteSize(5))).await?;
        assert_eq!(read, b"again");
    }
    Ok(())
}

pub(crate) async fn what_is_written_is_read_back_in_any_state(t: Trial) -> Outcome {
    let Some(container) = created(&t, &Act::Sleep(None)).await? else { return Ok(()) };
    back_and_forth(&t, &*container, "created").await?;
    let running = t.ok("start", container.start()).await?;
    back_and_forth(&t, &*container, "running").await?;
    running.cancel();
    t.done("wait", running.wait()).await?;
    back_and_forth(&t, &*container, "exited").await
}

pub(crate) async fn what_is_copied_in_is_there_for_the_task(t: Trial) -> Outcome {
    let path = "/tmp/given";
    let (io, captured) = t.only_stdout();
    let spec: TaskSpec = t.task(&Act::Read(path.to_owned())).spec;
    let container = t.prepared(Task::new(spec).io(io)).await?;
    if !t.caps().copy {
        return Ok(());
    }
    let bytes = pattern(t.seed(), STDOUT).bytes_of(100_000);
    t.ok("write a file", container.write_file(path, &bytes, 0o444)).await?;
    let running = t.ok("start", container.start()).await?;
    let exit = t.done("wait", running.wait()).await?;
    assert!(exit.is_success(), "{exit:?}");
    assert!(captured.stdout() == bytes, "the task read other bytes");
    Ok(())
}

pub(crate) async fn what_the_task_wrote_can_be_copied_out(t: Trial) -> Outcome {
    let path = "/tmp/made".to_owned();
    let act = Act::Fill { path: path.clone(), bytes: 70_000 };
    let Some(container) = created(&t, &act).await? else { return Ok(()) };
    let running = t.ok("start", container.start()).await?;
    let exit = t.done("wait", running.wait()).await?;
    assert!(exit.is_success(), "{exit:?}");
    let read = t.ok("read a file", container.read_file(&path, ByteSize::mib(1))).await?;
    assert!(read == [1; 70_000], "other bytes than the task wrote");
    Ok(())
}

pub(crate) async fn a_folder_is_unpacked_into_a_folder_of_this_host(t: Trial) -> Outcome {
    let Some(container) = created(&t, &Act::Exit(0)).await? else { return Ok(()) };
    for name in ["one", "two"] {
        t.ok("write a file", container.write_file(&format!("/tmp/{name}"), b"1234", 0o640)).await?;
    }
    let folder = std::env::temp_dir().join(format!(
        "longshore-{}",
        format_args!("{}-{:x}", std::process::id(), std::ptr::from_ref(&t) as usize)
    ));
    let removed = Removed(folder.clone());
    let narrow = UnpackLimits::new(ByteSize(7), 100);
    let refused = unpacked(&t, &*container, &folder, narrow).await?.map(drop);
    let error = refused.err().ok_or_else(|| Stop::failed("more than the limit was written"))?;
    assert_eq!(error.kind(), ErrorKind::UnsafeArchive, "{error}");
    std::fs::remove_dir_all(&folder).map_err(Stop::failed)?;
    let wide = UnpackLimits::new(ByteSize::mib(1), 100);
    let done = unpacked(&t, &*container, &folder, wide).await??;
    assert_eq!((done.files, done.bytes, done.skipped), (2, 8, 0), "{done:?}");
    for name in ["one", "two"] {
        let read = std::fs::read(folder.join("tmp").join(name)).map_err(Stop::failed)?;
        assert_eq!(read, b"1234");
    }
    drop(removed);
    Ok(())
}

/// What `copy_out_to` does, with time held while its thread works: paused, it would jump.
async fn unpacked(
    t: &Trial,
    container: &dyn Container,
    folder: &std::path::Path,
    limits: UnpackLimits,
) -> Outcome<Result<Unpacked>> {
    if t.runtime() == Runtime::Real {
        return t.done("copy out", container.copy_out_to("/tmp", folder, limits)).await;
    }
    let archive = t.ok("copy out", container.copy_out("/tmp")).await?;
    let (done, until) = std::sync::mpsc::channel::<()>();
    let held = tokio::task::spawn_blocking(move || until.recv());
    let result = unpack(archive, folder, limits).await;
    drop(done);
    let _ = held.await;
    Ok(result)
}

/// Removes a folder of this host when the case is over.
struct Removed(std::path::PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn what_is_not_there_or_too_long_is_told(t: Trial) -> Outcome {
    let Some(container) = created(&t, &Act::Exit(0)).await? else { return Ok(()) };
    let read = |path: &'static str| container.read_file(path, ByteSize::mib(1));
    let error = t.fails(ErrorKind::NotFound, "read what is not there", read("/tmp/none")).await?;
    assert!(error.to_string().contains("/tmp/none"), "the path is not named: {error}");
    t.fails(ErrorKind::InvalidInput, "read a relative path", read("tmp/none")).await?;
    t.fails(ErrorKind::InvalidInput, "read upwards", read("/tmp/../tmp/none")).await?;
    t.fails(ErrorKind::InvalidInput, "read a folder", read("/tmp")).await?;
    let into = container.write_file("/no/such/folder/f", b"", 0o644);
    t.fails(ErrorKind::NotFound, "write into no folder", into).await?;
    t.ok("write a file", container.write_file("/tmp/f", &[0; 1000], 0o644)).await?;
    let long = container.read_file("/tmp/f", ByteSize(999));
    t.fails(ErrorKind::UnsafeArchive, "read a longer file", long).await?;
    let failing: TarStream = Box::new(Failing);
    t.fails(ErrorKind::Io, "copy from a failing reader", container.copy_in("/tmp", failing))
        .await?;
    // The container is none the worse for it.
    back_and_forth(&t, &*container, "after").await
}

struct Failing;

impl AsyncRead for Failing {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::Error::other("this reader fails")))
    }
}

pub(crate) async fn only_what_is_created_and_open_can_be_copied(t: Trial) -> Outcome {
    let Some(container) = created(&t, &Act::Exit(0)).await? else { return Ok(()) };
    t.ok("close", container.close()).await?;
    let closed = container.read_file("/tmp/f", ByteSize::mib(1));
    t.fails(ErrorKind::Closed, "read after close", closed).await?;
    let reserved = t.driver().container(t.task(&Act::Exit(0)))?;
    let early = reserved.write_file("/tmp/f", b"", 0o644);
    t.fails(ErrorKind::InvalidState, "write before create", early).await?;
    Ok(())
}

pub(crate) async fn its_future_may_be_dropped(t: Trial) -> Outcome {
    let Some(container) = created(&t, &Act::Sleep(None)).await? else { return Ok(()) };
    let bytes = vec![5; 200_000];
    for polls in 0..12 {
        let written = poll_at_most(polls, container.write_file("/tmp/f", &bytes, 0o644));
        t.done("write a file, dropped", written).await?;
        let read = poll_at_most(polls, container.read_file("/tmp/f", ByteSize::mib(1)));
        t.done("read a file, dropped", read).await?;
    }
    t.ok("write a file", container.write_file("/tmp/f", &bytes, 0o644)).await?;
    // An archive that is read in part and dropped.
    let mut archive = t.ok("copy out", container.copy_out("/tmp/f")).await?;
    let mut some = [0; 100];
    t.done("read some", archive.read_exact(&mut some)).await?.map_err(Stop::failed)?;
    drop(archive);
    back_and_forth(&t, &*container, "after").await
}
