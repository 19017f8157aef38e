/// What a server says about itself, in lines of `name:value` (`INFO`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info<'a>(pub(crate) &'a str);

impl Info<'_> {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    }

    /// Of Redis, or of what says to be compatible with it; 0 if it does not tell.
    pub(crate) fn major_version(&self) -> u32 {
        let version = self.get("redis_version");
        let major = version.and_then(|version| version.split('.').next()?.parse().ok());
        major.unwrap_or(0)
    }

    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let info =
            Info("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\r\nrole:master");
        assert_eq!(info.get("maxmemory"), Some("0"));
        assert!(info.is("maxmemory_policy", "noeviction"));
        assert!(info.is("role", "master"));
        assert_eq!(info.get("memory"), None);
    }

    #[test]
    fn a_version_is_its_first_number_or_zero() {
        for (text, major) in [
            ("redis_version:7.0.15", 7),
            (
                "server_name:valkey\r\nredis_version:7.2.4\r\nvalkey_version:8.1.0",
                7,
            ),
            ("redis_version:10", 10),
            ("redis_version:255.255.255", 255),
            ("redis_version:unstable", 0),
            ("", 0),
        ] {
            assert_eq!(Info(text).major_version(), major, "{text}");
        }
    }
}
