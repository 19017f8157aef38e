use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, Settled, StoreError, StoreErrorKind, StoredResponse,
};
use redis::Value;

/// What a script answers: a code, and what belongs to it.
#[derive(Debug)]
pub(crate) struct Reply {
    code: i64,
    number: i64,
    bytes: Vec<u8>,
}

/// What is found under a key by somebody who does not want to claim it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// In progress for so long.
    Busy(Duration),
    /// Absent, completed, or free to be taken over.
    Free,
    /// Unknown, since this execution.
    Unknown(u32),
}

impl Reply {
    pub(crate) fn read(value: Value) -> Result<Self, StoreError> {
        let items = match value {
            Value::Array(items) => items,
            // The first of its kind: of a claim, the first execution.
            Value::Int(1) => {
                return Ok(Self {
                    code: 1,
                    number: 1,
                    bytes: Vec::new(),
                });
            }
            _ => return Err(nonsense()),
        };
        let mut items = items.into_iter();
        let Some(Value::Int(code)) = items.next() else {
            return Err(nonsense());
        };
        let number = match items.next() {
            None => 0,
            Some(Value::Int(number)) => number,
            Some(_) => return Err(nonsense()),
        };
        let bytes = match items.next() {
            None => Vec::new(),
            Some(Value::BulkString(bytes)) => bytes,
            Some(_) => return Err(nonsense()),
        };
        match code {
            -1 => Err(StoreError::new(
                StoreErrorKind::Unsupported,
                "reading a record of a newer version",
            )),
            -2 => Err(StoreError::new(StoreErrorKind::Corrupt, "reading a record")),
            _ => Ok(Self {
                code,
                number,
                bytes,
            }),
        }
    }

    pub(crate) fn begin(self, request: &BeginRequest) -> Result<Begin, StoreError> {
        match self.code {
            1 => {
                let execution = u32::try_from(self.number).map_err(|_| nonsense())?;
                let claim = Claim::new(request.key, request.token, execution);
                Ok(Begin::Acquired(claim))
            }
            2 => Ok(Begin::Completed {
                expires_in: kept_for(self.number),
                response: StoredResponse::decode(self.bytes.into())?,
            }),
            3 => Ok(Begin::Mismatch),
            4 => Ok(Begin::InProgress {
                retry_after: self.time()?,
            }),
            5 => Ok(Begin::OutcomeUnknown),
            -3 => Err(StoreError::new(
                StoreErrorKind::Unsupported,
                "comparing fingerprints of different versions",
            )),
            _ => Err(nonsense()),
        }
    }

    pub(crate) fn settled(self) -> Result<Settled, StoreError> {
        match self.code {
            1 => Ok(Settled::Applied),
            2 => Ok(Settled::AlreadyApplied),
            3 => Ok(Settled::Lost),
            _ => Err(nonsense()),
        }
    }

    pub(crate) fn look(self) -> Result<Look, StoreError> {
        match self.code {
            0 => Ok(Look::Free),
            1 => self.time().map(Look::Busy),
            2 => u32::try_from(self.number)
                .map(Look::Unknown)
                .map_err(|_| nonsense()),
            _ => Err(nonsense()),
        }
    }

    fn time(&self) -> Result<Duration, StoreError> {
        u64::try_from(self.number)
            .map(Duration::from_micros)
            .map_err(|_| nonsense())
    }
}

/// What is left of a completed record's time to live, in milliseconds. Negative, if it is gone by now
/// or somebody took the time to live away: then nobody should keep a copy.
pub(crate) fn kept_for(time_to_live: i64) -> Duration {
    Duration::from_millis(time_to_live.try_into().unwrap_or(0))
}

/// Not what our scripts answer: something between us and the server speaks for it.
pub(crate) fn nonsense() -> StoreError {
    StoreError::new(StoreErrorKind::Indeterminate, "reading an answer")
}
