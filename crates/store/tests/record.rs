//! The steps of a record, without a store around them.

use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Fingerprint, OrphanPolicy, Record, RecordKey, Resolution, Settled, State,
    StoreErrorKind, StoredResponse, Token,
};
use http::{HeaderMap, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;

const LEASE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn request(token: u8) -> BeginRequest {
    BeginRequest {
        key: RecordKey::from_bytes([1; RecordKey::LEN]),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::from_bytes([token; Token::LEN]),
        lease: LEASE,
        retention: DAY,
        orphan: OrphanPolicy::ReExecute,
    }
}

fn response(body: &str) -> StoredResponse {
    StoredResponse::new(StatusCode::OK, &HeaderMap::new(), body.as_bytes())
}

fn begin(slot: &mut Option<Record>, request: &BeginRequest, now: Duration) -> Begin {
    Record::begin(slot, request, now).unwrap().answer
}

#[test]
fn fingerprints_that_differ_in_one_bit_are_of_two_requests() {
    let one = [1; Fingerprint::LEN];
    for place in 1..Fingerprint::LEN {
        for bit in 0..8 {
            let mut other = one;
            other[place] ^= 1 << bit;
            let [one, other] = [one, other].map(Fingerprint::from_bytes);
            assert!(one.matches(&one).unwrap());
            assert!(!one.matches(&other).unwrap(), "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn fingerprints_of_two_versions_are_not_compared() {
    let mut slot = None;
    assert!(matches!(
        begin(&mut slot, &request(1), Duration::ZERO),
        Begin::Acquired(_)
    ));
    let mut newer = request(2);
    newer.fingerprint = Fingerprint::from_bytes([2; Fingerprint::LEN]);
    let error = Record::begin(&mut slot, &newer, Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unsupported);
}

#[test]
fn the_stricter_of_two_orphan_policies_wins_and_stays() {
    for (first, second) in [
        (OrphanPolicy::Refuse, OrphanPolicy::ReExecute),
        (OrphanPolicy::ReExecute, OrphanPolicy::Refuse),
    ] {
        let mut slot = None;
        let claim = BeginRequest {
            orphan: first,
            ..request(1)
        };
        let next = BeginRequest {
            orphan: second,
            ..request(2)
        };
        assert!(matches!(
            begin(&mut slot, &claim, Duration::ZERO),
            Begin::Acquired(_)
        ));
        assert_eq!(begin(&mut slot, &next, LEASE), Begin::OutcomeUnknown);
        let later = DAY * 1000;
        assert_eq!(begin(&mut slot, &request(3), later), Begin::OutcomeUnknown);
        assert!(slot.as_ref().unwrap().is_unknown(later));
        assert_eq!(slot.unwrap().expires_at(), None);
    }
}

#[test]
fn no_lease_or_retention_overflows() {
    let mut slot = None;
    let endless = BeginRequest {
        lease: Duration::MAX,
        retention: Duration::MAX,
        ..request(1)
    };
    assert!(matches!(
        begin(&mut slot, &endless, DAY),
        Begin::Acquired(_)
    ));
    let found = begin(&mut slot, &request(2), DAY);
    assert_eq!(
        found,
        Begin::InProgress {
            retry_after: Duration::MAX.checked_sub(DAY).unwrap()
        }
    );
    let token = Token::from_bytes([1; Token::LEN]);
    let settled = Record::complete(&mut slot, &token, &response("x"), Duration::MAX, DAY);
    assert_eq!(settled.answer, Settled::Applied);
}

#[test]
fn only_what_differs_must_be_written() {
    let mut slot = None;
    let token = request(1).token;
    assert!(
        Record::begin(&mut slot, &request(1), Duration::ZERO)
            .unwrap()
            .changed
    );
    assert!(
        !Record::begin(&mut slot, &request(2), Duration::ZERO)
            .unwrap()
            .changed
    );
    assert!(Record::complete(&mut slot, &token, &response("x"), DAY, LEASE).changed);
    assert!(!Record::complete(&mut slot, &token, &response("y"), DAY, LEASE).changed);
    assert!(
        !Record::begin(&mut slot, &request(2), LEASE)
            .unwrap()
            .changed
    );
    assert!(!Record::adopt(&mut slot, &Resolution::NotExecuted, LEASE).changed);
}

proptest! {
    /// Whatever happens in whatever order: executions that overlap have lost a lease in between, an
    /// answer once given stays, and only its own token settles a claim.
    #[test]
    fn any_history_keeps_the_law(steps in vec((0_u8..5, 1_u8..5, 0_u64..40), 1..60)) {
        let mut slot: Option<Record> = None;
        let mut now = Duration::ZERO;
        let mut owner: Option<(u8, Duration)> = None;
        let mut answered: Option<StoredResponse> = None;
        for (step, token, seconds) in steps {
            now += Duration::from_secs(seconds);
            let id = Token::from_bytes([token; Token::LEN]);
            let own = owner.is_some_and(|(owner, _)| owner == token);
            match step {
                0 | 1 => match begin(&mut slot, &request(token), now) {
                    Begin::Acquired(claim) => {
                        prop_assert!(answered.is_none());
                        prop_assert!(own || owner.is_none_or(|(_, end)| end <= now));
                        prop_assert_eq!(claim.token(), &id);
                        owner = Some((token, now + LEASE));
                    }
                    Begin::Completed { response, .. } => {
                        prop_assert_eq!(Some(response), answered.clone());
                    }
                    Begin::InProgress { retry_after } => {
                        let (_, end) = owner.unwrap();
                        prop_assert_eq!(now + retry_after, end);
                    }
                    other => prop_assert!(false, "{:?}", other),
                },
                2 => {
                    let mine = response(&format!("{token} at {now:?}"));
                    let settled = Record::complete(&mut slot, &id, &mine, DAY * 9, now).answer;
                    prop_assert_eq!(settled == Settled::Applied, own && answered.is_none());
                    if settled == Settled::Applied {
                        answered = Some(mine);
                    }
                }
                3 => {
                    let settled = Record::renew(&mut slot, &id, LEASE, now).answer;
                    prop_assert_eq!(settled == Settled::Applied, own && answered.is_none());
                    if settled == Settled::Applied {
                        owner = Some((token, now + LEASE));
                    }
                }
                _ => {
                    let settled = Record::release(&mut slot, &id, now).answer;
                    prop_assert_eq!(settled == Settled::Applied, own && answered.is_none());
                    if settled == Settled::Applied {
                        owner = None;
                        prop_assert!(slot.is_none());
                    }
                }
            }
            if let Some(record) = &slot {
                let completed = matches!(record.state, State::Completed { .. });
                prop_assert_eq!(completed, answered.is_some());
            }
        }
    }
}
