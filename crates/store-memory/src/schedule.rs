use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Numbers of slots by the time at which something becomes of them, the earliest first.
///
/// With one lease and one retention for all, times come in the order in which they are due: such
/// entries stand in line. The others are a heap.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    line: VecDeque<(Duration, usize)>,
    heap: BinaryHeap<Reverse<(Duration, usize)>>,
}

impl Schedule {
    pub(crate) fn push(&mut self, time: Duration, number: usize) {
        if self.line.back().is_some_and(|(last, _)| *last > time) {
            self.heap.push(Reverse((time, number)));
        } else {
            self.line.push_back((time, number));
        }
    }

    pub(crate) fn first(&self) -> Option<&(Duration, usize)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_whatever_order_keys_come_the_earliest_is_first() {
        let mut schedule = Schedule::default();
        let mut expected = Vec::new();
        for number in 0..1000_usize {
            let time = Duration::from_nanos((number * 7919 % 1009) as u64);
            schedule.push(time, number);
            expected.push((time, number));
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
