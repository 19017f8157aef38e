//! A row as text: what every backend stores of it.
//!
//! JSON with a version. What was written by the version before is read too, once there is one; a
//! newer version is an error, and never a row that lacks something.

use std::time::{Duration, SystemTime};

use buttress_idempotency::OutboundKey;
use buttress_key::{Fingerprint, IdempotencyKey};
use buttress_store::{StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::checkout::shop::input::NewOrder;
use crate::checkout::shop::row::{Doubt, Row, Spent, State};

const VERSION: u32 = 1;
const READING: &str = "reading an order's row";

#[derive(Deserialize, Serialize)]
struct Record {
    version: u32,
    order_id: String,
    amount: u64,
    currency: String,
    key: String,
    generation: u32,
    first_sent_ms: u64,
    fingerprint: Option<String>,
    state: Name,
    reason: Option<String>,
    sent: bool,
    spent: Option<SpentName>,
    attempts: u64,
    operations: u32,
    was_unknown: bool,
    payments: Vec<String>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Created,
    Charging,
    Declined,
    Paid,
    Unknown,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum SpentName {
    Expired,
    StoredFailure,
}

/// The text of a row: all of it but [`Doubt::quiet`], which is a time of this process.
#[must_use]
pub fn encode(row: &Row) -> String {
    let Row { order, key, .. } = row;
    let since_epoch = key.first_sent().duration_since(SystemTime::UNIX_EPOCH);
    let (state, reason) = match &row.state {
        State::Created => (Name::Created, None),
        State::Charging => (Name::Charging, None),
        State::Declined { reason } => (Name::Declined, Some(reason.clone())),
        State::Paid => (Name::Paid, None),
        State::Unknown => (Name::Unknown, None),
    };
    let record = Record {
        version: VERSION,
        order_id: order.id.clone(),
        amount: order.amount,
        currency: order.currency.clone(),
        key: key.key().as_str().to_owned(),
        generation: key.generation(),
        // Rounded down: older than it is, a key is given up sooner.
        first_sent_ms: since_epoch.map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        }),
        fingerprint: key.fingerprint().map(|print| hex::encode(print.as_bytes())),
        state,
        reason,
        sent: row.doubt.sent,
        spent: row.doubt.spent.map(|spent| match spent {
            Spent::Expired => SpentName::Expired,
            Spent::StoredFailure => SpentName::StoredFailure,
        }),
        attempts: row.attempts,
        operations: row.operations,
        was_unknown: row.was_unknown,
        payments: row.payments.clone(),
    };
    // Strings, numbers and lists: there is nothing in it that JSON cannot say.
    serde_json::to_string(&record).unwrap_or_default()
}

/// Reads what [`encode`] wrote. Whoever drives the order has to [resume](Row::resume) it first.
///
/// # Errors
/// [`Unsupported`](StoreErrorKind::Unsupported) for a newer version,
/// [`Corrupt`](StoreErrorKind::Corrupt) for anything else that is no row.
pub fn decode(text: &str) -> Result<Row, StoreError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }

    let Version { version } = serde_json::from_str(text).map_err(corrupt)?;
    if version > VERSION {
        let error = StoreError::new(StoreErrorKind::Unsupported, READING);
        return Err(error.caused_by(format!("version {version}")));
    }
    let record: Record = serde_json::from_str(text).map_err(corrupt)?;
    let first_sent = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(record.first_sent_ms))
        .ok_or_else(|| corrupt("a time beyond all times"))?;
    let key = IdempotencyKey::parse(&record.key).map_err(corrupt)?;
    let mut key = OutboundKey::new(key, first_sent).with_generation(record.generation);
    if let Some(text) = &record.fingerprint {
        let bytes = hex::decode(text).map_err(corrupt)?;
        key = key.with_fingerprint(Fingerprint::from_bytes(&bytes).map_err(corrupt)?);
    }
    Ok(Row {
        order: NewOrder {
            id: record.order_id,
            amount: record.amount,
            currency: record.currency,
        },
        key,
        state: match (record.state, record.reason) {
            (Name::Declined, reason) => State::Declined {
                reason: reason.unwrap_or_default(),
            },
            (Name::Created, _) => State::Created,
            (Name::Charging, _) => State::Charging,
            (Name::Paid, _) => State::Paid,
            (Name::Unknown, _) => State::Unknown,
        },
        doubt: Doubt {
            sent: record.sent,
            spent: record.spent.map(|spent| match spent {
                SpentName::Expired => Spent::Expired,
                SpentName::StoredFailure => Spent::StoredFailure,
            }),
            quiet: Instant::now(),
        },
        attempts: record.attempts,
        operations: record.operations,
        was_unknown: record.was_unknown,
        payments: record.payments,
    })
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, READING).caused_by(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"version":1,"order_id":"o-1","amount":5,"currency":"usd","key":"k","generation":2,"first_sent_ms":1700000000123,"fingerprint":null,"state":"declined","reason":"lost_card","sent":true,"spent":"stored_failure","attempts":7,"operations":3,"was_unknown":true,"payments":["pi_1"]}"#;

    #[test]
    fn a_golden_record_is_read_and_written_as_it_was() {
        let row = decode(GOLDEN).unwrap();
        assert_eq!(row.order.amount, 5);
        assert_eq!((row.key.key().as_str(), row.key.generation()), ("k", 2));
        assert_eq!(row.doubt.spent, Some(Spent::StoredFailure));
        let reason = "lost_card".to_owned();
        assert_eq!(row.state, State::Declined { reason });
        assert_eq!(encode(&row), GOLDEN);
    }

    #[test]
    fn a_key_keeps_its_fingerprint() {
        let secret = buttress_key::DerivationSecret::new("sixteen bytes at least").unwrap();
        let uri = "http://provider/".parse().unwrap();
        let print = Fingerprint::new(&secret, &http::Method::POST, &uri, b"amount=5");
        let mut row = decode(GOLDEN).unwrap();
        row.key = row.key.with_fingerprint(print);
        let again = decode(&encode(&row)).unwrap();
        assert_eq!(again.key.fingerprint(), Some(&print));
    }

    #[test]
    fn what_is_no_row_of_a_known_version_is_an_error() {
        let newer = GOLDEN.replace(r#""version":1"#, r#""version":2"#);
        assert_eq!(
            decode(&newer).unwrap_err().kind(),
            StoreErrorKind::Unsupported
        );
        for text in [
            "",
            "{}",
            "[]",
            &GOLDEN[1..],
            &GOLDEN.replace("declined", "lost"),
        ] {
            assert_eq!(
                decode(text).unwrap_err().kind(),
                StoreErrorKind::Corrupt,
                "{text}"
            );
        }
    }
}
