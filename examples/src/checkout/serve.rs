//! `checkout serve`: the shop against a provider outside, as the environment says.

use std::env::{self, VarError};
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_circuit_breaker::CircuitBreakerLayer;
use buttress_classify::BoxError;
use buttress_key::DerivationSecret;
use buttress_store::StoreError;
use http::Uri;
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;

use super::host::host;
use super::shop::reconcile::Lags;
use super::shop::stack::Limits;
use super::shop::store::{Location, Store};
use super::shop::webhooks::Senders;
use super::shop::{self, Account, Shop, breaker};

/// For a provider across the Internet, whose own work may take seconds.
const LIMITS: Limits = Limits {
    attempt: Duration::from_secs(10),
    operation: Duration::from_secs(40),
    concurrency: 64,
};

/// When an order that nobody knows about is looked into again.
const SCHEDULE: Backoff = Backoff::exponential(Duration::from_secs(1))
    .cap(Duration::from_secs(30))
    .jitter(Jitter::Equal);

/// Stripe documents that its search shows a payment in less than a minute under normal conditions,
/// and that its own libraries give a request 80 s.
const LAGS: Lags = Lags {
    execution: Duration::from_secs(80),
    indexing: Duration::from_mins(1),
};

/// The circuit: the layer's defaults (open after 5 failures in a row, or when half of at least 20
/// calls in 30 s have failed), but back sooner, for a buyer waits 15 s and a probe is one charge
/// attempt of an order that is due anyway.
fn circuit() -> breaker::Settings {
    CircuitBreakerLayer::http()
        .open_for(Duration::from_secs(5))
        .max_open(Duration::from_mins(1))
}

/// What the environment asks for.
struct Config {
    listen: SocketAddr,
    account: Account,
    store: Location,
    /// The one secret that every process of this shop has.
    secret: DerivationSecret,
    senders: Senders,
    level: LevelFilter,
}

impl Config {
    fn read(variable: impl Fn(&str) -> Result<String, VarError>) -> Result<Self, BoxError> {
        let required = |name: &str| match variable(name) {
            Ok(value) if !value.trim().is_empty() => Ok(value.trim().to_owned()),
            Ok(_) | Err(VarError::NotPresent) => Err(format!("{name} is not set")),
            Err(error) => Err(format!("{name}: {error}")),
        };
        let or = |name: &str, default: &str| match variable(name) {
            Err(VarError::NotPresent) => Ok(default.to_owned()),
            _ => required(name),
        };
        let store = or("STORE", "memory:")?;
        let store = store.parse().map_err(|error| {
            // A URL may hold a password, even one that cannot be read.
            let shown = store
                .split_once("://")
                .map_or(&*store, |(scheme, _)| scheme);
            format!("STORE={shown}: {error}")
        })?;
        let listen = or("LISTEN", "127.0.0.1:8080")?;
        let listen = listen
            .parse()
            .map_err(|error| format!("LISTEN={listen}: {error}"))?;
        let account = Account {
            url: base_url(&required("PROVIDER_URL")?)?,
            api_key: required("PROVIDER_KEY")?,
        };
        let secret = or(
            "SHOP_SECRET",
            &format!("checkout order keys of {}", account.api_key),
        )?;
        let level = or("RUST_LOG", "info")?;
        Ok(Self {
            listen,
            account,
            store,
            secret: DerivationSecret::new(secret)
                .map_err(|error| format!("SHOP_SECRET: {error}"))?,
            senders: Senders::read(&variable)?,
            level: level.parse().unwrap_or(LevelFilter::INFO),
        })
    }
}

/// A URL that paths can be appended to.
fn base_url(text: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("PROVIDER_URL={text}: {why}");
    let url: Uri = text.parse().map_err(|error| wrong(&format!("{error}")))?;
    match url.scheme_str() {
        Some("http" | "https") if url.host().is_some_and(|host| !host.is_empty()) => {}
        _ => return Err(wrong("must be an absolute http or https URL")),
    }
    if url.query().is_some() {
        return Err(wrong("must not have a query"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Serves until it is told to stop, then drains.
pub(super) async fn run() -> Result<(), BoxError> {
    let config = Config::read(|name| env::var(name))?;
    log(config.level);
    let store = config.store.open().await;
    let store = store.map_err(|error| Unopened(config.store.clone(), error))?;
    let shop = open(&config, store)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("LISTEN={}: {error}", config.listen))?;
    host(&shop, listener, std::future::pending()).await
}

/// The store could not be opened.
#[derive(Debug)]
struct Unopened(Location, StoreError);

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "STORE={}", self.0)
    }
}

impl Error for Unopened {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.1)
    }
}

/// Logs to standard error: the shop's own events, and the layers' at the level `debug`.
fn log(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

fn open(config: &Config, store: Store) -> Result<Shop, BoxError> {
    let settings = shop::Settings {
        senders: config.senders.clone(),
        ..shop::Settings::new(LAGS, SCHEDULE)
    };
    let secret = config.secret.clone();
    Shop::open(settings, &LIMITS, circuit(), &config.account, store, secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found
                .map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent)
        };
        Config::read(find).map_err(|error| error.to_string())
    }

    #[test]
    fn the_address_and_the_store_have_defaults_and_the_rest_is_required() {
        let provider = ("PROVIDER_URL", "https://api.example.com/");
        let config = read(&[provider, ("PROVIDER_KEY", "sk")]).unwrap();
        assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(config.account.url, "https://api.example.com");
        assert_eq!(read(&[provider]).err().unwrap(), "PROVIDER_KEY is not set");
        assert_eq!(
            read(&[("PROVIDER_KEY", "sk")]).err().unwrap(),
            "PROVIDER_URL is not set"
        );
        assert_eq!(
            read(&[provider, ("PROVIDER_KEY", " ")]).err().unwrap(),
            "PROVIDER_KEY is not set"
        );
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused_and_not_shown() {
        let error = read(&[
            ("SHOP_SECRET", "tea"),
            ("PROVIDER_URL", "http://a"),
            ("PROVIDER_KEY", "sk"),
        ]);
        let error = error.err().unwrap();
        assert!(
            error.starts_with("SHOP_SECRET: ") && !error.contains("tea"),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (name, value) in [
            ("STORE", "orders.db"),
            ("LISTEN", "8080"),
            ("PROVIDER_URL", "api.example.com"),
            ("PROVIDER_URL", "ftp://api.example.com"),
            ("PROVIDER_URL", "https://api.example.com/?a=b"),
        ] {
            let error = read(&[
                (name, value),
                ("PROVIDER_URL", "http://a"),
                ("PROVIDER_KEY", "sk"),
            ])
            .err()
            .unwrap();
            assert!(error.starts_with(&format!("{name}={value}")), "{error}");
        }
    }
}
