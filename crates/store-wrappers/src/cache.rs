use std::collections::{HashMap, VecDeque};

use buttress_store::{Fingerprint, RecordKey, StoredResponse};
use tokio::time::Instant;

/// Answers in the order in which they came, the oldest leaving first.
#[derive(Debug)]
pub(crate) struct Cache {
    answers: HashMap<RecordKey, Answer>,
    /// Never longer than `max_records`; holds numbers of answers that left early.
    order: VecDeque<(u64, RecordKey)>,
    next: u64,
    bytes: usize,
    pub(crate) max_records: usize,
    pub(crate) max_bytes: usize,
}

#[derive(Debug)]
struct Answer {
    number: u64,
    fingerprint: Fingerprint,
    response: StoredResponse,
    expires_at: Instant,
}

impl Cache {
    pub(crate) fn new(max_records: usize, max_bytes: usize) -> Self {
        Self {
            answers: HashMap::new(),
            order: VecDeque::new(),
            next: 0,
            bytes: 0,
            max_records,
            max_bytes,
        }
    }

    pub(crate) fn find(
        &mut self,
        key: &RecordKey,
        now: Instant,
    ) -> Option<(Fingerprint, StoredResponse, Instant)> {
        let answer = self.answers.get(key)?;
        if answer.expires_at <= now {
            self.remove(key);
            return None;
        }
        Some((
            answer.fingerprint,
            answer.response.clone(),
            answer.expires_at,
        ))
    }

    pub(crate) fn keep(
        &mut self,
        key: RecordKey,
        fingerprint: Fingerprint,
        response: StoredResponse,
        expires_at: Instant,
    ) {
        let bytes = response.encoded().len();
        if bytes > self.max_bytes {
            return;
        }
        self.remove(&key);
        while self.order.len() >= self.max_records || self.bytes + bytes > self.max_bytes {
            let Some((number, oldest)) = self.order.pop_front() else {
                return;
            };
            if self
                .answers
                .get(&oldest)
                .is_some_and(|found| found.number == number)
            {
                self.remove(&oldest);
            }
        }
        let number = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.order.push_back((number, key));
        let answer = Answer {
            number,
            fingerprint,
            response,
            expires_at,
        };
        self.answers.insert(key, answer);
    }

    fn remove(&mut self, key: &RecordKey) {
        if let Some(answer) = self.answers.remove(key) {
            self.bytes -= answer.response.encoded().len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_kept_twice_counts_once_and_an_expired_one_no_more() {
        let now = Instant::now();
        let mut cache = Cache::new(10, 1000);
        let key = RecordKey::derive(&[b"k"]);
        let fingerprint = Fingerprint::from_bytes([1; Fingerprint::LEN]);
        let answer = StoredResponse::sealed(&[0; 300]);
        for _ in 0..20 {
            cache.keep(
                key,
                fingerprint,
                answer.clone(),
                now + Duration::from_secs(1),
            );
            assert_eq!(cache.bytes, answer.encoded().len());
        }
        assert!(cache.find(&key, now).is_some());
        assert!(cache.find(&key, now + Duration::from_secs(1)).is_none());
        assert_eq!((cache.bytes, cache.answers.len()), (0, 0));
        assert!(cache.order.len() <= 10);
    }
}
