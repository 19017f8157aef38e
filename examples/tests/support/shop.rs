//! `checkout serve` as a process of its own.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use examples::checkout::provider::{Fault, Plan, Provider, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::{Exchange, send};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A provider whose every order meets these faults, and whose search is never behind.
pub(crate) fn provider_with(faults: &[Fault]) -> Settings {
    let script = faults.iter().copied().map(Some).collect();
    Settings {
        indexing: Duration::ZERO,
        ..Settings::new("sk_test", Plan::Script(script))
    }
}

/// Waits until this provider has received so many charge requests.
pub(crate) async fn received(provider: &Provider, requests: u64) {
    let end = Instant::now() + PATIENCE;
    while provider.book().requests < requests {
        assert!(Instant::now() < end, "{:?}", provider.book());
        sleep(Duration::from_millis(5)).await;
    }
}

/// A shop in a process of its own.
pub(crate) struct Shop {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Shop {
    /// A shop whose provider is in this process.
    pub(crate) async fn open(settings: Settings) -> (Self, Provider) {
        let (provider, address) = super::serve(settings).await;
        (Self::at(address).await, provider)
    }

    /// A shop whose provider is to be found there.
    pub(crate) async fn at(provider: SocketAddr) -> Self {
        Self::with(provider, "memory:").await
    }

    /// The same, with this store.
    pub(crate) async fn with(provider: SocketAddr, store: &str) -> Self {
        let provider = format!("http://{provider}");
        let mut process = command(&[("PROVIDER_URL", &provider), ("STORE", store)])
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).await.unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        Self {
            process,
            address: address.parse().unwrap(),
        }
    }

    pub(crate) async fn post(&self, body: &Value) -> Exchange {
        self.post_text(&body.to_string()).await
    }

    pub(crate) async fn post_text(&self, body: &str) -> Exchange {
        let head = "POST /orders HTTP/1.1\r\ncontent-type: application/json";
        send(self.address, head, body).await
    }

    /// Posts an order under an idempotency key.
    pub(crate) async fn post_under(&self, key: &str, body: &Value) -> Exchange {
        let head = format!(
            "POST /orders HTTP/1.1\r\ncontent-type: application/json\r\nidempotency-key: {key}"
        );
        send(self.address, &head, &body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Exchange {
        send(self.address, &format!("GET {path} HTTP/1.1"), "").await
    }

    pub(crate) async fn status(&self) -> Value {
        self.get("/status").await.json()
    }

    /// The order's page once it is no longer pending.
    pub(crate) async fn settled(&self, path: &str) -> Exchange {
        let end = Instant::now() + PATIENCE;
        loop {
            let page = self.get(path).await;
            if page.status() != "202" {
                return page;
            }
            assert!(Instant::now() < end, "still pending: {}", page.text);
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Tells it to stop.
    pub(crate) fn interrupt(&self, signal: &str) {
        let id = self.process.id().unwrap();
        let killed = std::process::Command::new("sh")
            .args(["-c", &format!("kill -{signal} {id}")])
            .status();
        assert!(killed.unwrap().success());
    }

    /// Places an order, under a key if there is one, and hangs up once its charge is at the provider.
    pub(crate) async fn post_and_hang_up(
        &self,
        key: Option<&str>,
        body: &Value,
        provider: &Provider,
    ) {
        let post = async {
            match key {
                Some(key) => self.post_under(key, body).await,
                None => self.post(body).await,
            }
        };
        tokio::select! {
            answer = post => panic!("answered already: {}", answer.text),
            () = received(provider, 1) => {}
        }
    }

    /// Kills it.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    pub(crate) async fn ended(self) -> Output {
        timeout(PATIENCE, self.process.wait_with_output())
            .await
            .unwrap()
            .unwrap()
    }
}

pub(crate) fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_checkout"));
    command
        .arg("serve")
        .env_remove("STORE")
        .env("LISTEN", "127.0.0.1:0")
        .env("PROVIDER_KEY", "sk_test")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) fn order(id: &str, amount: i64) -> Value {
    json!({"order_id": id, "amount": amount, "currency": "usd"})
}
