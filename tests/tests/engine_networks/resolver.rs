//! A name server that knows one name.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// A name server on one address of this host. Dropping it ends it.
pub(crate) struct Resolver {
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Resolver {
    /// Listens, and answers with this address for this name.
    pub(crate) async fn start(at: Ipv4Addr, name: &str, address: Ipv4Addr) -> io::Result<Self> {
        let socket = UdpSocket::bind((at, 53)).await?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, known) = (Arc::clone(&asked), name.to_owned());
        let serving = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let Some((name, answer)) = answer(&question[..length], &known, address) else {
                    continue;
                };
                seen.lock().unwrap().push(name);
                // Whoever is gone asks no more.
                let _ = socket.send_to(&answer, from).await;
            }
        });
        Ok(Self { asked, serving })
    }

    /// The names that it was asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The name that is asked for (RFC 1035, section 4), and the answer.
fn answer(question: &[u8], known: &str, address: Ipv4Addr) -> Option<(String, Vec<u8>)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).into_owned());
        at += length;
    }
    let is_for_ipv4 = question.get(at..at + 2)? == [0, 1];
    let name = labels.join(".");
    let is_known = name == known;
    let has_answer = is_known && is_for_ipv4;
    // The same number; an answer, with recursion; no error, or no such name.
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, if is_known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, u8::from(has_answer), 0, 0, 0, 0]);
    answer.extend(question.get(12..at + 4)?);
    if has_answer {
        // The name as in the question, an address of the internet, for a minute, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address.octets());
    }
    Some((name, answer))
}
