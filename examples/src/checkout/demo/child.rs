//! The provider in a process of its own.

use std::time::Duration;

use buttress_classify::BoxError;
use serde_json::Value;
use tokio::time::sleep;

use super::browser::Browser;
use super::process::Process;
use super::{API_KEY, WEBHOOK_SECRET};
use crate::checkout::provider::{Book, Faults};

/// How often it is asked whether it is back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A running provider.
#[derive(Debug)]
pub(super) struct Child {
    url: String,
    _process: Process,
}

impl Child {
    /// Starts `checkout provider`, and waits until it listens.
    pub(super) async fn start(seed: u64, faults: Faults) -> Result<Self, BoxError> {
        let seed = seed.to_string();
        let arguments = ["provider", "--faults", faults.name(), "--seed", &seed];
        let secrets = [
            ("PROVIDER_KEY", API_KEY),
            ("WEBHOOK_SECRET", WEBHOOK_SECRET),
        ];
        let mut process = Process::start(arguments, &secrets)?;
        Ok(Self {
            url: process.listens().await?,
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

    /// Has it tell this shop of charges.
    pub(super) async fn tells(&self, shop: &str) -> Result<(), BoxError> {
        let endpoint: String =
            form_urlencoded::byte_serialize(format!("{shop}/webhooks/stripe").as_bytes()).collect();
        let url = format!("{}/_audit/webhooks?url={endpoint}", self.url);
        Browser::new().post(&url, None, &Value::Null).await?;
        Ok(())
    }

    /// Waits until all it had to tell has arrived.
    pub(super) async fn has_told(&self) -> Result<(), BoxError> {
        while self.book().await?.webhooks.pending > 0 {
            sleep(LOOK_AGAIN * 10).await;
        }
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
