use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, OrphanPolicy, Record, RecordKey, Resolution, Settled, State, Step,
    StoreError, StoredResponse, Token,
};
use foldhash::fast::RandomState;
use tokio::sync::oneshot;

/// One caller's question and where its answer goes.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) reply: oneshot::Sender<Result<Answer, StoreError>>,
}

#[derive(Debug)]
pub(crate) enum Operation {
    Adopt(RecordKey, Resolution),
    Begin(BeginRequest),
    Complete(Claim, StoredResponse, Duration),
    Purge(usize),
    Release(Claim),
    Renew(Claim, Duration),
}

#[derive(Debug)]
pub(crate) enum Answer {
    Begin(Begin),
    Purged(usize),
    Settled(Settled),
}

impl Operation {
    /// Whether it begins under `ReExecute`.
    pub(crate) fn begins_leniently(&self) -> bool {
        matches!(self, Self::Begin(request) if request.orphan == OrphanPolicy::ReExecute)
    }

    /// The record that it is about, if it is about one.
    pub(crate) const fn key(&self) -> Option<&RecordKey> {
        match self {
            Self::Adopt(key, _) => Some(key),
            Self::Begin(request) => Some(&request.key),
            Self::Complete(claim, ..) | Self::Release(claim) | Self::Renew(claim, _) => {
                Some(claim.key())
            }
            Self::Purge(_) => None,
        }
    }
}

/// The records that one batch is about, from what was read to what is to be written.
#[derive(Debug, Default)]
pub(crate) struct Records(HashMap<RecordKey, Slot, RandomState>);

#[derive(Debug)]
struct Slot {
    /// The record, or why it cannot be read.
    found: Result<Option<Record>, StoreError>,
    /// Nobody looked: it is taken for absent until the write says otherwise.
    assumed: bool,
    /// The claim that stood when it was found.
    claimed: Option<Token>,
    changed: bool,
    /// Whether the change must outlive a loss of power before it is acknowledged.
    durable: bool,
}

/// What is to be written for one key.
#[derive(Debug)]
pub(crate) enum Change<'a> {
    Delete,
    /// Only if the key is absent, as was assumed, or in progress under the same token.
    Own(&'a Record),
    Put(&'a Record),
}

impl Slot {
    fn is_own(&self, record: &Record) -> bool {
        self.assumed || self.claimed == Some(record.token)
    }
}

impl Records {
    pub(crate) fn found(&mut self, key: RecordKey, found: Result<Option<Record>, StoreError>) {
        self.insert(key, found, false);
    }

    pub(crate) fn assume_absent(&mut self, key: RecordKey) {
        self.insert(key, Ok(None), true);
    }

    fn insert(&mut self, key: RecordKey, found: Result<Option<Record>, StoreError>, assumed: bool) {
        let claimed = match &found {
            Ok(Some(record)) if record.is_in_progress() => Some(record.token),
            _ => None,
        };
        let slot = Slot {
            found,
            assumed,
            claimed,
            changed: false,
            durable: false,
        };
        self.0.insert(key, slot);
    }

    pub(crate) fn contains(&self, key: &RecordKey) -> bool {
        self.0.contains_key(key)
    }

    /// Whether nobody looked for this record.
    pub(crate) fn assumes(&self, key: &RecordKey) -> bool {
        self.0.get(key).is_some_and(|slot| slot.assumed)
    }

    pub(crate) fn has_changed(&self, key: &RecordKey) -> bool {
        self.0.get(key).is_some_and(|slot| slot.changed)
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.0.values().any(|slot| slot.durable)
    }

    /// The records taken for absent.
    pub(crate) fn assumed(&self) -> BTreeSet<RecordKey> {
        let assumed = self.0.iter().filter(|(_, slot)| slot.assumed);
        assumed.map(|(key, _)| *key).collect()
    }

    /// Whether the record of `key` is what this batch made of it.
    pub(crate) fn made(&self, key: &RecordKey, found: &Result<Record, StoreError>) -> bool {
        let made = self
            .0
            .get(key)
            .and_then(|slot| slot.found.as_ref().ok()?.as_ref());
        match (made, found) {
            (Some(made), Ok(found)) => made.token == found.token && found.is_in_progress(),
            _ => false,
        }
    }

    /// What is to be written.
    pub(crate) fn changes(&self) -> Vec<(&RecordKey, Change<'_>)> {
        let mut changes: Vec<_> = self
            .0
            .iter()
            .filter(|(_, slot)| slot.changed)
            .filter_map(|(key, slot)| {
                let change = match slot.found.as_ref().ok()? {
                    Some(record) if slot.is_own(record) => Change::Own(record),
                    Some(record) => Change::Put(record),
                    None => Change::Delete,
                };
                Some((key, change))
            })
            .collect();
        // Neighbours share pages.
        changes.sort_unstable_by_key(|(key, _)| *key);
        changes
    }

    /// Takes the step that an operation asks for. Later operations of the batch see its result.
    pub(crate) fn take_step(
        &mut self,
        operation: &Operation,
        now: Duration,
    ) -> Option<Result<Answer, StoreError>> {
        let slot = self.0.get_mut(operation.key()?)?;
        let record = match &mut slot.found {
            Ok(record) => record,
            Err(error) => return Some(Err(error.clone())),
        };
        let before = is_durable(record.as_ref());
        let step = match operation {
            Operation::Adopt(_, resolution) => settled(Record::adopt(record, resolution, now)),
            Operation::Begin(request) => match Record::begin(record, request, now) {
                Ok(Step { answer, changed }) => (Answer::Begin(answer), changed),
                Err(error) => return Some(Err(error)),
            },
            Operation::Complete(claim, response, retention) => settled(Record::complete(
                record,
                claim.token(),
                response,
                *retention,
                now,
            )),
            Operation::Release(claim) => settled(Record::release(record, claim.token(), now)),
            Operation::Renew(claim, lease) => {
                settled(Record::renew(record, claim.token(), *lease, now))
            }
            Operation::Purge(_) => return None,
        };
        let (answer, changed) = step;
        if changed {
            slot.changed = true;
            slot.durable |= before || is_durable(record.as_ref());
        }
        Some(Ok(answer))
    }
}

fn settled(Step { answer, changed }: Step<Settled>) -> (Answer, bool) {
    (Answer::Settled(answer), changed)
}

/// Answers, and claims that nobody may execute again. A lost claim under `ReExecute` is executed
/// again in any case, and the loss of power that loses it ends its execution as well.
fn is_durable(record: Option<&Record>) -> bool {
    match record.map(|record| &record.state) {
        Some(State::Completed { .. }) => true,
        Some(State::InProgress { orphan, .. }) => *orphan == OrphanPolicy::Refuse,
        None => false,
    }
}
