//! Why nothing was measured.

/// Told to the user as it is.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
