//! Opening a connection to the engine: a byte stream in both directions, whatever carries it.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::address::Address;
use super::deadline::within;
use super::error::{ClientError, Result};

/// The process (`EMFILE`) or the host (`ENFILE`) has as many files open as it may: the same numbers on
/// every Linux.
const NO_DESCRIPTOR: [i32; 2] = [24, 23];

/// A connection. Shutting down its writing half tells the engine that no more comes, and leaves the
/// reading half as it is.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Opens connections to one address.
#[derive(Debug)]
pub(crate) struct Connector {
    address: Address,
    bound: Duration,
    #[cfg(feature = "tls")]
    tls: Option<super::tls::Tls>,
}

impl Connector {
    /// Reads the certificates, if the address wants any. Connects to nothing yet.
    pub(crate) fn new(address: Address, bound: Duration) -> Result<Self> {
        #[cfg(feature = "tls")]
        let tls = match &address {
            Address::Tcp { tls: Some(files), host, .. } => {
                Some(super::tls::Tls::new(files, host, &address.to_string())?)
            }
            _ => None,
        };
        #[cfg(not(feature = "tls"))]
        if let Address::Tcp { tls: Some(_), .. } = &address {
            return Err(ClientError::Tls {
                address: address.to_string(),
                reason: "this build is without the feature `tls`".into(),
            });
        }
        Ok(Self {
            address,
            bound,
            #[cfg(feature = "tls")]
            tls,
        })
    }

    /// Where it connects to.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Opens one connection, within the bound for connecting.
    pub(crate) async fn open(&self) -> Result<Box<dyn Io>> {
        within(self.bound, self.connect()).await
    }

    /// The process that listens at the other end of a local socket, as its id here. `None`: it is
    /// not on this host, or not to be seen from this process.
    pub(crate) async fn peer(&self) -> Option<i32> {
        let Address::Unix(path) = &self.address else { return None };
        let stream = within(self.bound, async {
            UnixStream::connect(path).await.map_err(|error| self.refused(error))
        });
        stream.await.ok()?.peer_cred().ok()?.pid().filter(|process| *process > 0)
    }

    async fn connect(&self) -> Result<Box<dyn Io>> {
        match &self.address {
            Address::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(self.refused(error)),
            },
            Address::Tcp { host, port, .. } => {
                let stream = TcpStream::connect((host.as_str(), *port))
                    .await
                    .map_err(|error| self.refused(error))?;
                // Small frames of input and control calls must not wait for more.
                stream.set_nodelay(true).map_err(|error| self.refused(error))?;
                keep_alive(&stream).map_err(|error| self.refused(error))?;
                #[cfg(feature = "tls")]
                if let Some(tls) = &self.tls {
                    return tls.shake_hands(stream, &self.address.to_string()).await;
                }
                Ok(Box::new(stream))
            }
        }
    }

    /// The engine has answered a request.
    pub(crate) fn answered(&self) {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            tls.accepted();
        }
    }

    /// What a request means that failed on a connection of these.
    pub(crate) fn failed(&self, error: hyper::Error) -> ClientError {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.failed(&self.address.to_string(), error);
        }
        error.into()
    }

    fn wrong(&self, why: &str) -> ClientError {
        ClientError::Address(format!("engine address `{}`: {why}", self.address))
    }

    fn refused(&self, error: io::Error) -> ClientError {
        if error.raw_os_error().is_some_and(|code| NO_DESCRIPTOR.contains(&code)) {
            return ClientError::NoDescriptor(error);
        }
        match (error.kind(), &self.address) {
            (io::ErrorKind::NotFound, Address::Unix(path)) => {
                ClientError::NoSocket { path: path.clone() }
            }
            (io::ErrorKind::InvalidInput, Address::Unix(_)) => {
                self.wrong("its path is longer than that of a socket can be")
            }
            (io::ErrorKind::ConnectionRefused, Address::Unix(path)) if is_no_socket(path) => {
                self.wrong("there is something else than a socket: give the one of an engine")
            }
            (io::ErrorKind::PermissionDenied, address) => {
                ClientError::Forbidden { address: address.to_string() }
            }
            (_, address) => {
                ClientError::Unreachable { address: address.to_string(), source: error }
            }
        }
    }
}

fn is_no_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|it| !it.file_type().is_socket())
}

/// A wait for a task can be silent for days: the kernel asks in its place whether the engine's host
/// is still there.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let policy = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    socket2::SockRef::from(stream).set_tcp_keepalive(&policy)
}
