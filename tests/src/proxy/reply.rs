//! How far an answer is: the end of its head, and the end of the whole.

use super::request::{header, position};

/// Follows the bytes of one answer.
#[derive(Debug, Default)]
pub(super) struct Progress {
    head: Vec<u8>,
    status: Option<u16>,
    state: State,
}

/// What follows an answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    Bytes(u64),
    Chunks,
    /// It ends with the connection, and may be in frames.
    Stream,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    /// So many bytes are to come.
    Length(u64),
    /// The line with a chunk's size.
    Size(Vec<u8>),
    /// So many bytes of a chunk are to come, its line break included.
    Chunk(u64),
    /// The lines after the last chunk.
    Trailer(Vec<u8>),
    /// It ends with the connection.
    Open,
    Done,
}

impl Progress {
    /// Follows one byte.
    fn follow(&mut self, byte: u8) {
        match &mut self.state {
            State::Head => {
                self.head.push(byte);
                if self.head.ends_with(b"\r\n\r\n") {
                    self.end_of_head();
                }
            }
            State::Length(left) | State::Chunk(left) if *left > 1 => *left -= 1,
            State::Length(_) => self.state = State::Done,
            State::Chunk(_) => self.state = State::Size(Vec::new()),
            State::Size(line) => {
                line.push(byte);
                if line.ends_with(b"\r\n") {
                    self.state = match chunk_size(line) {
                        Some(0) => State::Trailer(Vec::new()),
                        Some(size) => State::Chunk(size + 2),
                        None => State::Open,
                    };
                }
            }
            State::Trailer(line) => {
                line.push(byte);
                if line == b"\r\n" {
                    self.state = State::Done;
                } else if line.ends_with(b"\r\n") {
                    line.clear();
                }
            }
            State::Open | State::Done => {}
        }
    }

    /// Follows `bytes` up to the end of the head, or of all; says how many that were.
    pub(super) fn follow_head(&mut self, bytes: &[u8]) -> usize {
        self.follow_while(bytes, |progress| matches!(progress.state, State::Head))
    }

    /// Follows `bytes` up to the end of the answer; says how many that were.
    pub(super) fn follow_all(&mut self, bytes: &[u8]) -> usize {
        self.follow_while(bytes, |progress| !progress.is_done())
    }

    fn follow_while(&mut self, bytes: &[u8], goes_on: impl Fn(&Self) -> bool) -> usize {
        for (count, byte) in bytes.iter().enumerate() {
            if !goes_on(self) {
                return count;
            }
            self.follow(*byte);
        }
        bytes.len()
    }

    /// The status, once the head is read.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// What is to come after the head, once that is read.
    pub(super) fn rest(&self) -> Rest {
        match &self.state {
            State::Length(length) => Rest::Bytes(*length),
            State::Size(_) => Rest::Chunks,
            State::Done if self.status != Some(101) => Rest::Nothing,
            _ => Rest::Stream,
        }
    }

    /// Whether the answer is over. One that hands the connection over is so after its head.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    fn end_of_head(&mut self) {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let status: Option<u16> = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        self.status = status;
        let chunked = header(&head, "transfer-encoding").is_some_and(|value| value == "chunked");
        let length = header(&head, "content-length").and_then(|value| value.parse().ok());
        self.state = match (status, length) {
            (Some(100..=199 | 204 | 304), _) => State::Done,
            _ if chunked => State::Size(Vec::new()),
            (_, Some(0)) => State::Done,
            (_, Some(length)) => State::Length(length),
            _ => State::Open,
        };
    }
}

/// The size in a chunk's first line, which ends with a line break.
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = position(line, b"\r\n")?;
    let text = std::str::from_utf8(&line[..end]).ok()?;
    u64::from_str_radix(text.split(';').next()?.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes of a text the head and the whole answer have.
    fn ends(text: &str) -> (usize, Option<usize>, Option<u16>) {
        let mut progress = Progress::default();
        let head = progress.follow_head(text.as_bytes());
        let rest = progress.follow_all(&text.as_bytes()[head..]);
        (head, progress.is_done().then_some(head + rest), progress.status())
    }

    #[test]
    fn the_end_of_an_answer_is_found_by_its_length() {
        let text = "HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabcnext";
        assert_eq!(ends(text), (43, Some(46), Some(201)));
        assert_eq!(ends(&text[..45]), (43, None, Some(201)));
    }

    #[test]
    fn the_end_of_an_answer_is_found_by_its_last_chunk() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let text = format!("{head}3\r\nab\n\r\nA;x=y\r\n0123456789\r\n0\r\n\r\nnext");
        assert_eq!(ends(&text), (head.len(), Some(text.len() - 4), Some(200)));
        assert_eq!(ends(&text[..text.len() - 5]), (head.len(), None, Some(200)));
        let trailer = format!("{head}0\r\nA: b\r\n\r\n");
        assert_eq!(ends(&trailer).1, Some(trailer.len()));
    }

    #[test]
    fn what_follows_a_head_is_known_from_it() {
        let table = [
            ("HTTP/1.1 204 No Content\r\n\r\n", Rest::Nothing),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Rest::Nothing),
            ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", Rest::Bytes(7)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Rest::Chunks),
            ("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n", Rest::Stream),
            ("HTTP/1.1 200 OK\r\n\r\n", Rest::Stream),
        ];
        for (head, rest) in table {
            let mut progress = Progress::default();
            progress.follow_head(head.as_bytes());
            assert_eq!(progress.rest(), rest, "{head}");
        }
    }

    #[test]
    fn an_answer_without_a_body_ends_with_its_head() {
        for status in ["101 UPGRADED", "204 No Content", "304 Not Modified"] {
            let text = format!("HTTP/1.1 {status}\r\nX: y\r\n\r\n");
            assert_eq!(ends(&format!("{text}next")).1, Some(text.len()), "{status}");
        }
        assert_eq!(ends("HTTP/1.1 200 OK\r\n\r\nabc").1, None);
    }
}
