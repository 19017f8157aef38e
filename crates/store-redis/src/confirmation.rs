use std::num::NonZeroUsize;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value};

/// What has to confirm a change before a call says that it was made.
///
/// `Replicas` and `AppendOnlyFile` make a loss rarer and not impossible: a failover may still promote
/// a replica that was not among those that confirmed. A change that was made and not confirmed in
/// time is an error, [`Indeterminate`](buttress_store::StoreErrorKind::Indeterminate): it stands, and
/// the same call may be repeated with the same token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Confirmation {
    /// The append-only file of the primary has been synced to disk, and so many replicas have synced
    /// theirs (`WAITAOF`, Redis 7.2 or Valkey). Refused at start where the server has no such command or
    /// no such file.
    AppendOnlyFile {
        /// How many replicas besides.
        replicas: usize,
        /// For how long to wait; rounded up to whole milliseconds.
        within: Duration,
    },
    /// The primary's word is enough. The default.
    #[default]
    Primary,
    /// So many replicas have received it (`WAIT`).
    Replicas {
        /// How many.
        count: NonZeroUsize,
        /// For how long to wait; rounded up to whole milliseconds.
        within: Duration,
    },
}

impl Confirmation {
    /// The command that follows each change, on the same connection.
    pub(crate) fn command(&self) -> Option<Cmd> {
        match *self {
            Self::AppendOnlyFile { replicas, within } => {
                Some(wait_aof(replicas, milliseconds(within)))
            }
            Self::Primary => None,
            Self::Replicas { count, within } => {
                let mut command = redis::cmd("WAIT");
                command.arg(count.get()).arg(milliseconds(within));
                Some(command)
            }
        }
    }

    /// Whether what the command answered is enough.
    pub(crate) fn is_met_by(&self, answer: Value) -> bool {
        match *self {
            Self::AppendOnlyFile { replicas, .. } => <(usize, usize)>::from_redis_value(answer)
                .is_ok_and(|(local, remote)| local >= 1 && remote >= replicas),
            Self::Primary => true,
            Self::Replicas { count, .. } => {
                usize::from_redis_value(answer).is_ok_and(|found| found >= count.get())
            }
        }
    }

    /// How much longer a call may take.
    pub(crate) const fn within(&self) -> Duration {
        match *self {
            Self::AppendOnlyFile { within, .. } | Self::Replicas { within, .. } => within,
            Self::Primary => Duration::ZERO,
        }
    }

    pub(crate) const fn replicas(&self) -> usize {
        match *self {
            Self::AppendOnlyFile { replicas, .. } => replicas,
            Self::Primary => 0,
            Self::Replicas { count, .. } => count.get(),
        }
    }
}

pub(crate) fn wait_aof(replicas: usize, milliseconds: u64) -> Cmd {
    let mut command = redis::cmd("WAITAOF");
    command.arg(1).arg(replicas).arg(milliseconds);
    command
}

/// Zero would mean for ever.
fn milliseconds(within: Duration) -> u64 {
    let rounded = within.as_nanos().div_ceil(1_000_000).max(1);
    u64::try_from(rounded).unwrap_or(u64::MAX).min(1 << 40)
}
