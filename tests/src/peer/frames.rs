//! The few HTTP/2 frames that a misbehaving server needs, byte by byte ([RFC 9113 §6]).
//!
//! [RFC 9113 §6]: https://www.rfc-editor.org/rfc/rfc9113#section-6

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const PREFACE: usize = 24;

/// Entry 8 of HPACK's static table.
const STATUS_200: u8 = 0x88;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;

/// The error codes of RFC 9113 §7.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "named by the RFC")]
#[repr(u8)]
pub enum Reason {
    NoError = 0x0,
    ProtocolError = 0x1,
    InternalError = 0x2,
    FlowControlError = 0x3,
    SettingsTimeout = 0x4,
    StreamClosed = 0x5,
    FrameSizeError = 0x6,
    RefusedStream = 0x7,
    Cancel = 0x8,
    CompressionError = 0x9,
    ConnectError = 0xa,
    EnhanceYourCalm = 0xb,
    InadequateSecurity = 0xc,
    Http11Required = 0xd,
}

/// The server's preface: settings without a change.
#[must_use]
pub fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, &[])
}

/// A response's head, status 200, on the first stream.
#[must_use]
pub fn head() -> Vec<u8> {
    headers(&[STATUS_200])
}

/// The same, with a content length of one digit.
#[must_use]
pub fn head_of(length: u8) -> Vec<u8> {
    // Entry 28 is `content-length`, and its value is not to be indexed.
    headers(&[STATUS_200, 0x0f, 28 - 15, 1, b'0' + length.min(9)])
}

/// The same frame, with which the peer ends the stream.
#[must_use]
pub fn last(mut frame: Vec<u8>) -> Vec<u8> {
    const END_STREAM: u8 = 0x1;
    frame[4] |= END_STREAM;
    frame
}

fn headers(block: &[u8]) -> Vec<u8> {
    const END_HEADERS: u8 = 0x4;
    let mut head = frame(HEADERS, 1, block);
    head[4] = END_HEADERS;
    head
}

/// A piece of the response's body, with more to come, on the first stream.
#[must_use]
pub fn data(bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 1, bytes)
}

/// The first stream is over.
#[must_use]
pub fn reset(reason: Reason) -> Vec<u8> {
    frame(RST_STREAM, 1, &[0, 0, 0, reason as u8])
}

/// The connection is over for every stream after `last`.
#[must_use]
pub fn goaway(last: u8, reason: Reason) -> Vec<u8> {
    frame(GOAWAY, 0, &[0, 0, 0, last, 0, 0, 0, reason as u8])
}

fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, stream];
    frame.extend_from_slice(&payload[..usize::from(length)]);
    frame
}

/// Reads the client's preface.
pub(super) async fn read_preface(wire: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    wire.read_exact(&mut [0; PREFACE]).await.map(drop)
}

/// Reads frames up to and with a request's head.
pub(super) async fn read_request(wire: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    loop {
        let mut header = [0; 9];
        wire.read_exact(&mut header).await?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        tokio::io::copy(&mut wire.take(length.into()), &mut tokio::io::sink()).await?;
        if header[3] == HEADERS {
            return Ok(());
        }
    }
}
