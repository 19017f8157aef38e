use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::BuildHasherDefault;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use buttress_key::IdempotencyKey;
use http::{Method, Uri};

use super::digest::{Digest, Hashed};

/// What each of the last keys was used for, and since when.
///
/// It holds hashes and neither key nor body. What is persisted is a
/// [`Fingerprint`](buttress_key::Fingerprint), at fifty times the cost.
pub(crate) struct Ledger {
    digest: Digest,
    capacity: NonZeroUsize,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    uses: HashMap<u64, Use, BuildHasherDefault<Hashed>>,
    /// The keys, oldest first.
    order: VecDeque<u64>,
}

struct Use {
    request: Option<u64>,
    first_sent: SystemTime,
}

/// What the ledger knows of a key that is about to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Known {
    /// Sent for another request before.
    Other,
    /// First sent at this time.
    Since(SystemTime),
}

impl Ledger {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            digest: Digest::random(),
            capacity,
            pages: Mutex::default(),
        }
    }

    pub(crate) const fn capacity(&self) -> NonZeroUsize {
        self.capacity
    }

    /// Enters a key as sent at `sent` for this request, unless it was entered before.
    ///
    /// A body that is not at hand is not compared. When the ledger is full its oldest key goes.
    pub(crate) fn enter(
        &self,
        key: &IdempotencyKey,
        (method, uri, body): (&Method, &Uri, Option<&[u8]>),
        sent: SystemTime,
    ) -> Known {
        let key = self.digest.of([key.as_bytes()]);
        let request = body.map(|body| {
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            self.digest
                .of([method.as_str().as_bytes(), target.as_bytes(), body])
        });

        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = &mut *pages;
        match pages.uses.entry(key) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                if let (Some(before), Some(now)) = (known.request, request)
                    && before != now
                {
                    return Known::Other;
                }
                known.request = known.request.or(request);
                known.first_sent = known.first_sent.min(sent);
                Known::Since(known.first_sent)
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Use {
                    request,
                    first_sent: sent,
                });
                pages.order.push_back(key);
                if pages.order.len() > self.capacity.get()
                    && let Some(oldest) = pages.order.pop_front()
                {
                    pages.uses.remove(&oldest);
                }
                Known::Since(sent)
            }
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
