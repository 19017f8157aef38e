//! The provider in a process of its own, which ends with this one.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use buttress_classify::BoxError;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{self, ChildStdin, Command};
use tokio::time::sleep;

use super::API_KEY;
use super::browser::Browser;
use crate::checkout::provider::{Book, Faults};

/// How often it is asked whether it is back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A running provider; it is killed when this is dropped, and ends by itself if that never happens.
#[derive(Debug)]
pub(super) struct Child {
    url: String,
    _process: process::Child,
    _input: Option<ChildStdin>,
}

impl Child {
    /// Starts `checkout provider` from this executable, and waits until it listens.
    pub(super) async fn start(program: &Path, seed: u64, faults: Faults) -> Result<Self, BoxError> {
        let mut process = Command::new(program)
            .args([
                "provider",
                "--with-parent",
                "--faults",
                faults.name(),
                "--seed",
                &seed.to_string(),
            ])
            .env("PROVIDER_KEY", API_KEY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or("the provider has no output")?;
        let mut first = String::new();
        BufReader::new(output).read_line(&mut first).await?;
        let url = first
            .trim()
            .strip_prefix("listening on ")
            .ok_or("the provider did not start")?;
        Ok(Self {
            url: url.to_owned(),
            _input: process.stdin.take(),
            _process: process,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Makes it unreachable from now on, for `length`, in whole seconds.
    pub(super) async fn take_down(&self, length: Duration) -> Result<(), BoxError> {
        let url = format!("{}/_audit/outage?length_s={}", self.url, length.as_secs());
        Browser::new().post(&url, None, &Value::Null).await?;
        Ok(())
    }

    /// Waits until it can be reached.
    pub(super) async fn is_back(&self) {
        while self.book().await.is_err() {
            sleep(LOOK_AGAIN).await;
        }
    }

    /// What it has seen and done.
    pub(super) async fn book(&self) -> Result<Book, BoxError> {
        let url = format!("{}/_audit/book", self.url);
        let page = Browser::new().get(&url).await?;
        Book::from_json(&page.body).ok_or_else(|| "the provider's book is unreadable".into())
    }
}
