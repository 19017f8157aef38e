//! The layout of a record and of its key. `lua/head.lua` holds the same; golden vectors in the tests
//! hold both still.

use std::time::Duration;

use buttress_store::{BeginRequest, Fingerprint, OrphanPolicy, RecordKey, Token};

const VERSION: u8 = 1;
const CLAIM: usize = 4 + Fingerprint::LEN + Token::LEN + 4;

/// How many bytes of a record stand before its answer.
pub(crate) const HEAD: usize = CLAIM + 8 + 8;

/// Longer than any server runs, and small enough for every sum to stay exact in a Lua number.
const CENTURY: u64 = 100 * 366 * 24 * 60 * 60 * 1_000_000;

/// The record of a first claim: version, in progress, its policy, nobody waiting, whose it is, and how
/// long it is kept after the lease. The end of the lease is 0: see `lua/head.lua`.
pub(crate) fn claim(request: &BeginRequest) -> [u8; HEAD] {
    let mut record = [0; HEAD];
    let (flags, rest) = record.split_at_mut(4);
    let (fingerprint, rest) = rest.split_at_mut(Fingerprint::LEN);
    let (token, rest) = rest.split_at_mut(Token::LEN);
    let (execution, rest) = rest.split_at_mut(4);
    let (_lease_end, retention) = rest.split_at_mut(8);
    let refuse = u8::from(request.orphan == OrphanPolicy::Refuse);
    flags.copy_from_slice(&[VERSION, 0, refuse, 0]);
    fingerprint.copy_from_slice(request.fingerprint.as_bytes());
    token.copy_from_slice(request.token.as_bytes());
    execution.copy_from_slice(&1_u32.to_be_bytes());
    retention.copy_from_slice(&micros(request.retention).to_be_bytes());
    record
}

/// What stands before and after the end of the lease.
pub(crate) fn around_lease_end(record: &[u8; HEAD]) -> (&[u8], &[u8]) {
    let (head, rest) = record.split_at(CLAIM);
    (head, rest.split_at(8).1)
}

/// What a record that was found says to whoever wants to begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// Its answer follows the head.
    Completed,
    /// By another token, until so many microseconds before the key's time to live ends.
    InProgress { retention: u64 },
    /// It is for something else.
    Mismatch,
}

impl Found {
    /// `None` if that needs the server's clock or a change, or is an error: a script knows.
    pub(crate) fn read(record: &[u8], request: &BeginRequest) -> Option<Self> {
        let (head, _) = record.split_first_chunk::<HEAD>()?;
        let (flags, rest) = head.split_first_chunk()?;
        let (fingerprint, rest) = rest.split_first_chunk()?;
        let (token, rest) = rest.split_at_checked(Token::LEN)?;
        let (lease_end, retention) = rest.get(4..)?.split_first_chunk()?;
        let &[VERSION, completed @ 0..=1, refuse @ 0..=1, _] = flags else {
            return None;
        };
        let fingerprint = Fingerprint::from_bytes(*fingerprint);
        if !fingerprint.matches(&request.fingerprint).ok()? {
            return Some(Self::Mismatch);
        }
        if completed == 1 {
            return Some(Self::Completed);
        }
        let told_by_time_to_live = refuse == 0 && *lease_end == [0; 8];
        let others = token != request.token.as_bytes();
        (told_by_time_to_live && others).then_some(Self::InProgress {
            retention: u64::from_be_bytes(retention.try_into().ok()?),
        })
    }
}

/// Which execution was lost, if this is the head of a record whose outcome is unknown at `now`.
pub(crate) fn unknown_execution(head: &[u8], now: u64) -> Option<u32> {
    let (claim, rest) = head.split_at_checked(CLAIM)?;
    let execution = claim.last_chunk()?;
    let (lease_end, rest) = rest.split_first_chunk()?;
    let unknown = claim.starts_with(&[VERSION, 0, 1])
        && rest.len() == 8
        && u64::from_be_bytes(*lease_end) <= now;
    unknown.then(|| u32::from_be_bytes(*execution))
}

/// Microseconds, rounded up.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1000)).map_or(CENTURY, |micros| micros.min(CENTURY))
}

/// Milliseconds, rounded up. A server takes no zero.
pub(crate) fn time_to_live(micros: u64) -> u64 {
    micros.div_ceil(1000).max(1)
}

/// What makes record keys into the server's keys, and back.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    channel: String,
}

impl Names {
    pub(crate) fn new(prefix: String) -> Self {
        let channel = format!("{prefix}settled");
        Self { prefix, channel }
    }

    /// The prefix, then two hex digits a byte: in the order of the record keys.
    pub(crate) fn of(&self, key: &RecordKey) -> Vec<u8> {
        let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        let mut digits = [[0; 2]; RecordKey::LEN];
        for (digits, byte) in digits.iter_mut().zip(key.as_bytes()) {
            *digits = [digit(byte >> 4), digit(byte & 15)];
        }
        [self.prefix.as_bytes(), digits.as_flattened()].concat()
    }

    /// Which record has this name, if it is one of ours.
    pub(crate) fn key(&self, name: &[u8]) -> Option<RecordKey> {
        let digits = name.strip_prefix(self.prefix.as_bytes())?;
        if digits.len() != 2 * RecordKey::LEN {
            return None;
        }
        let mut key = [0; RecordKey::LEN];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return None,
                };
                *byte = *byte << 4 | value;
            }
        }
        Some(RecordKey::from_bytes(key))
    }

    /// Where settlements are told to those who wait; `lua/settle.lua` makes the same of a key.
    pub(crate) fn channel(&self) -> &str {
        &self.channel
    }

    /// A `SCAN` pattern that every name matches.
    pub(crate) fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + 1);
        for letter in self.prefix.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('*');
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_key_and_others_to_none() {
        let names = Names::new("shop:".to_owned());
        for byte in [0, 1, 0x7f, 0xa5, 0xff] {
            let key = RecordKey::from_bytes([byte; RecordKey::LEN]);
            assert_eq!(names.key(&names.of(&key)), Some(key));
        }
        let name = names.of(&RecordKey::derive(&[b"k"]));
        let other = Names::new("shop2:".to_owned());
        assert_eq!(other.key(&name), None);
        assert_eq!(names.key(&name[..name.len() - 1]), None);
        assert_eq!(names.key(b"shop:settled"), None);
        let mut upper = name;
        upper.make_ascii_uppercase();
        assert_eq!(names.key(&upper), None);
    }

    #[test]
    fn names_are_in_the_order_of_their_keys() {
        let names = Names::new(String::new());
        let mut keys: Vec<_> = (0..100_u8).map(|n| RecordKey::derive(&[&[n]])).collect();
        keys.sort_unstable();
        assert!(keys.is_sorted_by_key(|key| names.of(key)));
    }

    #[test]
    fn times_are_rounded_up_and_bounded() {
        assert_eq!(micros(Duration::ZERO), 0);
        assert_eq!(micros(Duration::from_nanos(1)), 1);
        assert_eq!(micros(Duration::from_micros(7)), 7);
        assert_eq!(micros(Duration::MAX), CENTURY);
        assert_eq!(time_to_live(0), 1);
        assert_eq!(time_to_live(1000), 1);
        assert_eq!(time_to_live(1001), 2);
    }

    #[test]
    fn a_pattern_matches_its_prefix_to_the_letter() {
        let names = Names::new("a*[b]?\\:".to_owned());
        assert_eq!(names.pattern(), "a\\*\\[b\\]\\?\\\\:*");
    }
}
