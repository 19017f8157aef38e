use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A source of random numbers, shared by all who draw from it.
///
/// A closure `Fn() -> u64` is one. Jitter needs no cryptographic strength.
pub trait Random {
    /// 64 uniformly distributed bits.
    fn next_u64(&self) -> u64;
}

impl<F: Fn() -> u64> Random for F {
    fn next_u64(&self) -> u64 {
        self()
    }
}

/// The default source: a small generator of the current thread, seeded by the operating system.
#[must_use]
pub fn thread_random() -> u64 {
    fastrand::u64(..)
}

/// Uniform in `[low, high)`, or `low` where that is empty.
pub(crate) fn between(low: Duration, high: Duration, random: &(impl Random + ?Sized)) -> Duration {
    let span = high.saturating_sub(low);
    low.saturating_add(scale(span, random.next_u64()))
}

/// `span × fraction / 2⁶⁴`, exact to the nanosecond below, so always less than a `span` above zero.
fn scale(span: Duration, fraction: u64) -> Duration {
    let nanos = span.as_nanos();
    let fraction = u128::from(fraction);
    // Split, for the product of a long span and 2⁶⁴ exceeds 128 bits.
    let (high, low) = (nanos >> 64, nanos & u128::from(u64::MAX));
    let scaled = high * fraction + ((low * fraction) >> 64);
    // No more than `nanos`, so both parts fit.
    Duration::new(
        u64::try_from(scaled / NANOS_PER_SECOND).unwrap_or(u64::MAX),
        u32::try_from(scaled % NANOS_PER_SECOND).unwrap_or_default(),
    )
}
