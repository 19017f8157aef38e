//! The demonstration: a provider in a process of its own, a shop, buyers, and an audit at the end.

mod buyers;
mod child;
mod progress;

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_classify::BoxError;
use buttress_key::DerivationSecret;
use tokio::net::TcpListener;
use tokio::time::Instant;

pub use self::buyers::{Order, Receipt, place_all};
use self::child::Child;
use self::progress::Progress;
use super::cli::DemoArgs;
use super::report::{Report, Run};
use super::shop::reconcile::Lags;
use super::shop::stack::Limits;
use super::shop::{self, Shop};

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

/// Buyers who have waited this long give up; their order counts as unpaid.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs it, prints the report, and says how it went.
pub(super) async fn run(args: &DemoArgs) -> Result<ExitCode, BoxError> {
    let seed = args.seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
    let child = Child::start(&std::env::current_exe()?, seed, args.faults).await?;
    let started = Instant::now();
    let (shop, address) = open(child.url()).await?;

    let orders = (1..=args.orders).map(Order::number).collect();
    let progress = Progress::new(args.orders, &shop);
    let receipts = place_all(&address, orders, args.concurrency, PATIENCE, |_| {
        progress.step();
    })
    .await;
    progress.finish();

    let run = Run {
        orders: args.orders,
        concurrency: args.concurrency,
        faults: args.faults,
        seed,
        wall: started.elapsed(),
    };
    let report = Report::audit(&run, &receipts, &shop.status(), &child.book().await?);
    if args.json {
        println!("{}", report.to_json());
    } else {
        print!("{}", report.to_table());
    }
    Ok(ExitCode::from(report.exit_code()))
}

/// Opens the shop against the provider at `url`; also where it listens.
async fn open(url: &str) -> Result<(Shop, String), BoxError> {
    let settings = shop::Settings::new(LAGS, SCHEDULE);
    let secret = DerivationSecret::new("a secret of the demonstration")?;
    let shop = Shop::open(settings, &LIMITS, url, API_KEY, secret)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let routes = shop::router(shop.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok((shop, address))
}
