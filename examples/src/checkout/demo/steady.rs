//! The usual demonstration: the shop is in this process, and lives until the end.

use std::net::Ipv4Addr;
use std::time::Duration;

use buttress_classify::BoxError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::child::Child;
use super::progress::Progress;
use super::{Buyers, PATIENCE, Stage, orders_after, shop_at};
use crate::checkout::cli::DemoArgs;
use crate::checkout::report::{Outage, Report};
use crate::checkout::shop::store::Location;
use crate::checkout::shop::{self, Settings, Shop};

/// An outage begins when one in so many orders is settled.
const OUTAGE_AFTER: u32 = 4;

/// By how much an outage may end too late.
const LATENESS: Duration = Duration::from_secs(5);

/// How long after the last order the provider may still tell of it.
const TELLING: Duration = Duration::from_secs(20);

/// Runs it.
pub(super) async fn run(
    args: &DemoArgs,
    settings: Settings,
    provider: &Child,
    stage: Stage,
) -> Result<Report, BoxError> {
    let location = args.store.clone().unwrap_or(Location::Memory);
    let store = location.open().await?;
    let orders = orders_after(&*store.rows, args.orders).await?;
    let shop = shop_at(provider.url(), settings, store)?;
    let address = serve(&shop).await?;
    provider.tells(&address).await?;

    let counted = shop.clone();
    let progress = Progress::new(args.orders, move || told(&counted));
    let settled = watch::Sender::new(0);
    let length = args.outage.map(Duration::from_secs);
    let patience = PATIENCE + length.unwrap_or_default();
    let buyers = Buyers::at(&*address, args.concurrency, patience, stage.seed);
    let buying = async {
        let receipts = buyers.place_all(orders, |_| {
            progress.step();
            settled.send_modify(|settled| *settled += 1);
        });
        (receipts.await, stage.started.elapsed())
    };
    let outage = async {
        match length {
            Some(length) => outage(provider, length, &settled, args.orders)
                .await
                .map(Some),
            None => Ok(None),
        }
    };
    let ((receipts, wall), outage) = tokio::join!(buying, outage);
    buyers.recall().await;
    progress.finish();

    // What is not told in so long is in the book as pending.
    let _ = timeout(TELLING, provider.has_told()).await;

    let run = stage.run(args, wall, outage?);
    let book = provider.book().await?;
    let status = shop.status().await?;
    Ok(Report::audit(
        &run,
        &receipts,
        buyers.seen(),
        &status,
        &book,
    ))
}

/// Lets the shop be found; returns where.
async fn serve(shop: &Shop) -> Result<String, BoxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let routes = shop::router(shop.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    tokio::spawn(shop.clone().tend());
    Ok(address)
}

/// What is told while it runs.
fn told(shop: &Shop) -> String {
    let status = shop.counted();
    let retries: u64 = status.retries.values().sum();
    let circuit = match status.breaker.state {
        Some(state) if state != buttress_circuit_breaker::State::Closed => {
            format!(", circuit {}", state.as_str().replace('_', " "))
        }
        _ => String::new(),
    };
    format!(
        "{retries} retries, {} reconciled{circuit}",
        status.reconciled
    )
}

/// Takes the provider down once some of the orders are settled, and returns when it is back.
async fn outage(
    provider: &Child,
    length: Duration,
    settled: &watch::Sender<u32>,
    orders: u32,
) -> Result<Outage, BoxError> {
    let enough = |&settled: &u32| settled >= orders / OUTAGE_AFTER;
    settled.subscribe().wait_for(enough).await?;
    let began = Instant::now();
    provider.take_down(length).await?;
    sleep_until(began + length).await;
    // It began a little later than the call that asked for it, and so it ends.
    timeout(LATENESS, provider.is_back()).await?;
    Ok(Outage { began, length })
}
