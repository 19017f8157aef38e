#![doc = include_str!("../README.md")]

#[cfg(feature = "retry")]
pub use buttress_backoff as backoff;
pub use buttress_body as body;
#[cfg(feature = "circuit-breaker")]
pub use buttress_circuit_breaker as circuit_breaker;
pub use buttress_classify as classify;
pub use buttress_deadline as deadline;
#[cfg(any(feature = "idempotency-inbound", feature = "webhook"))]
pub use buttress_event as event;
#[cfg(feature = "idempotency")]
pub use buttress_idempotency as idempotency;
#[cfg(feature = "idempotency")]
pub use buttress_key as key;
pub use buttress_problem as problem;
#[cfg(any(feature = "reqwest-0-12", feature = "reqwest-0-13"))]
pub use buttress_reqwest as reqwest;
#[cfg(feature = "respond")]
pub use buttress_respond as respond;
#[cfg(feature = "retry")]
pub use buttress_retry as retry;
#[cfg(any(
    feature = "idempotency-inbound",
    feature = "store-memory",
    feature = "store-wrappers"
))]
pub use buttress_store as store;
#[cfg(feature = "store-memory")]
pub use buttress_store_memory as store_memory;
#[cfg(feature = "store-wrappers")]
pub use buttress_store_wrappers as store_wrappers;
#[cfg(feature = "timeout")]
pub use buttress_timeout as timeout;
#[cfg(feature = "webhook")]
pub use buttress_webhook as webhook;

#[cfg(feature = "presets")]
pub mod preset;
