//! Takes disk space, inodes and descriptors.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use longshore_testee::{Filled, Opened};

use crate::args::Args;
use crate::failure::{Failure, What};
use crate::streams::report;

pub(crate) fn fill(args: &mut Args) -> Result<u8, Failure> {
    let path: PathBuf = args.value("PATH")?;
    let asked: u64 = args.value("BYTES")?;
    args.finish()?;
    let mut written = 0;
    let mut errno = None;
    let block = [1; 64 << 10];
    let ended: io::Result<()> = (|| {
        let mut file = File::create(&path)?;
        while written < asked {
            let n = (asked - written).min(block.len() as u64);
            let n = usize::try_from(n).unwrap_or(block.len());
            written += file.write(&block[..n])? as u64;
        }
        file.sync_all()
    })();
    if let Err(error) = ended {
        errno = Some(number(error, &format!("fill {}", path.display()))?);
    }
    report(&Filled { asked, written, errno })
}

pub(crate) fn touch(args: &mut Args) -> Result<u8, Failure> {
    let dir: PathBuf = args.value("DIR")?;
    let asked = args.value("N")?;
    args.finish()?;
    let mut written = 0;
    let mut errno = None;
    while written < asked && errno.is_none() {
        match File::create_new(dir.join(format!("file-{written}"))) {
            Ok(_) => written += 1,
            Err(error) => errno = Some(number(error, &format!("touch {}", dir.display()))?),
        }
    }
    report(&Filled { asked, written, errno })
}

pub(crate) fn remove(args: &mut Args) -> Result<u8, Failure> {
    let path: PathBuf = args.value("PATH")?;
    let code = args.option("exit")?.unwrap_or(0);
    args.finish()?;
    std::fs::remove_file(&path).what(format!("remove {}", path.display()))?;
    Ok(code)
}

pub(crate) fn open(args: &mut Args) -> Result<u8, Failure> {
    let asked = args.value("N")?;
    args.finish()?;
    let mut files = Vec::new();
    let mut errno = None;
    while (files.len() as u64) < asked && errno.is_none() {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => errno = Some(number(error, "open /dev/null")?),
        }
    }
    let opened = files.len() as u64;
    // The report needs a descriptor itself.
    drop(files);
    report(&Opened { asked, opened, errno })
}

pub(crate) fn read(args: &mut Args) -> Result<u8, Failure> {
    let path: PathBuf = args.value("PATH")?;
    args.finish()?;
    let mut bytes = Vec::new();
    let file = File::open(&path).what(format!("open {}", path.display()));
    file?.read_to_end(&mut bytes).what("read")?;
    io::stdout().write_all(&bytes).what("write stdout")?;
    io::stdout().flush().what("write stdout")?;
    Ok(0)
}

/// The kernel's number for the error; one without a number is no answer to report.
fn number(error: io::Error, what: &str) -> Result<i32, Failure> {
    match error.raw_os_error() {
        Some(number) => Ok(number),
        None => Err(Failure::Io(what.to_owned(), error)),
    }
}
