use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use buttress_store::RecordKey;

/// Keys by the time at which something becomes of them, the earliest first.
///
/// With one lease and one retention for all, times come in the order in which they are due: such keys
/// stand in line. The others are a heap.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    line: VecDeque<(Duration, RecordKey)>,
    heap: BinaryHeap<Reverse<(Duration, RecordKey)>>,
}

impl Schedule {
    pub(crate) fn push(&mut self, time: Duration, key: RecordKey) {
        if self.line.back().is_some_and(|(last, _)| *last > time) {
            self.heap.push(Reverse((time, key)));
        } else {
            self.line.push_back((time, key));
        }
    }

    pub(crate) fn first(&self) -> Option<&(Duration, RecordKey)> {
        let heap = self.heap.peek().map(|Reverse(first)| first);
        match (self.line.front(), heap) {
            (Some(line), Some(heap)) => Some(line.min(heap)),
            (line, heap) => line.or(heap),
        }
    }

    pub(crate) fn remove_first(&mut self) {
        let heap = self.heap.peek().map(|Reverse(first)| first);
        match (self.line.front(), heap) {
            (Some(line), Some(heap)) if heap < line => drop(self.heap.pop()),
            (Some(_), _) => drop(self.line.pop_front()),
            (None, _) => drop(self.heap.pop()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.line.len() + self.heap.len()
    }
}

impl FromIterator<(Duration, RecordKey)> for Schedule {
    fn from_iter<I: IntoIterator<Item = (Duration, RecordKey)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_unstable();
        Self {
            line: entries.into(),
            heap: BinaryHeap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_whatever_order_keys_come_the_earliest_is_first() {
        let key = |number: u64| RecordKey::derive(&[&number.to_be_bytes()]);
        let mut schedule = Schedule::default();
        let mut expected = Vec::new();
        for number in 0..1000_u64 {
            let time = Duration::from_nanos(number * 7919 % 1009);
            schedule.push(time, key(number));
            expected.push((time, key(number)));
            if number % 5 == 4 {
                expected.sort_unstable();
                assert_eq!(schedule.first(), expected.first());
                schedule.remove_first();
                expected.remove(0);
            }
        }
        expected.sort_unstable();
        assert_eq!(schedule.len(), expected.len());
        for entry in expected {
            assert_eq!(schedule.first(), Some(&entry));
            schedule.remove_first();
        }
        assert_eq!((schedule.first(), schedule.len()), (None, 0));
    }
}
