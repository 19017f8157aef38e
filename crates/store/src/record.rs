use std::time::Duration;

use crate::{
    Begin, BeginRequest, Claim, Fingerprint, OrphanPolicy, Resolution, Settled, StoreError,
    StoredResponse, Token,
};

/// One key's record, and every lawful step of it.
///
/// Pure: a store reads a record, takes one step and writes the result, all under one lock or in one
/// transaction. Absence is `None`. Times are durations since an instant that the store chose, on
/// its own clock.
#[derive(Clone, Debug)]
pub struct Record {
    /// What the key is used for.
    pub fingerprint: Fingerprint,
    /// The claim that stands, or that completed it; [`Token::NOBODY`] in an adopted record.
    pub token: Token,
    /// 1, and 1 more after each lost lease.
    pub execution: u32,
    /// In progress or completed.
    pub state: State,
}

/// What a [`Record`] waits for.
#[derive(Clone, Debug)]
pub enum State {
    /// The end of an execution.
    InProgress {
        /// When the claim ends unless renewed.
        lease_end: Duration,
        /// How long after that it is remembered, under [`OrphanPolicy::ReExecute`].
        retention: Duration,
        /// What becomes of it then.
        orphan: OrphanPolicy,
    },
    /// The end of its retention.
    Completed {
        /// The answer.
        response: StoredResponse,
        /// When it is forgotten.
        expires_at: Duration,
    },
}

/// The answer of a step, and whether there is something to write.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Step<T> {
    /// What the caller is told.
    pub answer: T,
    /// Whether the record differs from what was read.
    pub changed: bool,
}

impl<T> Step<T> {
    const fn kept(answer: T) -> Self {
        Self {
            answer,
            changed: false,
        }
    }

    const fn changed(answer: T) -> Self {
        Self {
            answer,
            changed: true,
        }
    }
}

impl Record {
    /// The step of [`begin`](crate::IdempotencyStore::begin).
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::StoreErrorKind::Unsupported) when the stored fingerprint is of
    /// another version than the request's.
    pub fn begin(
        slot: &mut Option<Self>,
        request: &BeginRequest,
        now: Duration,
    ) -> Result<Step<Begin>, StoreError> {
        let acquired =
            |execution| Begin::Acquired(Claim::new(request.key, request.token, execution));
        let Some(record) = live(slot, now) else {
            *slot = Some(Self {
                fingerprint: request.fingerprint,
                token: request.token,
                execution: 1,
                state: State::claim(request, now),
            });
            return Ok(Step::changed(acquired(1)));
        };
        if !request.fingerprint.matches(&record.fingerprint)? {
            return Ok(Step::kept(Begin::Mismatch));
        }
        let (lease_end, orphan) = match &mut record.state {
            State::Completed {
                response,
                expires_at,
            } => {
                return Ok(Step::kept(Begin::Completed {
                    response: response.clone(),
                    expires_in: expires_at.saturating_sub(now),
                }));
            }
            State::InProgress {
                lease_end, orphan, ..
            } => (*lease_end, orphan),
        };
        if record.token == request.token {
            record.state = State::claim(request, now);
            return Ok(Step::changed(acquired(record.execution)));
        }
        if lease_end > now {
            return Ok(Step::kept(Begin::InProgress {
                retry_after: lease_end.saturating_sub(now),
            }));
        }
        if OrphanPolicy::Refuse == *orphan || OrphanPolicy::Refuse == request.orphan {
            let changed = *orphan != OrphanPolicy::Refuse;
            *orphan = OrphanPolicy::Refuse;
            return Ok(Step {
                answer: Begin::OutcomeUnknown,
                changed,
            });
        }
        record.token = request.token;
        record.execution = record.execution.saturating_add(1);
        record.state = State::claim(request, now);
        Ok(Step::changed(acquired(record.execution)))
    }

    /// The step of [`complete`](crate::IdempotencyStore::complete).
    pub fn complete(
        slot: &mut Option<Self>,
        token: &Token,
        response: &StoredResponse,
        retention: Duration,
        now: Duration,
    ) -> Step<Settled> {
        match live(slot, now) {
            Some(record) if record.token == *token => match record.state {
                State::InProgress { .. } => {
                    record.state = State::Completed {
                        response: response.clone(),
                        expires_at: now.saturating_add(retention),
                    };
                    Step::changed(Settled::Applied)
                }
                State::Completed { .. } => Step::kept(Settled::AlreadyApplied),
            },
            _ => Step::kept(Settled::Lost),
        }
    }

    /// The step of [`renew`](crate::IdempotencyStore::renew).
    pub fn renew(
        slot: &mut Option<Self>,
        token: &Token,
        lease: Duration,
        now: Duration,
    ) -> Step<Settled> {
        match live(slot, now) {
            Some(record) if record.token == *token => match &mut record.state {
                State::InProgress { lease_end, .. } => {
                    *lease_end = now.saturating_add(lease);
                    Step::changed(Settled::Applied)
                }
                State::Completed { .. } => Step::kept(Settled::AlreadyApplied),
            },
            _ => Step::kept(Settled::Lost),
        }
    }

    /// The step of [`release`](crate::IdempotencyStore::release).
    pub fn release(slot: &mut Option<Self>, token: &Token, now: Duration) -> Step<Settled> {
        match live(slot, now) {
            None => Step::kept(Settled::AlreadyApplied),
            Some(record) if record.token == *token && record.is_in_progress() => {
                *slot = None;
                Step::changed(Settled::Applied)
            }
            Some(_) => Step::kept(Settled::Lost),
        }
    }

    /// The step of [`adopt`](crate::IdempotencyStore::adopt).
    pub fn adopt(slot: &mut Option<Self>, resolution: &Resolution, now: Duration) -> Step<Settled> {
        let Some(record) = live(slot, now) else {
            return Step::kept(match resolution {
                Resolution::Completed { .. } => Settled::Lost,
                Resolution::NotExecuted => Settled::AlreadyApplied,
            });
        };
        match (&record.state, resolution) {
            (State::InProgress { lease_end, .. }, _) if *lease_end > now => {
                Step::kept(Settled::Lost)
            }
            (
                State::InProgress { .. },
                Resolution::Completed {
                    response,
                    retention,
                },
            ) => {
                // The lost owner must not take this answer for its own.
                record.token = Token::NOBODY;
                record.state = State::Completed {
                    response: response.clone(),
                    expires_at: now.saturating_add(*retention),
                };
                Step::changed(Settled::Applied)
            }
            (State::InProgress { .. }, Resolution::NotExecuted) => {
                *slot = None;
                Step::changed(Settled::Applied)
            }
            (State::Completed { .. }, Resolution::Completed { .. }) => {
                Step::kept(Settled::AlreadyApplied)
            }
            (State::Completed { .. }, Resolution::NotExecuted) => Step::kept(Settled::Lost),
        }
    }

    /// When it may be purged; never, for what waits to be adopted.
    #[must_use]
    pub fn expires_at(&self) -> Option<Duration> {
        match self.state {
            State::Completed { expires_at, .. } => Some(expires_at),
            State::InProgress {
                orphan: OrphanPolicy::Refuse,
                ..
            } => None,
            State::InProgress {
                lease_end,
                retention,
                ..
            } => Some(lease_end.saturating_add(retention)),
        }
    }

    /// The end of its lease, if somebody executes it at `now`: until then there is something to
    /// wait for.
    #[must_use]
    pub fn busy_until(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::InProgress { lease_end, .. } if lease_end > now => Some(lease_end),
            _ => None,
        }
    }

    /// Whether its outcome is unknown at `now`.
    #[must_use]
    pub fn is_unknown(&self, now: Duration) -> bool {
        matches!(
            self.state,
            State::InProgress { lease_end, orphan: OrphanPolicy::Refuse, .. } if lease_end <= now
        )
    }

    /// Whether nobody has settled it.
    #[must_use]
    pub const fn is_in_progress(&self) -> bool {
        matches!(self.state, State::InProgress { .. })
    }
}

impl State {
    const fn claim(request: &BeginRequest, now: Duration) -> Self {
        Self::InProgress {
            lease_end: now.saturating_add(request.lease),
            retention: request.retention,
            orphan: request.orphan,
        }
    }
}

/// The record, unless it has expired.
fn live(slot: &mut Option<Record>, now: Duration) -> Option<&mut Record> {
    slot.as_mut()
        .filter(|record| record.expires_at().is_none_or(|end| end > now))
}
