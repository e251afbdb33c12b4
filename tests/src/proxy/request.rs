//! Reading one HTTP request, as much of it as the proxy has to know.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::reply::chunk_size;

/// More than any request of a driver's has.
const LONGEST_HEAD: usize = 64 * 1024;

/// Bytes of one read while the first line is looked for. Fewer than the headers that every client
/// sends after it, so that something of the request stays unread.
const PIECE: usize = 16;

/// Reads to the end of the first line and a little further; some of the request stays unread.
pub(super) async fn first_line(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    read_until(from, b"\r\n").await
}

/// Reads the rest of a request that [`first_line`] began: its head, and the body that its
/// `Content-Length` announces or that comes in chunks.
pub(super) async fn rest(
    from: &mut (impl AsyncRead + Unpin),
    begun: Vec<u8>,
) -> io::Result<Vec<u8>> {
    let mut bytes = begun;
    let end = loop {
        if let Some(end) = position(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        more(from, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    if header(&head, "transfer-encoding").is_some_and(|value| value == "chunked") {
        chunks(from, &mut bytes, end).await?;
        return Ok(bytes);
    }
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let whole: usize = end + length;
    if bytes.len() < whole {
        let begun = bytes.len();
        bytes.resize(whole, 0);
        from.read_exact(&mut bytes[begun..]).await?;
    }
    Ok(bytes)
}

/// Reads chunks that begin at `at`, to the last one.
async fn chunks(
    from: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    mut at: usize,
) -> io::Result<()> {
    loop {
        let Some(line) = position(&bytes[at..], b"\r\n") else {
            body(from, bytes).await?;
            continue;
        };
        let size = chunk_size(&bytes[at..at + line + 2]);
        let size = size.and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no chunk"))?;
        // Its line, itself, and a line break. No client here sends trailers.
        let end = at + line + 2 + size + 2;
        while bytes.len() < end {
            body(from, bytes).await?;
        }
        if size == 0 {
            return Ok(());
        }
        at = end;
    }
}

async fn body(from: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    match from.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// The text of the first line.
pub(super) fn line(bytes: &[u8]) -> String {
    let end = position(bytes, b"\r\n").unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// A header's value in a head, by its name in any case.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub(super) fn position(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

async fn read_until(from: &mut (impl AsyncRead + Unpin), end: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while position(&bytes, end).is_none() {
        more(from, &mut bytes).await?;
    }
    Ok(bytes)
}

async fn more(from: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    if bytes.len() > LONGEST_HEAD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a head of more than 64 KiB"));
    }
    let mut piece = [0; PIECE];
    let count = from.read(&mut piece).await?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.extend_from_slice(&piece[..count]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_read_whole_however_it_is_cut() {
        let whole = b"POST /x HTTP/1.1\r\nHost: h\r\ncontent-LENGTH: 5\r\n\r\nab\r\ncrest";
        let mut from = &whole[..];
        let begun = first_line(&mut from).await.unwrap();
        assert_eq!(line(&begun), "POST /x HTTP/1.1");
        assert!(from.len() > 20, "the rest is still to be read");
        let request = rest(&mut from, begun).await.unwrap();
        assert!(request.ends_with(b"\r\n\r\nab\r\nc"));
        assert_eq!(from, b"rest");
    }

    #[tokio::test]
    async fn a_body_in_chunks_is_read_to_its_last_one() {
        let whole = b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab\n\r\nA\r\n0123456789\r\n0\r\n\r\n";
        let mut from = &whole[..];
        let begun = first_line(&mut from).await.unwrap();
        assert_eq!(rest(&mut from, begun).await.unwrap(), whole);
        let mut from = &whole[..whole.len() - 1];
        let begun = first_line(&mut from).await.unwrap();
        let error = rest(&mut from, begun).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_request_that_ends_early_is_an_error() {
        for text in [
            "",
            "GET / HT",
            "GET / HTTP/1.1\r\nHost: h\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\na",
        ] {
            let mut from = text.as_bytes();
            let read = async {
                let begun = first_line(&mut from).await?;
                rest(&mut from, begun).await
            };
            assert_eq!(read.await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{text:?}");
        }
    }
}
