use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::frames;

/// One thing that a [`Peer`](super::Peer) does with a connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends FIN, and reads until the client is done too.
    Fin,
    /// Does nothing more, and keeps the connection open.
    Hang,
    /// Reads this many bytes.
    Read(usize),
    /// Reads up to the empty line after a head of HTTP/1.
    ReadHead,
    /// Reads the preface of HTTP/2.
    ReadPreface,
    /// Reads frames of HTTP/2 up to and with a request's head.
    ReadRequest,
    /// Sends RST, whatever is still unread or unsent.
    Reset,
    /// Does a TLS handshake; what follows goes through TLS.
    Tls(Arc<ServerConfig>),
    /// Goes on when told.
    Wait(Arc<Notify>),
    /// Writes these bytes.
    Write(Vec<u8>),
}

impl Step {
    /// Writes this text.
    #[must_use]
    pub fn write(text: &str) -> Self {
        Self::Write(text.into())
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Follows `plan` to its end on one connection.
pub(super) async fn follow(stream: TcpStream, plan: Vec<Step>) -> io::Result<()> {
    let mut steps = plan.into_iter();
    let mut steps = steps.by_ref().peekable();
    match steps.next_if(|step| matches!(step, Step::Tls(_))) {
        Some(Step::Tls(config)) => {
            let stream = TlsAcceptor::from(config).accept(stream).await?;
            walk(stream, steps).await
        }
        _ => walk(stream, steps).await,
    }
}

async fn walk(mut wire: impl Wire, steps: impl Iterator<Item = Step>) -> io::Result<()> {
    for step in steps {
        match step {
            Step::Fin => {
                wire.shutdown().await?;
                tokio::io::copy(&mut wire, &mut tokio::io::sink()).await?;
            }
            Step::Hang => std::future::pending().await,
            Step::Read(count) => {
                let mut bytes = vec![0; count];
                wire.read_exact(&mut bytes).await?;
            }
            Step::ReadHead => read_head(&mut wire).await?,
            Step::ReadPreface => frames::read_preface(&mut wire).await?,
            Step::ReadRequest => frames::read_request(&mut wire).await?,
            Step::Reset => {
                SockRef::from(wire.tcp()).set_linger(Some(Duration::ZERO))?;
                return Ok(());
            }
            Step::Tls(_) => return Err(io::Error::other("a handshake goes first")),
            Step::Wait(told) => told.notified().await,
            Step::Write(bytes) => {
                wire.write_all(&bytes).await?;
                wire.flush().await?;
            }
        }
    }
    Ok(())
}

async fn read_head(wire: &mut impl Wire) -> io::Result<()> {
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        last[3] = wire.read_u8().await?;
    }
    Ok(())
}
