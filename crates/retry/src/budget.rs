use std::sync::Arc;

use tokio::time::Instant;

use crate::window::{SLICES, Window};

/// What one retry costs; a success earns as many of these as the budget has percent.
const RETRY: u64 = 100;

/// How many retries a layer may add to the load, shared by all its clones.
///
/// A retry policy without a budget multiplies the load just when the peer can bear least: three
/// attempts each are three times the traffic. The budget ties retries to successes. Each success
/// earns a part of a retry; a reserve lets callers with little traffic retry all the same. Both
/// are counted over the last 10 seconds, in slices of one second, so that a window ends between 9
/// and 10 seconds ago. A retry is paid when it is decided, before its backoff; what was
/// spent and what was earned fall out of the window alike. First attempts are free and never wait.
///
/// The layer books a call that was answered without any waiting, as none over a network is, with the
/// next look at the clock: at most 64 of them stand unbooked.
///
/// All arithmetic is in whole numbers: 30 % of 1000 successes are exactly 300 retries.
///
/// Clones share one account; [`isolated`](Self::isolated) opens another.
#[derive(Clone, Debug)]
pub struct Budget(Option<Arc<Account>>);

#[derive(Debug)]
struct Account {
    percent: u32,
    reserve_per_second: u32,
    /// Slice 0 begins here.
    origin: Instant,
    window: Window,
}

impl Budget {
    /// Retries up to `percent` of the successes, and a reserve of so many per second.
    ///
    /// The reserve holds 10 seconds' worth, all of which may be spent at once.
    #[must_use]
    pub fn new(percent: u32, reserve_per_second: u32) -> Self {
        Self(Some(Arc::new(Account {
            percent,
            reserve_per_second,
            origin: Instant::now(),
            window: Window::default(),
        })))
    }

    /// For payments: 20 % of the successes, and a reserve of 1 per second.
    #[must_use]
    pub fn payments() -> Self {
        Self::new(20, 1)
    }

    /// No limit. Only the attempts of each operation are bounded then.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self(None)
    }

    /// A new account with the same terms, that nothing was earned or spent on.
    #[must_use]
    pub fn isolated(&self) -> Self {
        match &self.0 {
            Some(account) => Self::new(account.percent, account.reserve_per_second),
            None => Self::unlimited(),
        }
    }

    /// Records a success at `now`. Takes no lock and allocates nothing.
    pub fn deposit(&self, now: Instant) {
        if let Some(account) = &self.0 {
            let slice = account.slice(now);
            account.window.book(slice);
            account.window.succeeded(slice, 1);
        }
    }

    /// Records a success without a look at the clock; false if it is time for one.
    #[inline]
    pub(crate) fn deposit_lately(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|account| account.window.succeeded_lately())
    }

    /// Pays for one retry at `now`, or refuses it.
    #[must_use]
    pub fn withdraw(&self, now: Instant) -> bool {
        self.0.as_ref().is_none_or(|account| {
            account
                .window
                .try_retry(account.slice(now), |successes, retries| {
                    account.balance(successes, retries) > 0
                })
        })
    }

    /// The retries that could be paid for at `now`; `None` if there is no limit.
    #[must_use]
    pub fn balance(&self, now: Instant) -> Option<u64> {
        self.0.as_ref().map(|account| {
            let (successes, retries) = account.window.counts(account.slice(now));
            account.balance(successes, retries)
        })
    }

    /// Whether a success has to be recorded at all.
    pub(crate) const fn is_limited(&self) -> bool {
        self.0.is_some()
    }
}

/// 20 % of the successes, and a reserve of 10 per second: a burst of 100.
impl Default for Budget {
    fn default() -> Self {
        Self::new(20, 10)
    }
}

impl Account {
    /// Seconds since the origin: 136 years fit.
    fn slice(&self, now: Instant) -> u32 {
        u32::try_from(now.duration_since(self.origin).as_secs()).unwrap_or(u32::MAX)
    }

    fn balance(&self, successes: u64, retries: u64) -> u64 {
        let reserve = u64::from(self.reserve_per_second) * u64::from(SLICES);
        let earned = successes.saturating_mul(u64::from(self.percent)) / RETRY;
        reserve.saturating_add(earned).saturating_sub(retries)
    }
}
