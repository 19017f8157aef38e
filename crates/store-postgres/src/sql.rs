//! Every statement. `$1` and so on are the values; times are microseconds, by the server's clock.
//!
//! The clock is `clock_timestamp()`, for `now()` is when the transaction began: in a transaction of
//! the application's own, that may be long ago.

/// The shipped migrations, in order; each does nothing where it was done.
pub(crate) const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001_idempotency.sql")];

/// Taken while migrating, so that processes that start together do not do it twice at once.
pub(crate) const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7021795532861964801)";

/// Where settlements are told, by key in hex.
pub(crate) const CHANNEL: &str = "buttress_idempotency";

/// `key, fingerprint, token, lease, retention, refuse` → what was found, or no row.
///
/// `seen` is the row before, and whether it is this caller's to write: a repeat that is not writes
/// nothing and locks nothing. The row may change between the look and the write, so the write asks
/// again, of the row as it then is. It may then refuse, and no row is returned: the caller asks anew.
///
/// All is decided at one time, `begun`, taken before any wait for a lock: a lease that was renewed
/// during the wait ends later than that.
pub(crate) const BEGIN: &str = "
WITH seen AS MATERIALIZED (
    SELECT c.t, r.version, r.fingerprint, r.token, r.execution, r.lease_end, r.response, r.due,
        r.key IS NULL OR (r.version = 1 AND (
            coalesce(r.due <= c.t, false)
            OR (r.response IS NULL AND r.fingerprint = $2
                AND (r.token = $3 OR (NOT r.refuse AND r.lease_end <= c.t)))
        )) AS free
    FROM (SELECT clock_timestamp() AS t) AS c LEFT JOIN buttress_idempotency AS r ON r.key = $1
), written AS (
    INSERT INTO buttress_idempotency AS r
        (key, version, fingerprint, token, execution, begun, lease_end, retention, refuse, due)
    SELECT $1, 1, $2, $3, 1, t, t + $4 * interval '1 microsecond', $5, $6,
        CASE WHEN NOT $6 THEN t + ($4 + $5) * interval '1 microsecond' END
    FROM seen WHERE free
    ON CONFLICT (key) DO UPDATE SET
        fingerprint = EXCLUDED.fingerprint,
        token = CASE WHEN coalesce(r.due <= EXCLUDED.begun, false) OR NOT EXCLUDED.refuse
            THEN EXCLUDED.token ELSE r.token END,
        execution = CASE WHEN coalesce(r.due <= EXCLUDED.begun, false) THEN 1
            WHEN r.token = EXCLUDED.token OR EXCLUDED.refuse THEN r.execution
            ELSE least(r.execution + 1, 4294967295) END,
        begun = EXCLUDED.begun,
        lease_end = CASE WHEN r.token = EXCLUDED.token OR NOT EXCLUDED.refuse
            OR coalesce(r.due <= EXCLUDED.begun, false)
            THEN EXCLUDED.lease_end ELSE r.lease_end END,
        retention = EXCLUDED.retention,
        refuse = EXCLUDED.refuse,
        response = NULL,
        due = EXCLUDED.due
    WHERE r.version = 1 AND (
        coalesce(r.due <= EXCLUDED.begun, false)
        OR (r.response IS NULL AND r.fingerprint = EXCLUDED.fingerprint
            AND (r.token = EXCLUDED.token OR (NOT r.refuse AND r.lease_end <= EXCLUDED.begun)))
    )
    RETURNING r.token, r.execution, r.lease_end
)
SELECT true AS written, 1::smallint AS version, NULL::bytea AS fingerprint, token, execution,
    (extract(epoch FROM lease_end - clock_timestamp()) * 1000000)::bigint AS lease_left,
    NULL::bytea AS response, NULL::bigint AS kept_for
FROM written
UNION ALL
SELECT false, version, fingerprint, token, execution,
    (extract(epoch FROM lease_end - t) * 1000000)::bigint, response,
    (extract(epoch FROM due - t) * 1000000)::bigint
FROM seen WHERE NOT free";

/// A claim that its owner may settle: `key, token`.
macro_rules! own {
    () => {
        "key = $1 AND token = $2 AND response IS NULL AND version = 1 \
         AND (due IS NULL OR due > clock_timestamp())"
    };
}

/// A claim that was lost, and may be adopted: `key`.
macro_rules! lost {
    () => {
        "key = $1 AND response IS NULL AND version = 1 AND lease_end <= clock_timestamp() \
         AND (due IS NULL OR due > clock_timestamp())"
    };
}

/// Wakes those who wait, if any do: a notification takes a lock that all commits share.
macro_rules! notify {
    () => {
        " RETURNING CASE WHEN awaited \
         THEN pg_notify('buttress_idempotency', encode(key, 'hex'))::text END"
    };
}

/// `key, token, response, retention`
pub(crate) const COMPLETE: &str = concat!(
    "UPDATE buttress_idempotency SET response = $3, lease_end = NULL, \
     due = clock_timestamp() + $4 * interval '1 microsecond' WHERE ",
    own!(),
    notify!()
);

/// `key, token, lease`
pub(crate) const RENEW: &str = concat!(
    "UPDATE buttress_idempotency SET \
     lease_end = clock_timestamp() + $3 * interval '1 microsecond', \
     due = CASE WHEN NOT refuse \
         THEN clock_timestamp() + ($3 + retention) * interval '1 microsecond' END WHERE ",
    own!(),
    " RETURNING NULL::text"
);

/// `key, token`
pub(crate) const RELEASE: &str =
    concat!("DELETE FROM buttress_idempotency WHERE ", own!(), notify!());

/// `key, token of nobody, response, retention`
pub(crate) const ADOPT_COMPLETED: &str = concat!(
    "UPDATE buttress_idempotency SET token = $2, response = $3, lease_end = NULL, \
     due = clock_timestamp() + $4 * interval '1 microsecond' WHERE ",
    lost!(),
    notify!()
);

/// `key`
pub(crate) const ADOPT_NOT_EXECUTED: &str = concat!(
    "DELETE FROM buttress_idempotency WHERE ",
    lost!(),
    notify!()
);

/// `key` → what stands in the way of a settlement
pub(crate) const LOOK: &str = "
SELECT version, token, response IS NULL, coalesce(lease_end > clock_timestamp(), false)
FROM buttress_idempotency
WHERE key = $1 AND (version > 1 OR due IS NULL OR due > clock_timestamp())";

/// `key, whether to mark it` → how long its lease still lives, and whether its end will be told
pub(crate) const WAIT: &str = "
WITH marked AS (
    UPDATE buttress_idempotency SET awaited = true
    WHERE key = $1 AND $2 AND NOT awaited AND response IS NULL AND version = 1
        AND lease_end > clock_timestamp()
    RETURNING 1
)
SELECT (extract(epoch FROM lease_end - clock_timestamp()) * 1000000)::bigint,
    awaited OR EXISTS (SELECT 1 FROM marked)
FROM buttress_idempotency
WHERE key = $1 AND response IS NULL AND version = 1 AND lease_end > clock_timestamp()";

/// `after, limit`; every key is longer than none
pub(crate) const UNKNOWNS: &str = "
SELECT key, execution FROM buttress_idempotency
WHERE due IS NULL AND version = 1 AND response IS NULL AND lease_end <= clock_timestamp()
    AND key > $1 ORDER BY key LIMIT $2";

/// `limit`. The array is made once, so the limit holds whatever the plan; each row is locked, and
/// asked again when another had it. `statement_timestamp()` lets the index be used.
pub(crate) const PURGE: &str = "
DELETE FROM buttress_idempotency WHERE key = ANY (ARRAY(
    SELECT key FROM buttress_idempotency
    WHERE due <= statement_timestamp() AND version = 1
    ORDER BY due LIMIT $1 FOR UPDATE SKIP LOCKED
)) RETURNING NULL::text";
