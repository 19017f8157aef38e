//! A process of this program, which ends with this one.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use buttress_classify::BoxError;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// The longest that a process takes to stop once it is told to.
const STOPPING: Duration = Duration::from_secs(20);

/// A running process; it is killed when this is dropped, and ends by itself if that never happens.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Its end is what tells the process to stop.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program with these arguments and variables.
    pub(super) fn start(
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
        variables: &[(&str, &str)],
    ) -> Result<Self, BoxError> {
        let program: PathBuf = std::env::current_exe()?;
        let mut child = Command::new(program)
            .args(arguments)
            .arg("--with-parent")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().ok_or("a process without an output")?;
        Ok(Self {
            input: child.stdin.take(),
            output: BufReader::new(output),
            child,
        })
    }

    /// Waits until it listens, and returns where.
    pub(super) async fn listens(&mut self) -> Result<String, BoxError> {
        let mut line = String::new();
        self.output.read_line(&mut line).await?;
        let url = line.trim().strip_prefix("listening on ");
        Ok(url.ok_or("a process ended before it listened")?.to_owned())
    }

    /// SIGKILL, and the end of it.
    pub(super) async fn kill(&mut self) -> Result<(), BoxError> {
        Ok(self.child.kill().await?)
    }

    /// Tells it to stop, and waits for that.
    pub(super) async fn stop(mut self) -> Result<(), BoxError> {
        drop(self.input.take());
        let status = timeout(STOPPING, self.child.wait()).await??;
        if status.success() {
            Ok(())
        } else {
            Err(format!("a process ended with {status}").into())
        }
    }
}
