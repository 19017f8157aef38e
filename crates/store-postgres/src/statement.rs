use std::fmt::Write;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor};

/// How a statement and its values reach the server, in one round trip.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    /// Prepared once for each connection, values apart. The first use takes one round trip more.
    Prepared,
    /// As one text, which leaves nothing behind on the server: for poolers that give each
    /// transaction another connection.
    Simple,
    /// The same as the first statement of a transaction, which was begun with a limit for this
    /// statement's waits alone.
    SimpleFirst,
}

/// What a statement is given: bytes and numbers, and never a text of somebody else's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Bytes(&'a [u8]),
    Flag(bool),
    Number(i64),
}

impl Protocol {
    pub(crate) async fn fetch(
        self,
        connection: &mut PgConnection,
        text: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        match self {
            Self::Prepared => {
                let mut query = sqlx::query(text);
                for value in values {
                    query = match *value {
                        Value::Bytes(bytes) => query.bind(bytes),
                        Value::Flag(flag) => query.bind(flag),
                        Value::Number(number) => query.bind(number),
                    };
                }
                connection.fetch_all(query).await
            }
            Self::Simple => {
                let query = sqlx::raw_sql(AssertSqlSafe(render(text, values)));
                connection.fetch_all(query).await
            }
            Self::SimpleFirst => {
                let mut text = render(text, values);
                text.push_str("; SET LOCAL lock_timeout = DEFAULT");
                let query = sqlx::raw_sql(AssertSqlSafe(text));
                connection.fetch_all(query).await
            }
        }
    }
}

/// The statement with its values in place. Bytes are written in hex, so nothing in them has a
/// meaning, whatever the server's settings for strings.
fn render(text: &str, values: &[Value<'_>]) -> String {
    let bytes: usize = values
        .iter()
        .map(|value| match value {
            Value::Bytes(bytes) => 2 * bytes.len(),
            Value::Flag(_) | Value::Number(_) => 24,
        })
        .sum();
    // A value may stand in several places; answers, which are long, stand in one.
    let mut out = String::with_capacity(text.len() + bytes + 1024);
    let mut parts = text.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        // No statement has more than nine values.
        let mut rest = part.chars();
        let number = rest.next().and_then(|digit| digit.to_digit(10));
        let value = number.and_then(|number| values.get(number.checked_sub(1)? as usize));
        // Writing to a string does not fail.
        let _ = match value {
            Some(Value::Bytes(bytes)) => write!(out, "decode('{}','hex')", hex::encode(bytes)),
            Some(Value::Flag(flag)) => write!(out, "{flag}"),
            Some(Value::Number(number)) => write!(out, "({number}::bigint)"),
            None => write!(out, "${}", part.chars().next().unwrap_or_default()),
        };
        out.push_str(rest.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_their_places() {
        let values = [
            Value::Bytes(b"'\\\0$1"),
            Value::Number(-5),
            Value::Flag(true),
        ];
        assert_eq!(
            render("SELECT $1, $2 + $2 WHERE $3", &values),
            "SELECT decode('275c002431','hex'), (-5::bigint) + (-5::bigint) WHERE true"
        );
    }

    #[test]
    fn each_statement_has_no_more_values_than_nine() {
        for text in [crate::sql::BEGIN, crate::sql::COMPLETE, crate::sql::WAIT] {
            let mut numbers = text.split('$').skip(1);
            assert!(numbers.all(|part| !part[1..].starts_with(|c: char| c.is_ascii_digit())));
        }
    }
}
