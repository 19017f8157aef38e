use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{Record, RecordKey, State};
use foldhash::fast::RandomState;
use tokio::sync::Notify;

use crate::room::Room;
use crate::schedule::Schedule;

/// What one record waits for, and so the schedule that it stands in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// A claim in force, by the end of its lease.
    Claimed,
    /// A claim whose lease has ended and that the next begin takes over, by its expiry.
    Ended,
    /// An answer, by its expiry.
    Completed,
}

/// One part of the key space, under one lock. Takes `now` as an argument.
///
/// Schedules are lazy: an entry may be out of date, and is put right when it comes to the top.
/// Claims under `Refuse` stand in none, for time does not end them.
///
/// Keys are hashes, and nobody chooses their bytes: a fast hash of them under a random seed is enough.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    slots: HashMap<RecordKey, Slot, RandomState>,
    claimed: Schedule,
    ended: Schedule,
    completed: Schedule,
}

#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// `None` only while a step is being taken.
    pub(crate) record: Option<Record>,
    waiters: Option<Arc<Notify>>,
}

/// A record that made room.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Gone {
    Expired,
    Evicted,
}

impl Shard {
    pub(crate) fn record(&self, key: &RecordKey) -> Option<&Record> {
        self.slots.get(key)?.record.as_ref()
    }

    /// Takes a step on a record that stands; `None` when it is absent.
    pub(crate) fn update<T>(
        &mut self,
        key: RecordKey,
        now: Duration,
        room: &Room,
        step: impl FnOnce(&mut Option<Record>) -> (T, bool),
    ) -> Option<T> {
        let Entry::Occupied(mut entry) = self.slots.entry(key) else {
            return None;
        };
        let slot = entry.get_mut();
        let bytes = slot.bytes();
        let (answer, changed) = step(&mut slot.record);
        if !changed {
            return Some(answer);
        }
        // A completed record that is replaced has expired; its bytes go with it.
        room.return_bytes(bytes);
        if let Some(waiters) = slot.waiters.take() {
            waiters.notify_waiters();
        }
        let place = slot.place(now);
        if slot.record.is_none() {
            entry.remove();
            room.return_record();
        }
        if let Some((place, time)) = place {
            self.push(place, time, key, now);
        }
        Some(answer)
    }

    /// Keeps a record that was absent. The caller has taken room for it.
    pub(crate) fn insert(&mut self, key: RecordKey, record: Record, now: Duration) {
        let slot = Slot {
            record: Some(record),
            waiters: None,
        };
        let place = slot.place(now);
        self.slots.insert(key, slot);
        if let Some((place, time)) = place {
            self.push(place, time, key, now);
        }
    }

    /// What to wait on for a change of this record.
    pub(crate) fn waiters(&mut self, key: &RecordKey) -> Option<Arc<Notify>> {
        let slot = self.slots.get_mut(key)?;
        Some(Arc::clone(slot.waiters.get_or_insert_default()))
    }

    /// Removes up to `limit` expired records.
    pub(crate) fn purge(&mut self, limit: usize, now: Duration, room: &Room) -> usize {
        let mut purged = 0;
        // Moves every claim whose lease has ended to its own schedule.
        if self.is_due(Place::Claimed, now) {
            self.top(Place::Claimed, now);
        }
        for place in [Place::Ended, Place::Completed] {
            while purged < limit && self.is_due(place, now) {
                match self.top(place, now) {
                    Some((time, key)) if time <= now => self.remove(&key, room),
                    _ => break,
                }
                purged += 1;
            }
        }
        purged
    }

    /// Removes one record, the least missed: an expired one, else an ended claim (its successor
    /// would execute anyway), else the answer that expires first.
    pub(crate) fn make_room(&mut self, now: Duration, room: &Room) -> Option<Gone> {
        if self.purge(1, now, room) == 1 {
            return Some(Gone::Expired);
        }
        let (_, key) = self
            .top(Place::Ended, now)
            .or_else(|| self.top(Place::Completed, now))?;
        self.remove(&key, room);
        Some(Gone::Evicted)
    }

    /// Removes one answer, the one that expires first.
    pub(crate) fn make_bytes(&mut self, now: Duration, room: &Room) -> Option<Gone> {
        let (time, key) = self.top(Place::Completed, now)?;
        self.remove(&key, room);
        Some(if time <= now {
            Gone::Expired
        } else {
            Gone::Evicted
        })
    }

    pub(crate) fn unknowns(&self, now: Duration) -> impl Iterator<Item = (RecordKey, u32)> + '_ {
        self.slots.iter().filter_map(move |(key, slot)| {
            let record = slot.record.as_ref()?;
            record.is_unknown(now).then_some((*key, record.execution))
        })
    }

    fn remove(&mut self, key: &RecordKey, room: &Room) {
        if let Some(slot) = self.slots.remove(key) {
            room.return_bytes(slot.bytes());
            room.return_record();
            if let Some(waiters) = slot.waiters {
                waiters.notify_waiters();
            }
        }
    }

    /// Whether the first entry of a schedule is due. One that is out of date is too early, never too
    /// late, so that nothing is due if it is not.
    fn is_due(&mut self, place: Place, now: Duration) -> bool {
        let first = self.schedule(place).first();
        first.is_some_and(|(time, _)| *time <= now)
    }

    /// The first entry of a schedule, once it is right.
    fn top(&mut self, place: Place, now: Duration) -> Option<(Duration, RecordKey)> {
        loop {
            let &(time, key) = self.schedule(place).first()?;
            let due = self.slots.get(&key).and_then(|slot| slot.place(now));
            if due == Some((place, time)) {
                return Some((time, key));
            }
            self.schedule(place).remove_first();
            if let Some((place, time)) = due {
                self.schedule(place).push(time, key);
            }
        }
    }

    fn push(&mut self, place: Place, time: Duration, key: RecordKey, now: Duration) {
        self.schedule(place).push(time, key);
        // Keys that are begun and released again and again leave entries behind.
        if self.entries() > 64 + 4 * self.slots.len() {
            for place in [Place::Claimed, Place::Ended, Place::Completed] {
                *self.schedule(place) = self.due(place, now);
            }
        }
    }

    fn due(&self, place: Place, now: Duration) -> Schedule {
        let due = self.slots.iter().filter_map(|(key, slot)| {
            let (at, time) = slot.place(now)?;
            (at == place).then_some((time, *key))
        });
        due.collect()
    }

    fn schedule(&mut self, place: Place) -> &mut Schedule {
        match place {
            Place::Claimed => &mut self.claimed,
            Place::Ended => &mut self.ended,
            Place::Completed => &mut self.completed,
        }
    }

    fn entries(&self) -> usize {
        self.claimed.len() + self.ended.len() + self.completed.len()
    }
}

impl Slot {
    fn place(&self, now: Duration) -> Option<(Place, Duration)> {
        let record = self.record.as_ref()?;
        let expires_at = record.expires_at()?;
        Some(match record.busy_until(now) {
            Some(lease_end) => (Place::Claimed, lease_end),
            None if record.is_in_progress() => (Place::Ended, expires_at),
            None => (Place::Completed, expires_at),
        })
    }

    fn bytes(&self) -> usize {
        match &self.record {
            Some(Record {
                state: State::Completed { response, .. },
                ..
            }) => response.encoded().len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use buttress_store::{BeginRequest, Fingerprint, OrphanPolicy, Step, Token};

    use super::*;

    #[test]
    fn keys_begun_and_released_for_ever_leave_no_trail() {
        let (mut shard, room) = (Shard::default(), Room::new(1000, 1000));
        for round in 0..100_000_u64 {
            let now = Duration::from_micros(round);
            let request = BeginRequest {
                key: RecordKey::derive(&[&[(round % 3) as u8]]),
                fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
                token: Token::from_bytes([1; Token::LEN]),
                lease: Duration::from_secs(60),
                retention: Duration::from_secs(60),
                orphan: OrphanPolicy::ReExecute,
            };
            assert!(room.take_record());
            let mut slot = None;
            let begun = Record::begin(&mut slot, &request, now).unwrap();
            assert!(begun.changed);
            shard.insert(request.key, slot.unwrap(), now);
            let _settled = shard.update(request.key, now, &room, |slot| {
                let Step { answer, changed } = Record::release(slot, &request.token, now);
                (answer, changed)
            });
        }
        let entries = shard.entries();
        assert!(entries < 100, "{entries} entries for no record");
        assert_eq!(room.usage().records, 0);
    }
}
