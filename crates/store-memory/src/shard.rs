use std::sync::Arc;
use std::time::Duration;

use buttress_store::{Record, RecordKey, Step};
use tokio::sync::Notify;

use crate::room::Room;
use crate::schedule::Schedule;
use crate::table::{KeyHasher, Name, Table};

/// What one record waits for, and so the schedule that it stands in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
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
/// Schedules are lazy: an entry may be too early, never too late, and is put right when it comes to the
/// top. Claims under `Refuse` stand in none, for time does not end them.
#[derive(Debug)]
pub(crate) struct Shard {
    table: Table,
    claimed: Schedule,
    ended: Schedule,
    completed: Schedule,
}

/// What came of a step.
pub(crate) trait Stepped {
    /// Whether the record differs from what it was.
    fn changed(&self) -> bool;
}

impl<T> Stepped for Step<T> {
    fn changed(&self) -> bool {
        self.changed
    }
}

impl<T, E> Stepped for Result<Step<T>, E> {
    fn changed(&self) -> bool {
        self.as_ref().is_ok_and(Stepped::changed)
    }
}

/// A record that made room.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Gone {
    Expired,
    Evicted,
}

impl Shard {
    pub(crate) fn new(hasher: KeyHasher) -> Self {
        Self {
            table: Table::new(hasher),
            claimed: Schedule::default(),
            ended: Schedule::default(),
            completed: Schedule::default(),
        }
    }

    pub(crate) fn record(&self, name: Name<'_>) -> Option<&Record> {
        self.table.get(self.table.find(name)?)?.record.as_ref()
    }

    /// The slot of a key.
    pub(crate) fn find(&self, name: Name<'_>) -> Option<usize> {
        self.table.find(name)
    }

    /// A slot for a key that has none, if there is room. The first step fills it.
    ///
    /// Two expired records go for each that comes, so that nobody has to purge.
    pub(crate) fn occupy(&mut self, name: Name<'_>, now: Duration, room: &Room) -> Option<usize> {
        self.purge(2, now, room);
        room.take_record().then(|| self.table.occupy(name))
    }

    pub(crate) fn step<T: Stepped>(
        &mut self,
        number: usize,
        now: Duration,
        room: &Room,
        step: impl FnOnce(&mut Option<Record>) -> T,
    ) -> T {
        let Some(slot) = self.table.get_mut(number) else {
            return step(&mut None);
        };
        let bytes = slot.bytes();
        let stepped = step(&mut slot.record);
        let changed = stepped.changed();
        if changed {
            // A completed record that is replaced has expired; its bytes go with it.
            room.return_bytes(bytes);
            slot.wake();
        }
        match &slot.record {
            None => {
                self.table.vacate(number);
                room.return_record();
            }
            Some(record) if changed => {
                if let Some((place, time)) = Place::of(record, now) {
                    slot.scheduled = time;
                    self.push(place, time, number, now);
                }
            }
            Some(_) => {}
        }
        stepped
    }

    /// What to wait on for a change of this record.
    pub(crate) fn waiters(&mut self, name: Name<'_>) -> Option<Arc<Notify>> {
        let number = self.table.find(name)?;
        let slot = self.table.get_mut(number)?;
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
                    Some((time, number)) if time <= now => self.remove(number, room),
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
        let (_, number) = self
            .top(Place::Ended, now)
            .or_else(|| self.top(Place::Completed, now))?;
        self.remove(number, room);
        Some(Gone::Evicted)
    }

    /// Removes one answer, the one that expires first.
    pub(crate) fn make_bytes(&mut self, now: Duration, room: &Room) -> Option<Gone> {
        let (time, number) = self.top(Place::Completed, now)?;
        self.remove(number, room);
        Some(if time <= now {
            Gone::Expired
        } else {
            Gone::Evicted
        })
    }

    pub(crate) fn unknowns(&self, now: Duration) -> impl Iterator<Item = (RecordKey, u32)> + '_ {
        self.table.iter().filter_map(move |slot| {
            let record = slot.record.as_ref()?;
            record
                .is_unknown(now)
                .then_some((slot.key, record.execution))
        })
    }

    fn remove(&mut self, number: usize, room: &Room) {
        if let Some(slot) = self.table.get_mut(number) {
            room.return_bytes(slot.bytes());
            room.return_record();
            slot.wake();
            self.table.vacate(number);
        }
    }

    /// Whether the first entry of a schedule is due. None is too late, so that nothing is due if it is
    /// not.
    fn is_due(&mut self, place: Place, now: Duration) -> bool {
        let first = self.schedule(place).first();
        first.is_some_and(|(time, _)| *time <= now)
    }

    /// The first entry of a schedule, once it is right.
    fn top(&mut self, place: Place, now: Duration) -> Option<(Duration, usize)> {
        loop {
            let &(time, number) = self.schedule(place).first()?;
            let slot = self.table.get_mut(number);
            let due = slot.filter(|slot| slot.scheduled == time).and_then(|slot| {
                let due = Place::of(slot.record.as_ref()?, now)?;
                slot.scheduled = due.1;
                Some(due)
            });
            if due == Some((place, time)) {
                return Some((time, number));
            }
            self.schedule(place).remove_first();
            if let Some((place, time)) = due {
                self.schedule(place).push(time, number);
            }
        }
    }

    fn push(&mut self, place: Place, time: Duration, number: usize, now: Duration) {
        self.schedule(place).push(time, number);
        // Keys that are begun and released again and again leave entries behind.
        if self.entries() > 64 + 4 * self.table.len() {
            self.reschedule(now);
        }
    }

    fn reschedule(&mut self, now: Duration) {
        let due = self.table.iter_mut().filter_map(|(number, slot)| {
            let (place, time) = Place::of(slot.record.as_ref()?, now)?;
            slot.scheduled = time;
            Some((time, number, place))
        });
        let mut due: Vec<_> = due.collect();
        due.sort_unstable();
        for place in [Place::Claimed, Place::Ended, Place::Completed] {
            *self.schedule(place) = Schedule::default();
        }
        for (time, number, place) in due {
            self.schedule(place).push(time, number);
        }
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

impl Place {
    fn of(record: &Record, now: Duration) -> Option<(Self, Duration)> {
        let expires_at = record.expires_at()?;
        Some(match record.busy_until(now) {
            Some(lease_end) => (Self::Claimed, lease_end),
            None if record.is_in_progress() => (Self::Ended, expires_at),
            None => (Self::Completed, expires_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use buttress_store::{Begin, BeginRequest, Fingerprint, OrphanPolicy, Settled, Token};

    use super::*;

    #[test]
    fn keys_begun_and_released_for_ever_leave_no_trail() {
        let (hasher, room) = (KeyHasher::default(), Room::new(1000, 1000));
        let mut shard = Shard::new(hasher.clone());
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
            let name = hasher.name(&request.key);
            let claim = |slot: &mut Option<Record>| Record::begin(slot, &request, now);
            let number = shard.occupy(name, now, &room).unwrap();
            let begun = shard.step(number, now, &room, claim).unwrap().answer;
            assert!(matches!(begun, Begin::Acquired(_)));
            let release = |slot: &mut Option<Record>| Record::release(slot, &request.token, now);
            assert_eq!(shard.find(name), Some(number));
            let released = shard.step(number, now, &room, release);
            assert_eq!(released.answer, Settled::Applied);
        }
        let entries = shard.entries();
        assert!(entries < 100, "{entries} entries for no record");
        assert_eq!(room.usage().records, 0);
    }
}
