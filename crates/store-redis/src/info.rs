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
}
