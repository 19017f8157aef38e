//! Behaviour of `RetryLayer`, on a paused clock.

mod budget;
mod drain;
mod drop;
mod hints;
mod nested;
mod outcome;
mod peer;
mod readiness;
mod replay;
mod rules;
mod storm;
