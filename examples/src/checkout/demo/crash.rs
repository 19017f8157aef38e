//! A demonstration in which the shop is killed again and again, at random points.
//!
//! Half of the orders are placed at a shop that executes a lost request again, the other half at one
//! that looks up what became of it. Before each kill some more orders are let in, so that there is
//! something to kill all the time; after the last one the shop lives until all are settled.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use buttress_classify::BoxError;
use fastrand::Rng;
use tokio::sync::Semaphore;

use super::child::Child;
use super::lives::{Shops, Span};
use super::place::Place;
use super::progress::Progress;
use super::{Buyers, Order, PATIENCE, Receipt, Seen, Stage};
use crate::checkout::cli::{DemoArgs, Orphans};
use crate::checkout::report::{Crash, Report, Round};
use crate::checkout::shop::Status;

/// The longest life of a shop that is killed while it opens, and of one that has opened.
const OPENING_MS: u64 = 60;
const OPEN_MS: u64 = 250;
/// One kill of so many hits a shop that opens.
const OPENINGS: u8 = 8;

/// One run, and what came of it so far.
struct Crashing<'a> {
    args: &'a DemoArgs,
    provider: &'a Child,
    place: Place,
    random: Rng,
    receipts: Vec<Receipt>,
    seen: Seen,
    counted: Status,
    crash: Crash,
}

/// Runs it.
pub(super) async fn run(
    args: &DemoArgs,
    kills: u32,
    provider: &Child,
    stage: Stage,
) -> Result<Report, BoxError> {
    let place = Place::new(args.store.as_ref())?;
    let orders = place.orders(args.orders).await?;
    let mut crashing = Crashing {
        args,
        provider,
        place,
        random: Rng::with_seed(stage.seed),
        receipts: Vec::new(),
        seen: Seen::default(),
        counted: Status::default(),
        crash: Crash::default(),
    };
    let done = crashing.rounds(&orders, kills, stage.seed).await;
    let report = match done {
        Ok(()) => crashing.report(stage).await,
        Err(error) => Err(error),
    };
    if report.as_ref().is_ok_and(Report::is_exact) {
        return report;
    }
    crashing.place.keep();
    report
}

impl Crashing<'_> {
    /// Half of the orders, and of the kills, for each way to treat lost requests.
    async fn rounds(&mut self, orders: &[Order], kills: u32, seed: u64) -> Result<(), BoxError> {
        let (first, second) = orders.split_at(orders.len().div_ceil(2));
        let kills = match second {
            [] => [kills, 0],
            _ => [kills.div_ceil(2), kills / 2],
        };
        self.round(Orphans::ReExecute, first, kills[0], seed)
            .await?;
        self.round(Orphans::Refuse, second, kills[1], seed).await
    }

    async fn report(&mut self, stage: Stage) -> Result<Report, BoxError> {
        let book = self.provider.book().await?;
        let mut status = std::mem::take(&mut self.counted);
        // What a shop sent after it was last asked is known to the provider alone.
        status.attempts = book.requests;
        let run = stage.run(self.args, stage.started.elapsed(), None);
        let mut report = Report::audit(&run, &self.receipts, self.seen, &status, &book);
        report.crash = Some(std::mem::take(&mut self.crash));
        Ok(report)
    }

    /// Places these orders at a shop that is killed so many times.
    async fn round(
        &mut self,
        orphans: Orphans,
        orders: &[Order],
        kills: u32,
        seed: u64,
    ) -> Result<(), BoxError> {
        if orders.is_empty() {
            return Ok(());
        }
        let mut shops = Shops::new(self.place.shops(), &self.arguments(orphans));
        let admission = Arc::new(Semaphore::new(0));
        let patience = PATIENCE + kills * Duration::from_secs(1);
        let buyers = Buyers::at(shops.address(), self.args.concurrency, patience, seed);
        let buyers = buyers.admitted_by(Arc::clone(&admission));
        let killed = Cell::new(0);
        let total = u32::try_from(orders.len())?;
        let progress = Progress::new(total, || {
            format!("{}, {} of {kills} kills", orphans.name(), killed.get())
        });
        let mut round = Round::new(orphans.into(), total);

        let killing = async {
            for kill in 1..=kills {
                admission.add_permits(share(orders.len(), kill, kills));
                shops.live_and_die(|| self.span()).await?;
                killed.set(kill);
                let census = self.place.location.census().await?;
                round.count(&census, &mut self.crash);
            }
            // Everybody is let in.
            admission.close();
            shops.begin().await?;
            Ok::<_, BoxError>(shops)
        };
        let buying = async {
            let receipts = buyers.place_all(orders.to_vec(), |_| progress.step());
            Ok(receipts.await)
        };
        let (receipts, mut shops) = tokio::try_join!(buying, killing)?;
        shops.ask().await?;
        // Every answer was acknowledged before this, and is there after it.
        shops.die().await?;
        shops.begin().await?;
        buyers.recall().await;
        progress.finish();

        self.counted.add(&shops.end().await?);
        self.receipts.extend(receipts);
        self.seen += buyers.seen();
        round.slips = self.place.slips(orders)?;
        self.crash.rounds.push(round);
        Ok(())
    }

    fn arguments(&self, orphans: Orphans) -> Vec<String> {
        let Place {
            location, slips, ..
        } = &self.place;
        let (store, slips) = (location.secret(), slips.display().to_string());
        let named = [
            ("--provider", self.provider.url()),
            ("--store", &store),
            ("--orphans", orphans.name()),
            ("--slips", &slips),
        ];
        let named = named.iter().flat_map(|(name, value)| [*name, *value]);
        std::iter::once("shop")
            .chain(named)
            .map(str::to_owned)
            .collect()
    }

    fn span(&mut self) -> Span {
        let random = &mut self.random;
        if random.u8(..OPENINGS) == 0 {
            Span::FromStart(Duration::from_millis(random.u64(..=OPENING_MS)))
        } else {
            Span::Open(Duration::from_millis(random.u64(..=OPEN_MS)))
        }
    }
}

/// How many orders are let in before this kill: of so many equal shares one is left for after the last.
fn share(orders: usize, kill: u32, kills: u32) -> usize {
    let up_to = |kill: u32| orders * kill as usize / (kills as usize + 1);
    up_to(kill) - up_to(kill - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_each_kill_some_orders_are_let_in_and_some_are_left() {
        let shares = |orders, kills| {
            let shares = (1..=kills).map(|kill| share(orders, kill, kills));
            shares.collect::<Vec<_>>()
        };
        assert_eq!(shares(12, 2), [4, 4]);
        assert_eq!(shares(5, 3), [1, 1, 1]);
        assert_eq!(shares(100, 200).iter().sum::<usize>(), 99);
    }
}
