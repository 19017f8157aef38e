//! A demonstration in which the shop is killed again and again, at random points.
//!
//! Half of the orders are placed at a shop that executes a lost request again, the other half at one
//! that looks up what became of it. Before each kill some more orders are let in, so that there is
//! something to kill all the time; after the last one the shop lives until all are settled.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use buttress_classify::BoxError;
use fastrand::Rng;
use tokio::sync::Semaphore;

use super::child::Child;
use super::lives::{Lives, Span};
use super::progress::Progress;
use super::{Buyers, Order, PATIENCE, Receipt, Seen, Stage, orders_after};
use crate::checkout::cli::{DemoArgs, Orphans};
use crate::checkout::report::{Crash, Report, Round};
use crate::checkout::shop::Status;
use crate::checkout::shop::store::Location;

/// The longest life of a shop that is killed while it opens, and of one that has opened.
const OPENING_MS: u64 = 60;
const OPEN_MS: u64 = 250;
/// One kill of so many hits a shop that opens.
const OPENINGS: u8 = 8;

/// What the shops of a run leave behind.
struct Place {
    location: Location,
    slips: PathBuf,
    /// Deleted in the end, if it is of this run alone.
    folder: Option<PathBuf>,
}

/// One run, and what came of it so far.
struct Crashing<'a> {
    args: &'a DemoArgs,
    provider: &'a Child,
    place: &'a Place,
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
        place: &place,
        random: Rng::with_seed(stage.seed),
        receipts: Vec::new(),
        seen: Seen::default(),
        counted: Status::default(),
        crash: Crash::default(),
    };
    let (first, second) = orders.split_at(orders.len().div_ceil(2));
    let kills = match second {
        [] => [kills, 0],
        _ => [kills.div_ceil(2), kills / 2],
    };
    crashing
        .round(Orphans::ReExecute, first, kills[0], stage.seed)
        .await?;
    crashing
        .round(Orphans::Refuse, second, kills[1], stage.seed)
        .await?;

    let book = provider.book().await?;
    let mut status = crashing.counted;
    // What a shop sent after it was last asked is known to the provider alone.
    status.attempts = book.requests;
    let run = stage.run(args, stage.started.elapsed(), None);
    let mut report = Report::audit(&run, &crashing.receipts, crashing.seen, &status, &book);
    report.crash = Some(crashing.crash);
    Ok(report)
}

impl Crashing<'_> {
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
        let mut lives = Lives::new(self.arguments(orphans));
        let admission = Arc::new(Semaphore::new(0));
        let patience = PATIENCE + kills * Duration::from_secs(1);
        let buyers = Buyers::at(lives.address(), self.args.concurrency, patience, seed);
        let buyers = buyers.admitted_by(Arc::clone(&admission));
        let killed = Cell::new(0);
        let total = u32::try_from(orders.len())?;
        let progress = Progress::new(total, || {
            format!("{}, {} of {kills} kills", orphans.name(), killed.get())
        });
        let mut round = Round::new(orphans.into(), total);

        let killing = async {
            for kill in 1..=kills {
                admit(&admission, orders.len(), kill, kills + 1);
                let span = self.span();
                lives.live_and_die(span).await?;
                killed.set(kill);
                let census = self.place.location.census().await?;
                round.count(&census, &mut self.crash);
            }
            admit(&admission, orders.len(), 1, 1);
            lives.begin().await?;
            Ok::<_, BoxError>(lives)
        };
        let buying = buyers.place_all(orders.to_vec(), |_| progress.step());
        let (receipts, lives) = tokio::join!(buying, killing);
        let mut lives = lives?;
        lives.ask().await?;
        // Every answer was acknowledged before this, and is there after it.
        lives.die().await?;
        lives.begin().await?;
        buyers.recall().await;
        progress.finish();

        self.counted.add(&lives.end().await?);
        self.receipts.extend(receipts);
        self.seen += buyers.seen();
        round.slips = self.place.slips(orders)?;
        self.crash.rounds.push(round);
        Ok(())
    }

    fn arguments(&self, orphans: Orphans) -> Vec<String> {
        let Place {
            location, slips, ..
        } = self.place;
        let (store, slips) = (location.to_string(), slips.display().to_string());
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

/// Lets in the next share of the orders: `part` of `parts` of them are in then.
fn admit(admission: &Semaphore, orders: usize, part: u32, parts: u32) {
    let up_to = |part: u32| orders * part as usize / parts as usize;
    let share = match parts {
        // All that are left: a permit too many lets nobody in twice.
        1 => orders,
        _ => up_to(part) - up_to(part - 1),
    };
    admission.add_permits(share);
}

impl Place {
    /// Where the user wants it, or in a new folder.
    fn new(wanted: Option<&Location>) -> Result<Self, BoxError> {
        match wanted {
            Some(Location::Memory) => Err("a crash leaves nothing of a shop in memory:".into()),
            #[cfg(feature = "sqlite")]
            Some(Location::Sqlite(file)) => {
                let mut slips = file.clone().into_os_string();
                slips.push(".slips");
                Ok(Self {
                    location: Location::Sqlite(file.clone()),
                    slips: slips.into(),
                    folder: None,
                })
            }
            #[cfg(feature = "sqlite")]
            None => {
                let name = format!("checkout-{}-{:08x}", std::process::id(), fastrand::u32(..));
                let folder = std::env::temp_dir().join(name);
                fs::create_dir(&folder)?;
                Ok(Self {
                    location: Location::Sqlite(folder.join("shop.db")),
                    slips: folder.join("slips"),
                    folder: Some(folder),
                })
            }
            #[cfg(not(feature = "sqlite"))]
            None => Err("--crash needs a store that outlives a process: the feature sqlite".into()),
        }
    }

    async fn orders(&self, count: u32) -> Result<Vec<Order>, BoxError> {
        if self.folder.is_some() {
            return Ok((1..=count).map(Order::number).collect());
        }
        let store = self.location.open().await?;
        orders_after(&*store.rows, count).await
    }

    /// How many slips were printed for these orders, and how many of them for an order that had one.
    fn slips(&self, orders: &[Order]) -> Result<(u64, u64), BoxError> {
        let printed = read(&self.slips)?;
        let of = |order: &Order| printed.lines().filter(|id| *id == order.id).count() as u64;
        let counts = orders.iter().map(of);
        Ok(counts.fold((0, 0), |(all, again), count| {
            (all + count, again + count.saturating_sub(1))
        }))
    }
}

fn read(path: &Path) -> Result<String, BoxError> {
    if path.exists() {
        Ok(fs::read_to_string(path)?)
    } else {
        Ok(String::new())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // Nobody needs it any more; at worst the system cleans it up.
            let _ = fs::remove_dir_all(folder);
        }
    }
}
