//! Just enough of an HTTP/1.1 client: one connection, one request at a time, prepared bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};

use bench_compare::failure::Failure;

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Wire {
    pub(crate) async fn connect(address: impl ToSocketAddrs) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::with_capacity(4096),
        })
    }

    /// Sends a whole request and reads the whole answer, which must have a `Content-Length`.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let (answer, end) = loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the server hung up".into());
            }
            if let Some(found) = Answer::parse(&self.read)? {
                break found;
            }
        };
        if end == self.read.len() {
            Ok(answer)
        } else {
            Err("bytes after the answer".into())
        }
    }
}

impl Answer {
    /// The answer, and where it ends; nothing while it is incomplete.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Failure> {
        let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, body) = (&bytes[..at], &bytes[at + 4..]);
        let head = String::from_utf8_lossy(head).into_owned();
        let length = header(&head, "content-length").ok_or("an answer of unknown length")?;
        let length: usize = length.parse()?;
        let Some(body) = body.get(..length) else {
            return Ok(None);
        };
        let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
        let body = String::from_utf8_lossy(body).into_owned();
        Ok(Some((Self { status, head, body }, at + 4 + length)))
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let whole =
            b"HTTP/1.1 201 Created\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 4\r\n\r\npaid";
        for end in 0..whole.len() {
            assert!(Answer::parse(&whole[..end]).unwrap().is_none());
        }
        let (answer, end) = Answer::parse(whole).unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (201, "paid"));
        assert_eq!(answer.header("set-cookie"), Some("a=b; Path=/"));
        assert_eq!(end, whole.len());
    }

    #[test]
    fn an_answer_of_unknown_length_is_refused() {
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").is_err());
    }
}
