//! A server on 127.0.0.1 that misbehaves by plan: to the byte, and as often as asked.
//!
//! A plan is a list of [`Step`]s for each connection; the last plan serves every further one.

pub mod frames;
mod step;
mod tls;

pub use self::step::Step;
pub use self::tls::{Identity, trusting_nobody};

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What to do on one connection, in order; at its end the connection is closed.
pub type Plan = Vec<Step>;

/// A server that follows its plans until it is dropped.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    served: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Peer {
    /// Listens on a port of its own; connection `n` gets plan `n`, or the last.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn start(plans: impl IntoIterator<Item = Plan>) -> io::Result<Self> {
        let plans: Vec<Plan> = plans.into_iter().collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (done, served) = watch::channel(0);
        let task = tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let plan = plans.get(number).or(plans.last()).cloned();
                let done = done.clone();
                tokio::spawn(async move {
                    // A client that hangs up early is what many a test provokes.
                    let _ = step::follow(stream, plan.unwrap_or_default()).await;
                    done.send_modify(|served| *served += 1);
                });
            }
        });
        Ok(Self {
            address,
            served,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root of its URLs over plain TCP.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The root of its URLs over TLS.
    #[must_use]
    pub fn https(&self) -> String {
        format!("https://localhost:{}/", self.address.port())
    }

    /// Counts the connections whose plan has come to its end.
    #[must_use]
    pub fn served(&self) -> watch::Receiver<usize> {
        self.served.clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that refuses every connection, and that nobody else can take meanwhile.
#[derive(Debug)]
pub struct Refusing(Socket);

impl Refusing {
    /// Binds a port and does not listen.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub fn start() -> io::Result<Self> {
        bind().map(Self)
    }

    /// The root of its URLs.
    ///
    /// # Errors
    ///
    /// When the socket has no address.
    pub fn http(&self) -> io::Result<String> {
        Ok(format!("http://{}/", address(&self.0)?))
    }
}

/// A port whose queue of connections is full: the next handshake is never answered.
#[derive(Debug)]
pub struct Full {
    socket: Socket,
    _queue: Vec<TcpStream>,
}

impl Full {
    /// Listens, never accepts, and fills the queue.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let socket = bind()?;
        socket.listen(0)?;
        let address = address(&socket)?;
        let mut queue = Vec::new();
        while let Ok(connected) =
            tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
        {
            queue.push(connected?);
        }
        Ok(Self {
            socket,
            _queue: queue,
        })
    }

    /// The root of its URLs.
    ///
    /// # Errors
    ///
    /// When the socket has no address.
    pub fn http(&self) -> io::Result<String> {
        Ok(format!("http://{}/", address(&self.socket)?))
    }
}

fn bind() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))?;
    Ok(socket)
}

fn address(socket: &Socket) -> io::Result<SocketAddr> {
    socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("no address of the internet"))
}
