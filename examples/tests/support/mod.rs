//! HTTP by hand: what is sent is what is written here, and what came back is kept whole.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod shop;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use examples::checkout::provider::{Provider, Settings};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Everything that came back until the end of the connection, and how that came.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) text: String,
    pub(crate) end: io::Result<()>,
}

impl Exchange {
    pub(crate) fn status(&self) -> &str {
        self.text.get(9..12).unwrap_or("none")
    }

    pub(crate) fn says(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.text.split_once("\r\n\r\n")?;
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        headers.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(crate) fn body(&self) -> &str {
        self.text
            .split_once("\r\n\r\n")
            .map_or("", |(_, body)| body)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// Sends a request; `head` is its first line and whatever headers it needs beyond the usual.
pub(crate) async fn send(address: SocketAddr, head: &str, body: &str) -> Exchange {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request =
        format!("{head}\r\nhost: p\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await.map(|_| ());
    Exchange {
        text: String::from_utf8(bytes).unwrap(),
        end,
    }
}

/// Starts a provider in this process; also where it listens.
pub(crate) async fn serve(settings: Settings) -> (Provider, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let provider = Provider::new(settings);
    tokio::spawn(provider.clone().serve(listener));
    (provider, address)
}
