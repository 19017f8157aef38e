use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{Record, RecordKey, State};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use tokio::sync::Notify;

use crate::slab::Slab;

/// Hashes keys under a random seed.
///
/// A key is a hash, and nobody chooses its bytes: a fast hash of them is enough. Its version is left
/// out, for it tells apart no two keys that would not differ without it.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyHasher(RandomState);

/// A key, hashed once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) key: &'a RecordKey,
    pub(crate) hash: u64,
}

/// Records by key. Each is in a slot with a number, by which schedules know it.
///
/// A number is a fifth of a key, and an index of numbers grows without moving a record.
#[derive(Debug, Default)]
pub(crate) struct Table {
    hasher: KeyHasher,
    index: HashTable<(u64, usize)>,
    slots: Slab<Slot>,
    vacant: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) key: RecordKey,
    /// `None` in a vacant slot, and while a step is being taken.
    pub(crate) record: Option<Record>,
    pub(crate) waiters: Option<Arc<Notify>>,
    /// The time of the entry that stands for it in a schedule; others are left over.
    pub(crate) scheduled: Duration,
}

impl KeyHasher {
    pub(crate) fn name<'a>(&self, key: &'a RecordKey) -> Name<'a> {
        let [_, bytes @ ..] = key.as_bytes();
        let (halves, _) = bytes.as_chunks();
        let mut hasher = self.0.build_hasher();
        for half in halves {
            hasher.write_u128(u128::from_ne_bytes(*half));
        }
        let hash = hasher.finish();
        Name { key, hash }
    }
}

impl Table {
    pub(crate) fn new(hasher: KeyHasher) -> Self {
        Self {
            hasher,
            ..Self::default()
        }
    }

    pub(crate) fn find(&self, name: Name<'_>) -> Option<usize> {
        let is_it = |(hash, number): &(u64, usize)| {
            let slot = self.slots.get(*number).filter(|_| *hash == name.hash);
            slot.is_some_and(|slot| slot.key == *name.key)
        };
        let (_, number) = self.index.find(name.hash, is_it)?;
        Some(*number)
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Slot> {
        self.slots.get(number)
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Slot> {
        self.slots.get_mut(number)
    }

    /// The number of a slot for a key that has none.
    pub(crate) fn occupy(&mut self, name: Name<'_>) -> usize {
        let number = self.vacant.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(number) {
            Some(slot) => slot.key = *name.key,
            None => self.slots.push(Slot::new(*name.key)),
        }
        let entry = (name.hash, number);
        self.index
            .insert_unique(name.hash, entry, |(hash, _)| *hash);
        number
    }

    /// Takes the slot from its key.
    pub(crate) fn vacate(&mut self, number: usize) {
        let Some(slot) = self.slots.get_mut(number) else {
            return;
        };
        slot.record = None;
        let hash = self.hasher.name(&slot.key).hash;
        if let Ok(entry) = self.index.find_entry(hash, |(_, found)| *found == number) {
            entry.remove();
            self.vacant.push(number);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Slot)> {
        self.slots.iter_mut().enumerate()
    }
}

impl Slot {
    const fn new(key: RecordKey) -> Self {
        Self {
            key,
            record: None,
            waiters: None,
            scheduled: Duration::ZERO,
        }
    }

    /// Of its answer.
    pub(crate) fn bytes(&self) -> usize {
        match &self.record {
            Some(Record {
                state: State::Completed { response, .. },
                ..
            }) => response.encoded().len(),
            _ => 0,
        }
    }

    pub(crate) fn wake(&mut self) {
        if let Some(waiters) = self.waiters.take() {
            waiters.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_its_own_slot_even_among_keys_of_the_same_hash() {
        let keys: Vec<_> = (0..100_u8).map(|n| RecordKey::derive(&[&[n]])).collect();
        let name = |number: usize| Name {
            key: &keys[number],
            hash: number as u64 % 3,
        };
        let mut table = Table::default();
        for number in 0..100 {
            assert_eq!(table.find(name(number)), None);
            assert_eq!(table.occupy(name(number)), number);
        }
        assert!((0..100).all(|number| table.find(name(number)) == Some(number)));
        assert_eq!(table.len(), 100);
    }

    #[test]
    fn a_vacated_slot_is_found_no_more_and_goes_to_the_next_key() {
        let keys = [1, 2, 3].map(|n| RecordKey::derive(&[&[n]]));
        let hasher = KeyHasher::default();
        let [one, two, three] = [0, 1, 2].map(|number| hasher.name(&keys[number]));
        let mut table = Table::new(hasher.clone());
        let (first, second) = (table.occupy(one), table.occupy(two));
        table.vacate(first);
        table.vacate(first);
        assert_eq!((table.find(one), table.len()), (None, 1));
        assert_eq!(table.occupy(three), first);
        assert_eq!(
            (table.find(three), table.find(two)),
            (Some(first), Some(second))
        );
        assert_ne!(table.occupy(one), first);
    }

    #[test]
    fn every_byte_of_a_key_but_its_version_is_hashed() {
        let hasher = KeyHasher::default();
        let hash = |bytes| hasher.name(&RecordKey::from_bytes(bytes)).hash;
        for place in 0..RecordKey::LEN {
            let mut bytes = [1; RecordKey::LEN];
            bytes[place] = 2;
            assert_eq!(hash(bytes) == hash([1; RecordKey::LEN]), place == 0);
        }
    }
}
