//! What others on the network answer, and by which names they are found.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};

use longshore_testee::Resolved;

use crate::args::Args;
use crate::failure::{Failure, What};
use crate::streams::report;

pub(crate) fn resolve(args: &mut Args) -> Result<u8, Failure> {
    let name: String = args.value("NAME")?;
    args.finish()?;
    let found = (name.as_str(), 0).to_socket_addrs().what(format!("resolve {name}"))?;
    // The resolver tells each once for every kind of socket.
    let mut addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
    addresses.sort();
    addresses.dedup();
    report(&Resolved { addresses })
}

pub(crate) fn ask(args: &mut Args) -> Result<u8, Failure> {
    let host: String = args.value("HOST")?;
    let port: u16 = args.value("PORT")?;
    let text: String = args.value("TEXT")?;
    args.finish()?;
    let mut stream =
        TcpStream::connect((host.as_str(), port)).what(format!("connect to {host}"))?;
    stream.write_all(text.as_bytes()).what("send")?;
    stream.shutdown(Shutdown::Write).what("send")?;
    io::copy(&mut stream, &mut io::stdout()).what("receive")?;
    Ok(0)
}
