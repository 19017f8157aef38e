#![doc = include_str!("../README.md")]

#[cfg(feature = "retry")]
pub use buttress_backoff as backoff;
pub use buttress_body as body;
pub use buttress_classify as classify;
pub use buttress_deadline as deadline;
#[cfg(feature = "idempotency")]
pub use buttress_idempotency as idempotency;
#[cfg(feature = "idempotency")]
pub use buttress_key as key;
pub use buttress_problem as problem;
#[cfg(any(feature = "reqwest-0-12", feature = "reqwest-0-13"))]
pub use buttress_reqwest as reqwest;
#[cfg(feature = "retry")]
pub use buttress_retry as retry;
#[cfg(feature = "timeout")]
pub use buttress_timeout as timeout;

#[cfg(feature = "presets")]
pub mod preset;
