//! Files into a container and out of it.

use std::io::{Cursor, ErrorKind as Io};

use longshore_driver_api::{Error, ErrorKind, Result, TarStream, path_problem};
use tokio::io::AsyncReadExt as _;

use super::core::Core;
use crate::Op;
use crate::sandbox::Sandbox;

impl Core {
    pub(super) async fn copy_in(&self, folder: &str, mut archive: TarStream) -> Result<()> {
        self.copied(Op::CopyIn, folder)?;
        let mut bytes = Vec::new();
        archive.read_to_end(&mut bytes).await.map_err(|error| {
            Error::new(ErrorKind::Io, Op::CopyIn.name())
                .message(format!("the archive cannot be read: {error}"))
                .because(error)
        })?;
        let effect = || {
            let sandbox = self.copied(Op::CopyIn, folder)?;
            let unpacked = sandbox.files.lock().unpack(folder, &bytes);
            unpacked.map_err(|error| failed(Op::CopyIn, folder, error))
        };
        self.driver.ask(Op::CopyIn, Some(&self.spec), effect).await
    }

    pub(super) async fn copy_out(&self, path: &str) -> Result<TarStream> {
        self.copied(Op::CopyOut, path)?;
        let effect = || {
            let sandbox = self.copied(Op::CopyOut, path)?;
            let packed = sandbox.files.lock().pack(path);
            packed.map_err(|error| failed(Op::CopyOut, path, error))
        };
        let bytes = self.driver.ask(Op::CopyOut, Some(&self.spec), effect).await?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    /// The container, if it can be copied from and to.
    fn copied(&self, op: Op, path: &str) -> Result<std::sync::Arc<Sandbox>> {
        if !self.driver.config.capabilities.copy {
            return Err(Error::new(ErrorKind::Unsupported, op.name())
                .message("this engine cannot copy files"));
        }
        if let Some(problem) = path_problem(path) {
            return Err(Error::new(ErrorKind::InvalidInput, op.name())
                .message(format!("{path:?} {problem}")));
        }
        let life = self.life.lock();
        self.check_open(&life, op)?;
        let sandbox = life.sandbox.clone();
        sandbox.ok_or_else(|| self.invalid(op, "is not created yet: create it"))
    }
}

fn failed(op: Op, path: &str, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::InvalidInput,
    };
    Error::new(kind, op.name()).message(format!("{path:?}: {error}")).because(error)
}
