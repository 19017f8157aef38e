//! Where a server is.

use std::fmt;

/// `SCHEME://USER:PASSWORD@HOST/…`; the password is not shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Url(String);

impl Url {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// All of it, the password too.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str("***");
        };
        // Nothing after a question mark: it may hold a password too.
        let rest = rest.split('?').next().unwrap_or_default();
        let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        match user.split_once(':') {
            Some((user, _)) => write!(f, "{scheme}://{user}:***@{place}"),
            None if user.is_empty() => write!(f, "{scheme}://{place}"),
            None => write!(f, "{scheme}://{user}@{place}"),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for (text, shown) in [
            (
                "postgres://shop:tea:@x@db/orders",
                "postgres://shop:***@db/orders",
            ),
            (
                "postgres://shop@db:5433/orders",
                "postgres://shop@db:5433/orders",
            ),
            (
                "postgresql://db/orders?password=tea",
                "postgresql://db/orders",
            ),
            ("redis://:tea@db:6380/1", "redis://:***@db:6380/1"),
            ("postgres:tea", "***"),
        ] {
            assert_eq!(Url::new(text).to_string(), shown);
            assert_eq!(format!("{:?}", Url::new(text)), shown);
        }
    }
}
