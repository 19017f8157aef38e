//! Where a store is, as people write it.

use std::error::Error;
use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::str::FromStr;

use buttress_store::StoreError;

use super::Store;

/// A place for order rows and idempotency records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Location {
    /// `memory:`, which ends with the process.
    Memory,
    /// `postgres://USER:PASSWORD@HOST/DATABASE`, which any number of processes share.
    #[cfg(feature = "postgres")]
    Postgres(super::Url),
    /// `redis://USER:PASSWORD@HOST/NUMBER`, a server's database, which any number of processes share.
    #[cfg(feature = "redis")]
    Redis(super::Url),
    /// `sqlite:PATH`, a file that one process has open at a time.
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
}

/// How those are written that this build has.
const KNOWN: [&str; 4] = [
    "memory:",
    if cfg!(feature = "sqlite") {
        "sqlite:PATH"
    } else {
        "sqlite:PATH (needs the feature sqlite)"
    },
    if cfg!(feature = "postgres") {
        "postgres://USER:PASSWORD@HOST/DATABASE"
    } else {
        "postgres://HOST/DATABASE (needs the feature postgres)"
    },
    if cfg!(feature = "redis") {
        "redis://USER:PASSWORD@HOST/NUMBER"
    } else {
        "redis://HOST/NUMBER (needs the feature redis)"
    },
];

/// A text that names no place that this build knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoLocation;

impl fmt::Display for NoLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a store is {}", KNOWN.join(" or "))
    }
}

impl Error for NoLocation {}

impl FromStr for Location {
    type Err = NoLocation;

    fn from_str(text: &str) -> Result<Self, NoLocation> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) if super::postgres::understands(text) => {
                Ok(Self::Postgres(super::Url::new(text)))
            }
            #[cfg(feature = "redis")]
            Some(("redis", _)) if super::redis::understands(text) => {
                Ok(Self::Redis(super::Url::new(text)))
            }
            #[cfg(feature = "sqlite")]
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(NoLocation),
        }
    }
}

impl fmt::Display for Location {
    /// Without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.fmt(f),
            #[cfg(feature = "redis")]
            Self::Redis(url) => url.fmt(f),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl Location {
    /// As it was written, with its password: for a process of the same shop.
    #[must_use]
    pub fn secret(&self) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.secret().to_owned(),
            #[cfg(feature = "redis")]
            Self::Redis(url) => url.secret().to_owned(),
            _ => self.to_string(),
        }
    }

    /// Whether several processes may have it open at a time.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        match self {
            Self::Memory => false,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => false,
            #[cfg(any(feature = "postgres", feature = "redis"))]
            _ => true,
        }
    }

    /// Opens it, and creates it if it is not there.
    ///
    /// # Errors
    /// When it cannot be reached, is damaged, or belongs to another process.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "redis", feature = "sqlite")),
        expect(clippy::unused_async, reason = "what is in memory is at hand")
    )]
    pub async fn open(&self) -> Result<Store, StoreError> {
        match self {
            Self::Memory => Ok(Store::default()),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => super::postgres::open(url).await,
            #[cfg(feature = "redis")]
            Self::Redis(url) => super::redis::open(url).await,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => super::sqlite::open(path).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_written_as_it_is_read() {
        for text in ["memory:", "sqlite:orders.db", "sqlite:/var/lib/a b.db"] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_password_is_handed_on_and_not_shown() {
        let text = "redis://shop:tea@localhost:6379/1";
        let location: Location = text.parse().unwrap();
        assert_eq!(location.secret(), text);
        assert_eq!(location.to_string(), "redis://shop:***@localhost:6379/1");
    }

    #[test]
    fn everything_else_is_none() {
        for text in [
            "",
            "memory",
            "memory:x",
            "sqlite:",
            "orders.db",
            "redis:",
            "redis://h/orders",
            "postgres",
            "SQLITE:x",
        ] {
            assert_eq!(text.parse::<Location>(), Err(NoLocation), "{text}");
        }
    }
}
