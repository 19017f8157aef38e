//! Where the shops of a run with crashes keep what outlives them.

use std::fs;
use std::path::{Path, PathBuf};

use buttress_classify::BoxError;

use super::{Order, orders_after};
use crate::checkout::shop::store::Location;

/// How many processes the shop has on a store that they can share.
const SHOPS: usize = 3;

/// What the shops of a run leave behind.
pub(super) struct Place {
    pub(super) location: Location,
    pub(super) slips: PathBuf,
    /// Deleted in the end, if it is of this run alone and nobody has to look into it.
    folder: Option<PathBuf>,
    /// Whether there may be orders of earlier runs.
    is_old: bool,
}

impl Place {
    /// Where the user wants it, or in a new folder.
    pub(super) fn new(wanted: Option<&Location>) -> Result<Self, BoxError> {
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
                    is_old: true,
                })
            }
            #[cfg(feature = "sqlite")]
            None => {
                let folder = new_folder()?;
                Ok(Self {
                    location: Location::Sqlite(folder.join("shop.db")),
                    slips: folder.join("slips"),
                    folder: Some(folder),
                    is_old: false,
                })
            }
            #[cfg(any(feature = "postgres", feature = "redis"))]
            Some(server) => {
                let folder = new_folder()?;
                Ok(Self {
                    location: server.clone(),
                    slips: folder.join("slips"),
                    folder: Some(folder),
                    is_old: true,
                })
            }
            #[cfg(not(feature = "sqlite"))]
            None => Err("--crash needs a store that outlives a process: the feature sqlite".into()),
        }
    }

    /// Leaves all of it to be looked into.
    pub(super) fn keep(&mut self) {
        if let Some(folder) = self.folder.take() {
            eprintln!("what the shops left is in {}", folder.display());
        }
    }

    /// The next so many orders.
    pub(super) async fn orders(&self, count: u32) -> Result<Vec<Order>, BoxError> {
        if !self.is_old {
            return Ok((1..=count).map(Order::number).collect());
        }
        let store = self.location.open().await?;
        orders_after(&*store.rows, count).await
    }

    /// How many processes the shop has at a time.
    pub(super) fn shops(&self) -> usize {
        if self.location.is_shared() { SHOPS } else { 1 }
    }

    /// How many slips were printed for these orders, and how many of them for an order that had one.
    pub(super) fn slips(&self, orders: &[Order]) -> Result<(u64, u64), BoxError> {
        let printed = read(&self.slips)?;
        let of = |order: &Order| printed.lines().filter(|id| *id == order.id).count() as u64;
        let counts = orders.iter().map(of);
        Ok(counts.fold((0, 0), |(all, again), count| {
            (all + count, again + count.saturating_sub(1))
        }))
    }
}

#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
fn new_folder() -> Result<PathBuf, BoxError> {
    let name = format!("checkout-{}-{:08x}", std::process::id(), fastrand::u32(..));
    let folder = std::env::temp_dir().join(name);
    fs::create_dir(&folder)?;
    Ok(folder)
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
