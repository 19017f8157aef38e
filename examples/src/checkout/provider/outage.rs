//! A time in which nobody listens where the provider is expected.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::time::sleep;

/// Calls that wait to be accepted when it listens again.
const BACKLOG: u32 = 1024;

/// Closes `listener` for `length`, so that connections are refused, and listens there again.
///
/// A socket that does not listen keeps the port meanwhile: another program could take it, or a
/// caller, as its own end of a connection to nobody but itself.
pub(super) async fn nobody_listens(
    listener: TcpListener,
    length: Duration,
) -> io::Result<TcpListener> {
    let address = listener.local_addr()?;
    drop(listener);
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of before may still hold the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    sleep(length).await;
    socket.listen(BACKLOG)
}
