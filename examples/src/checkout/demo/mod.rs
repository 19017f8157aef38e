//! The demonstration: a provider in a process of its own, a shop, buyers, and an audit at the end.
//!
//! ```text
//! buyers       all of them, and what they were told
//!   buyer        one of them, until his order is settled
//!   habit        what he does that a shop wishes he did not
//!   seen         what they saw
//!   browser      a plain HTTP client
//! steady       a run in which the shop lives until the end
//! crash        a run in which it is killed again and again
//!   lives        its processes, and what they counted
//!   place        what outlives them
//! child        the provider's process
//! process      a process of this program
//! progress     what is shown meanwhile
//! ```

mod browser;
mod buyer;
mod buyers;
mod child;
mod crash;
mod habit;
mod lives;
mod place;
mod process;
mod progress;
mod seen;
mod steady;

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_circuit_breaker::CircuitBreakerLayer;
use buttress_classify::BoxError;
use buttress_key::DerivationSecret;
use tokio::net::TcpListener;
use tokio::time::Instant;

pub use self::buyers::{Address, Buyers, Order, Receipt};
use self::child::Child;
pub use self::seen::Seen;
use super::cli::{DemoArgs, ShopArgs};
use super::host::host;
use super::input_ends;
use super::report::{Outage, Run};
use super::shop::reconcile::Lags;
use super::shop::stack::Limits;
use super::shop::store::{RowStore, Store};
use super::shop::webhooks::Senders;
use super::shop::{Account, Settings, Shop, Slips, breaker};

const PAGE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// The key that the provider gave to the shop.
pub const API_KEY: &str = "sk_test_checkout";

/// What the provider of the demonstration signs its webhooks with.
const WEBHOOK_SECRET: &str = "whsec_checkout_demo";

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

/// Buyers who have waited this long, and as long again as an outage lasts, give up; their order
/// counts as unpaid.
const PATIENCE: Duration = Duration::from_secs(100);

/// What all of a run's report is about.
#[derive(Clone, Copy)]
struct Stage {
    seed: u64,
    started: Instant,
}

impl Stage {
    fn run(self, args: &DemoArgs, wall: Duration, outage: Option<Outage>) -> Run {
        Run {
            orders: args.orders,
            concurrency: args.concurrency,
            faults: args.faults,
            seed: self.seed,
            started: self.started,
            wall,
            outage,
        }
    }
}

/// How long the processes of a shop wait for one of them that was killed.
const SHARED_LEASE: Duration = Duration::from_secs(2);

/// Runs it, prints the report, and says how it went.
pub(super) async fn run(args: &DemoArgs) -> Result<ExitCode, BoxError> {
    let seed = args.seed.unwrap_or_else(|| {
        let seed = u64::from(fastrand::u32(..));
        // At once: a run that never comes to its report must be repeatable too.
        eprintln!("seed {seed}");
        seed
    });
    let provider = Child::start(seed, args.faults).await?;
    let stage = Stage {
        seed,
        started: Instant::now(),
    };
    let report = match args.crash {
        None => steady::run(args, settings()?, &provider, stage).await?,
        Some(kills) => crash::run(args, kills, &provider, stage).await?,
    };
    let told = if args.json {
        format!("{}\n", report.to_json())
    } else {
        report.to_table()
    };
    // That nobody listens any more, as behind `head`, is no fault of the run.
    let mut out = io::stdout().lock();
    let _ = out.write_all(told.as_bytes()).and_then(|()| out.flush());
    Ok(ExitCode::from(report.exit_code()))
}

/// How the shop of the demonstration behaves.
fn settings() -> Result<Settings, BoxError> {
    Ok(Settings {
        senders: Senders::provider(WEBHOOK_SECRET)?,
        ..Settings::new(LAGS, SCHEDULE)
    })
}

/// A shop in front of the provider at `url`.
fn shop_at(url: &str, settings: Settings, store: Store) -> Result<Shop, BoxError> {
    let secret = DerivationSecret::new("a secret of the demonstration")?;
    let account = Account {
        url: url.to_owned(),
        api_key: API_KEY.to_owned(),
    };
    Shop::open(settings, &LIMITS, circuit(), &account, store, secret)
}

/// `checkout shop`: the shop of a demonstration in a process of its own.
pub(super) async fn keep_shop(args: ShopArgs) -> Result<(), BoxError> {
    let mut settings = Settings {
        orphans: args.orphans.into(),
        slips: args.slips.map(|path| Slips::open(&path)).transpose()?,
        ..settings()?
    };
    if args.store.is_shared() {
        // A file frees what a dead process held when it is opened; others wait for the lease's end.
        settings.lease = SHARED_LEASE;
    }
    let shop = shop_at(&args.provider, settings, args.store.open().await?)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let told = async move {
        if args.with_parent {
            input_ends().await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    host(&shop, listener, told).await
}

/// Numbers for the next `count` orders: those of earlier runs in the same store are settled.
async fn orders_after(rows: &dyn RowStore, count: u32) -> Result<Vec<Order>, BoxError> {
    let (mut last, mut after) = (0, None);
    loop {
        let page = rows.page(after.as_deref(), PAGE).await?;
        if let Some(row) = page.iter().find(|row| !row.is_final()) {
            let id = &row.order.id;
            return Err(
                format!("{id} of an earlier run is not settled, and its provider is gone").into(),
            );
        }
        let numbers = page
            .iter()
            .filter_map(|row| row.order.id.strip_prefix("order-")?.parse().ok());
        last = numbers.max().unwrap_or(0).max(last);
        match page.last() {
            Some(row) => after = Some(row.order.id.clone()),
            None => break,
        }
    }
    Ok((last + 1..=last + count).map(Order::number).collect())
}
