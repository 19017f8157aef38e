//! What the results depend on: the machine, and versions.

use std::fs;
use std::num::NonZero;
use std::process::Command;
use std::thread;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

const LOCK: &str = include_str!("../../../Cargo.lock");

/// What is compared, by the names of its packages.
const COMPARED: &[&str] = &[
    "tower",
    "tower-http",
    "tower-resilience-circuitbreaker",
    "tower-resilience-retry",
    "tower-resilience-timelimiter",
    "failsafe",
    "reqwest-retry",
    "axum-idempotent",
    "standardwebhooks",
    "axum",
    "tokio",
    "http",
    "hmac",
    "sha2",
    "sqlx",
    "rusqlite",
    "redis",
];

/// A name and what it is.
type Fact = (&'static str, String);

/// Facts about this run.
pub(crate) fn facts() -> Vec<Fact> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let kernel = ["ostype", "osrelease"].map(|name| read(format!("/proc/sys/kernel/{name}")));
    let load = read("/proc/loadavg".to_owned());
    let cores = thread::available_parallelism().map_or(0, NonZero::get);
    let compiler = Command::new("rustc").arg("--version").output();
    vec![
        ("date", httpdate::fmt_http_date(SystemTime::now())),
        ("cpu", cpu(&read("/proc/cpuinfo".to_owned()))),
        ("cores", cores.to_string()),
        (
            "system",
            kernel.map(|part| part.trim().to_owned()).join(" "),
        ),
        (
            "compiler",
            compiler.map_or_else(
                |_| "unknown".to_owned(),
                |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            ),
        ),
        (
            "load at the end",
            load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        ),
    ]
}

/// The versions of what is compared, as they are locked.
pub(crate) fn versions() -> Vec<(&'static str, String)> {
    COMPARED
        .iter()
        .map(|name| (*name, version(LOCK, name)))
        .collect()
}

/// Facts and versions for machines.
pub(crate) fn json(facts: &[Fact]) -> Map<String, Value> {
    let text = |(name, value): &(&str, String)| ((*name).to_owned(), json!(value));
    let mut object: Map<String, Value> = facts.iter().map(text).collect();
    let versions: Map<String, Value> = versions().iter().map(text).collect();
    object.insert("versions".into(), versions.into());
    object
}

/// The first processor's name.
fn cpu(info: &str) -> String {
    let line = info.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    name.map_or("unknown", |(_, name)| name.trim()).to_owned()
}

/// The newest version of a package in a lock file.
fn version(lock: &str, name: &str) -> String {
    let heading = format!("name = \"{name}\"\n");
    let packages = lock.rsplit("[[package]]\n");
    let found = packages
        .filter_map(|package| package.strip_prefix(&heading))
        .find_map(|rest| rest.lines().next()?.strip_prefix("version = "));
    found.unwrap_or("unknown").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\n\
                    [[package]]\nname = \"a\"\nversion = \"2.0.0\"\nsource = \"x\"\n\n\
                    [[package]]\nname = \"ab\"\nversion = \"9.0.0\"\n";
        assert_eq!(version(lock, "a"), "2.0.0");
        assert_eq!(version(lock, "ab"), "9.0.0");
        assert_eq!(version(lock, "b"), "unknown");
    }

    #[test]
    fn everything_compared_is_locked() {
        for (name, version) in versions() {
            assert_ne!(version, "unknown", "{name}");
        }
    }

    #[test]
    fn the_processor_is_named() {
        assert_eq!(
            cpu("processor\t: 0\nmodel name\t: A CPU\nmodel name\t: B\n"),
            "A CPU"
        );
        assert_eq!(cpu(""), "unknown");
    }
}
