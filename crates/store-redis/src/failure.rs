use buttress_store::{StoreError, StoreErrorKind};
use redis::{ErrorKind, RedisError};

/// A command that got no answer, or an error for one.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    error: RedisError,
    /// Whether the command may have been executed all the same.
    maybe_executed: bool,
}

impl Failure {
    /// The command never left.
    pub(crate) const fn unsent(error: RedisError) -> Self {
        Self {
            error,
            maybe_executed: false,
        }
    }

    /// What the server, or the connection to it, answered to a command that was sent once.
    pub(crate) fn sent(error: RedisError) -> Self {
        // A command or script of ours writes once, in its last step that can fail: one that ended in
        // an error reply wrote nothing, nor did one that was refused (OOM, READONLY, LOADING, MISCONF, ..).
        let refused = error.code().is_some() || error.kind() == ErrorKind::AuthenticationFailed;
        Self {
            error,
            maybe_executed: !refused,
        }
    }

    /// The same, if an earlier try of the same command may have been executed.
    pub(crate) const fn after_another(mut self, earlier: bool) -> Self {
        self.maybe_executed = self.maybe_executed || earlier;
        self
    }

    pub(crate) const fn error(&self) -> &RedisError {
        &self.error
    }

    pub(crate) fn is_no_script(&self) -> bool {
        self.error.code() == Some("NOSCRIPT")
    }

    /// The node to which the key is being moved, after the client library was sent there in vain.
    pub(crate) fn moving_to(&self) -> Option<&str> {
        let (node, _) = self.error.redirect_node()?;
        (self.error.code() == Some("ASK")).then_some(node)
    }

    /// Whether this, or an earlier try of the same, may have been executed all the same.
    pub(crate) const fn is_doubtful(&self) -> bool {
        self.maybe_executed
    }

    /// The server was asked and did nothing: it has no room, is read-only, not the key's, ..
    pub(crate) fn is_refusal(&self) -> bool {
        self.error.code().is_some()
    }

    /// The connection ended. Whether the command was executed is unknown.
    pub(crate) fn is_cut(&self) -> bool {
        self.maybe_executed && self.error.is_io_error() && !self.error.is_timeout()
    }

    /// Whether a new connection may lead to a better server, or to one that answers at all.
    pub(crate) fn ends_connection(&self) -> bool {
        self.error.is_io_error()
            || self.error.is_unrecoverable_error()
            || self.error.code() == Some("READONLY")
    }

    /// For a call that changes something.
    pub(crate) fn changing(self, doing: &'static str) -> StoreError {
        let kind = if self.error.code() == Some("WRONGTYPE") {
            StoreErrorKind::Corrupt
        } else if self.maybe_executed {
            StoreErrorKind::Indeterminate
        } else {
            StoreErrorKind::Unavailable
        };
        StoreError::new(kind, doing).caused_by(self.error)
    }

    /// For a call that changes nothing.
    pub(crate) fn reading(mut self, doing: &'static str) -> StoreError {
        self.maybe_executed = false;
        self.changing(doing)
    }
}
