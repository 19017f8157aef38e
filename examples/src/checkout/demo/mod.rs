//! The demonstration: a provider in a process of its own, a shop, buyers, and an audit at the end.
//!
//! ```text
//! buyers       all of them, and what they were told
//!   buyer        one of them, until his order is settled
//!   habit        what he does that a shop wishes he did not
//!   seen         what they saw
//!   browser      a plain HTTP client
//! child        the provider's process
//! progress     what is shown meanwhile
//! ```

mod browser;
mod buyer;
mod buyers;
mod child;
mod habit;
mod progress;
mod seen;

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_circuit_breaker::CircuitBreakerLayer;
use buttress_classify::BoxError;
use buttress_key::DerivationSecret;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

pub use self::buyers::{Address, Buyers, Order, Receipt};
use self::child::Child;
use self::progress::Progress;
pub use self::seen::Seen;
use super::cli::DemoArgs;
use super::report::{Outage, Report, Run};
use super::shop::reconcile::Lags;
use super::shop::stack::Limits;
use super::shop::store::Store;
use super::shop::{self, Account, Shop, breaker};

/// The key that the provider gave to the shop.
pub const API_KEY: &str = "sk_test_checkout";

/// Short enough that a provider that hangs does not make a demonstration long.
pub const LIMITS: Limits = Limits {
    attempt: Duration::from_secs(1),
    operation: Duration::from_secs(10),
    concurrency: 64,
};

/// What the provider of the demonstration keeps to: it hangs for 2.5 s, and indexes within 0.3 s.
pub const LAGS: Lags = Lags {
    execution: Duration::from_secs(4),
    indexing: Duration::from_millis(500),
};

/// Unknown orders are looked into after a quarter of a second, then less and less often.
pub const SCHEDULE: Backoff = Backoff::exponential(Duration::from_millis(250))
    .cap(Duration::from_secs(2))
    .jitter(Jitter::Equal);

/// Opens after so many failures in a row: of an outage, dozens of calls meet nothing else within a
/// second, and of the severe plan, most of whose attempts fail, hardly any so many.
const FAILURES: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);

/// The circuit: open for a quarter of a second at first and for a second at most, so that a provider
/// that fails most probes after an outage, as the severe plan has it, is not left alone for long.
pub fn circuit() -> breaker::Settings {
    CircuitBreakerLayer::http()
        .consecutive_failures(FAILURES)
        .no_failure_ratio()
        .open_for(Duration::from_millis(250))
        .max_open(Duration::from_secs(1))
}

/// An outage begins when one in so many orders is settled.
const OUTAGE_AFTER: u32 = 4;

/// By how much an outage may end too late.
const LATENESS: Duration = Duration::from_secs(5);

/// Buyers who have waited this long, and as long again as an outage lasts, give up; their order
/// counts as unpaid.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs it, prints the report, and says how it went.
pub(super) async fn run(args: &DemoArgs) -> Result<ExitCode, BoxError> {
    let seed = args.seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
    let child = Child::start(&std::env::current_exe()?, seed, args.faults).await?;
    let started = Instant::now();
    let store = args.store.open().await?;
    let (shop, address) = open(child.url(), store).await?;

    let orders = (1..=args.orders).map(Order::number).collect();
    let progress = Progress::new(args.orders, &shop);
    let settled = watch::Sender::new(0);
    let length = args.outage.map(Duration::from_secs);
    let patience = PATIENCE + length.unwrap_or_default();
    let buyers = Buyers::at(&address, args.concurrency, patience, seed);
    let buying = buyers.place_all(orders, |_| {
        progress.step();
        settled.send_modify(|settled| *settled += 1);
    });
    let outage = async {
        match length {
            Some(length) => outage(&child, length, &settled, args.orders)
                .await
                .map(Some),
            None => Ok(None),
        }
    };
    let (((receipts, seen), wall), outage) =
        tokio::join!(async { (buying.await, started.elapsed()) }, outage);
    progress.finish();

    let run = Run {
        orders: args.orders,
        concurrency: args.concurrency,
        faults: args.faults,
        seed,
        started,
        wall,
        outage: outage?,
    };
    let report = Report::audit(
        &run,
        &receipts,
        seen,
        &shop.status().await?,
        &child.book().await?,
    );
    if args.json {
        println!("{}", report.to_json());
    } else {
        print!("{}", report.to_table());
    }
    Ok(ExitCode::from(report.exit_code()))
}

/// Takes the provider down once some of the orders are settled, and returns when it is back.
async fn outage(
    child: &Child,
    length: Duration,
    settled: &watch::Sender<u32>,
    orders: u32,
) -> Result<Outage, BoxError> {
    let enough = |&settled: &u32| settled >= orders / OUTAGE_AFTER;
    settled.subscribe().wait_for(enough).await?;
    let began = Instant::now();
    child.take_down(length).await?;
    sleep_until(began + length).await;
    // It began a little later than the call that asked for it, and so it ends.
    timeout(LATENESS, child.is_back()).await?;
    Ok(Outage { began, length })
}

/// Opens the shop against the provider at `url`; also where it listens.
async fn open(url: &str, store: Store) -> Result<(Shop, String), BoxError> {
    let settings = shop::Settings::new(LAGS, SCHEDULE);
    let secret = DerivationSecret::new("a secret of the demonstration")?;
    let account = Account {
        url: url.to_owned(),
        api_key: API_KEY.to_owned(),
    };
    let shop = Shop::open(settings, &LIMITS, circuit(), &account, store, secret)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let routes = shop::router(shop.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    tokio::spawn(shop.clone().tend());
    Ok((shop, address))
}
