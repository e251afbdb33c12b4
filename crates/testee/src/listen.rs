//! Connections and datagrams, echoed.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use longshore_testee::Listening;

use crate::args::Args;
use crate::failure::{Failure, What};
use crate::streams::report;

pub(crate) fn unix(args: &mut Args) -> Result<u8, Failure> {
    let path: PathBuf = args.value("PATH")?;
    args.finish()?;
    let address = path.display().to_string();
    let listener = UnixListener::bind(&path).what(format!("listen on {address}"))?;
    report(&Listening { address })?;
    let (connection, _) = listener.accept().what("accept")?;
    echo(&connection, &connection)?;
    connection.shutdown(Shutdown::Both).what("shut down")?;
    Ok(0)
}

pub(crate) fn tcp(args: &mut Args) -> Result<u8, Failure> {
    let port: u16 = args.value("PORT")?;
    let times: u32 = args.option("times")?.unwrap_or(1);
    args.finish()?;
    let listener = TcpListener::bind(("0.0.0.0", port)).what(format!("listen on port {port}"))?;
    let address = listener.local_addr().what("read the address")?.to_string();
    report(&Listening { address })?;
    for _ in 0..times {
        let (connection, _) = listener.accept().what("accept")?;
        echo(&connection, &connection)?;
        connection.shutdown(Shutdown::Both).what("shut down")?;
    }
    Ok(0)
}

pub(crate) fn udp(args: &mut Args) -> Result<u8, Failure> {
    let port: u16 = args.value("PORT")?;
    args.finish()?;
    let socket = UdpSocket::bind(("0.0.0.0", port)).what(format!("listen on port {port}"))?;
    let address = socket.local_addr().what("read the address")?.to_string();
    report(&Listening { address })?;
    let mut datagram = [0; 2048];
    let (length, from) = socket.recv_from(&mut datagram).what("receive")?;
    socket.send_to(&datagram[..length], from).what("send")?;
    Ok(0)
}

fn echo(mut from: impl Read, mut to: impl Write) -> Result<(), Failure> {
    io::copy(&mut from, &mut to).what("echo")?;
    Ok(())
}
