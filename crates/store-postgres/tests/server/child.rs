//! A process of its own, that a test can kill: the test binary itself, in another role.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

const ROLE: &str = "STORE_POSTGRES_CHILD_ROLE";
const PORT: &str = "STORE_POSTGRES_CHILD_PORT";
const FIRST: &str = "STORE_POSTGRES_CHILD_FIRST";

/// What a child was told: its role, the server's port, and a number.
pub(crate) struct Orders {
    pub(crate) role: String,
    pub(crate) port: u16,
    pub(crate) first: u64,
}

/// `None` in the test process itself.
pub(crate) fn orders() -> Option<Orders> {
    Some(Orders {
        role: std::env::var(ROLE).ok()?,
        port: std::env::var(PORT).ok()?.parse().ok()?,
        first: std::env::var(FIRST).ok()?.parse().ok()?,
    })
}

/// One write, so that a kill tears the last line at most.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever listens may have gone.
    let _ = out.write_all(format!("\n@{line}\n").as_bytes());
    let _ = out.flush();
}

pub(crate) struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    /// Runs the test `in_a_process_of_its_own` of this binary.
    pub(crate) fn start(role: &str, port: u16, first: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_process_of_its_own", "--nocapture"])
            .env(ROLE, role)
            .env(PORT, port.to_string())
            .env(FIRST, first.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits until it says this.
    pub(crate) fn wait_for(&mut self, word: &str) {
        let expected = format!("@{word}");
        let mut line = String::new();
        while line.trim_end() != expected {
            line.clear();
            let read = self.lines.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended before it said {word}");
        }
    }

    /// SIGKILL; and what it had said.
    pub(crate) fn kill(mut self) -> String {
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.rest()
    }

    /// Waits for its end; and what it had said.
    pub(crate) fn finish(mut self) -> String {
        let said = self.rest();
        assert!(self.child.wait().unwrap().success(), "{said}");
        said
    }

    fn rest(&mut self) -> String {
        let mut said = Vec::new();
        self.lines.read_to_end(&mut said).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The numbers that were said with this verb.
pub(crate) fn said(text: &str, verb: &str) -> Vec<u64> {
    // The last line may be torn.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let numbers = whole.lines().filter_map(|line| {
        let rest = line.strip_prefix('@')?.strip_prefix(verb)?;
        rest.trim().parse().ok()
    });
    numbers.collect()
}
