//! Real `redis-server` processes of a test's own, on free ports of the loopback.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// A server that ends when this is dropped, and also when the process of the test ends in any way.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    args: Vec<String>,
    dir: TempDir,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    server: Child,
    /// Waits for the end of its input, which is the end of this process, and kills the server.
    watch: Child,
}

impl Server {
    /// One that keeps nothing when it ends.
    pub(crate) async fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"]).await
    }

    /// One that has every write on disk before it answers.
    pub(crate) async fn durable() -> Self {
        Self::with(&[
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ])
        .await
    }

    pub(crate) async fn with(args: &[&str]) -> Self {
        let mut server = Self {
            port: 0,
            args: args.iter().map(ToString::to_string).collect(),
            dir: tempfile::tempdir().unwrap(),
            running: None,
        };
        // Somebody may take a free port before the server does.
        for _ in 0..20 {
            server.port = free_port();
            server.run();
            if server.answers().await {
                return server;
            }
            server.kill();
        }
        panic!("redis-server does not start");
    }

    /// Where it keeps its files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.end();
        }
    }

    /// The same server again, with what it kept.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.run();
        assert!(self.answers().await, "redis-server does not restart");
    }

    /// What `redis-cli` prints.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &port])
            .args(args)
            .output()
            .expect("redis-cli must be installed");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// How often the server has executed this command.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let stats = self.cli(&["INFO", "commandstats"]);
        let line = format!("cmdstat_{command}:calls=");
        stats
            .lines()
            .find_map(|found| found.strip_prefix(&line)?.split(',').next()?.parse().ok())
            .unwrap_or(0)
    }

    /// Another connection to it.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub(crate) async fn wait_until(&self, args: &[&str], wanted: &str) {
        until(
            || self.cli(args).contains(wanted),
            &format!("{args:?}: {wanted}"),
        )
        .await;
    }

    /// The server stops answering and keeps its connections (SIGSTOP), or goes on (SIGCONT).
    pub(crate) fn signal(&self, signal: &str) {
        let running = self.running.as_ref().expect("running");
        let pid = running.server.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    fn run(&mut self) {
        let port = self.port.to_string();
        let server = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--loglevel",
                "warning",
            ])
            // Else a replica waits for others before it gets its first copy.
            .args(["--repl-diskless-sync-delay", "0"])
            .arg("--dir")
            .arg(self.dir.path())
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server must be installed");
        let watch = watch(server.id(), self.dir.path());
        self.running = Some(Running { server, watch });
    }

    async fn answers(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            let running = self.running.as_mut().expect("running");
            if running.server.try_wait().unwrap().is_some() {
                return false;
            }
            // The port may be somebody else's.
            let pid = format!("process_id:{}", running.server.id());
            if self.cli(&["INFO", "server"]).contains(&pid) && self.cli(&["PING"]) == "PONG" {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Running {
    fn end(&mut self) {
        for child in [&mut self.watch, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn watch(server: u32, dir: &Path) -> Child {
    Command::new("sh")
        .args(["-c", "cat; kill -9 \"$0\"; rm -rf \"$1\""])
        .arg(server.to_string())
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Polls until something holds; a minute and a half is for ever.
pub(crate) async fn until(mut holds: impl FnMut() -> bool, what: &str) {
    let end = Instant::now() + Duration::from_secs(90);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Below the range from which the system takes ports for outgoing connections, and so that the port
/// ten thousand higher, on which the nodes of a cluster talk, is free as well.
fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_500..22_000);
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}
