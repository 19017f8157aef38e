use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, OrphanPolicy, StoreError, StoreErrorKind, StoredResponse,
};
use bytes::Bytes;
use redis::{Cmd, Value};

use crate::layout::{self, Found, micros, time_to_live};
use crate::link::Confirmed;
use crate::reply::{Reply, kept_for, nonsense};
use crate::script::{self, Arg};
use crate::store::{Shared, unconfirmed};

const DOING: &str = "claiming a key";

impl Shared {
    /// Under `ReExecute` one command claims a key or finds out why not, for a fraction of what a script
    /// takes of the server; where that is not enough, the script goes on.
    pub(crate) async fn begin(&self, request: &BeginRequest) -> Result<Begin, StoreError> {
        let key = self.names.of(&request.key);
        let by_command = self.claims_by_command && request.orphan == OrphanPolicy::ReExecute;
        if by_command && let Some(begin) = self.begin_by_command(&key, request).await? {
            return Ok(begin);
        }
        self.begin_by_script(&key, request, false).await
    }

    async fn begin_by_command(
        &self,
        key: &[u8],
        request: &BeginRequest,
    ) -> Result<Option<Begin>, StoreError> {
        let mut left = Cmd::with_capacity(2, key.len() + 4);
        left.arg("PTTL").arg(key);
        let claimed = self.link.change_and_read(key, claim(key, request), left);
        let Confirmed { answer, confirmed } = match claimed.await {
            // A script looks before it writes: what is there is found on a server without memory or
            // disk, and on the node that a key moves to.
            Err(failure) if failure.is_refusal() => {
                let earlier = failure.is_doubtful();
                return self.begin_by_script(key, request, earlier).await.map(Some);
            }
            claimed => claimed.map_err(|failure| failure.changing(DOING))?,
        };
        match answer {
            (Value::Nil, _) if !confirmed => Err(unconfirmed(DOING)),
            (Value::Nil, _) => {
                let claim = Claim::new(request.key, request.token, 1);
                Ok(Some(Begin::Acquired(claim)))
            }
            (Value::BulkString(record), Value::Int(left)) => found(&record.into(), left, request),
            (_, Value::ServerError(error)) => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "asking for the time to live",
            )
            .caused_by(redis::RedisError::from(error))),
            _ => Err(nonsense()),
        }
    }

    /// `earlier`: an earlier try of this begin may have claimed the key.
    async fn begin_by_script(
        &self,
        key: &[u8],
        request: &BeginRequest,
        earlier: bool,
    ) -> Result<Begin, StoreError> {
        let record = layout::claim(request);
        let (head, kept) = layout::around_lease_end(&record);
        let args = [
            Arg::Bytes(head),
            Arg::Number(micros(request.lease)),
            Arg::Bytes(kept),
            Arg::Number(kept_claim(request)),
        ];
        let args = match (request.orphan, &args) {
            (OrphanPolicy::ReExecute, all) => all.as_slice(),
            (OrphanPolicy::Refuse, [mortal @ .., _]) => mortal,
        };
        let changed = self.link.change(&script::BEGIN, key, args).await;
        let Confirmed { answer, confirmed } =
            changed.map_err(|failure| failure.after_another(earlier).changing(DOING))?;
        match Reply::read(answer)?.begin(request)? {
            Begin::Acquired(_) if !confirmed => Err(unconfirmed(DOING)),
            begin => Ok(begin),
        }
    }
}

/// Sets the record if there is none, and returns the one that there is.
fn claim(key: &[u8], request: &BeginRequest) -> Cmd {
    let record = layout::claim(request);
    let mut claim = Cmd::with_capacity(7, key.len() + record.len() + 30);
    claim.arg("SET").arg(key).arg(&record);
    claim
        .arg("NX")
        .arg("GET")
        .arg("PX")
        .arg(kept_claim(request));
    claim
}

/// Milliseconds that a claim is kept which nobody settles.
fn kept_claim(request: &BeginRequest) -> u64 {
    time_to_live(micros(request.lease).saturating_add(micros(request.retention)))
}

fn found(
    record: &Bytes,
    time_to_live: i64,
    request: &BeginRequest,
) -> Result<Option<Begin>, StoreError> {
    match Found::read(record, request) {
        Some(Found::Mismatch) => Ok(Some(Begin::Mismatch)),
        Some(Found::Completed) => Ok(Some(Begin::Completed {
            response: StoredResponse::decode(record.slice(layout::HEAD..))?,
            expires_in: kept_for(time_to_live),
        })),
        Some(Found::InProgress { retention }) => {
            let left = u64::try_from(time_to_live).unwrap_or(0);
            let left = left.saturating_mul(1000).saturating_sub(retention);
            let retry_after = Duration::from_micros(left);
            Ok((left > 0).then_some(Begin::InProgress { retry_after }))
        }
        None => Ok(None),
    }
}
