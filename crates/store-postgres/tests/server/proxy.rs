//! What stands between a client and the server: it counts round trips, and loses answers.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Server;

#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// How often a client asked for something and waited.
    queries: AtomicUsize,
    /// Whether the next answer is lost, with its connection.
    loses: AtomicBool,
}

impl Proxy {
    pub(crate) async fn start(server: &Server) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
        };
        let (state, port) = (Arc::clone(&proxy.state), server.port());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                    pass(client, server.unwrap(), &state).await;
                });
            }
        });
        proxy
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        super::options(self.port)
    }

    /// How many requests with a query in them have passed. The messages `Q` (a query as one text),
    /// `P` (prepare) and `E` (execute) make one; what came in one piece was waited for once.
    pub(crate) fn queries(&self) -> usize {
        self.state.queries.load(SeqCst)
    }

    /// The server carries out the next request; its answer does not arrive, and the connection ends.
    pub(crate) fn lose_the_next_answer(&self) {
        self.state.loses.store(true, SeqCst);
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, state: &State) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut losing = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                if asks(&up[..count]) {
                    state.queries.fetch_add(1, SeqCst);
                    losing |= state.loses.swap(false, SeqCst);
                }
                if server.write_all(&up[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                // It has been carried out by the time that it is answered.
                if losing || client.write_all(&down[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether the first message of these asks for something: not a start, a password, or a mere `Sync`.
fn asks(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'B' | b'P' | b'Q'))
}
