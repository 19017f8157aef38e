//! Behaviour of the circuit breaker through its public API, on a paused clock.

mod closes;
mod drops;
mod handle;
mod keyed;
mod listeners;
mod liveness;
mod opens;
mod peer;
mod readiness;
mod settings;
mod shared;
mod threads;
