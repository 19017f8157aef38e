//! The circuit's part of the story: when it opened, what it refused, how soon it closed again.

use std::time::Duration;

use buttress_circuit_breaker::State;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::checkout::shop::breaker::{Change, Standing};

/// A time in which the provider could not be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outage {
    /// From when on.
    pub began: Instant,
    /// For how long.
    pub length: Duration,
}

/// What the circuit made of an outage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reaction {
    /// From the outage's beginning until the circuit was open; none if it stayed closed.
    pub to_open: Option<Duration>,
    /// From the outage's end until it was closed again; none if it never opened, or is not closed.
    pub to_recover: Option<Duration>,
    /// Calls refused from the outage's beginning until then.
    pub refused: u64,
}

impl Reaction {
    /// What `circuit` made of `outage`.
    #[must_use]
    pub fn of(circuit: &Standing, outage: Outage) -> Self {
        let Outage { began, length } = outage;
        let ended = began + length;
        let changes = &circuit.changes;
        let to = |state, from: Instant| {
            let is_it = |change: &&Change| change.at >= from && change.transition.to == state;
            changes.iter().find(is_it)
        };
        let to_open = match last(changes, began) {
            Some(change) if change.transition.to == State::Open => Some(Duration::ZERO),
            _ => to(State::Open, began)
                .filter(|change| change.at < ended)
                .map(|change| change.at - began),
        };
        let closed = to_open.and_then(|_| match last(changes, ended) {
            Some(change) if change.transition.to == State::Closed => Some(change),
            _ => to(State::Closed, ended),
        });
        let before = last(changes, began).map_or(0, |change| change.refused);
        Self {
            to_open,
            to_recover: closed.map(|change| change.at.saturating_duration_since(ended)),
            refused: closed
                .map_or(circuit.refused, |change| change.refused)
                .saturating_sub(before),
        }
    }
}

/// The last change before `at`.
fn last(changes: &[Change], at: Instant) -> Option<&Change> {
    changes.iter().rev().find(|change| change.at < at)
}

/// How often it opened.
pub(super) fn openings(circuit: &Standing) -> usize {
    let opens = |change: &&Change| change.transition.to == State::Open;
    circuit.changes.iter().filter(opens).count()
}

/// All of it, with times counted from `started`.
pub(super) fn to_json(circuit: &Standing, outage: Option<Outage>, started: Instant) -> Value {
    let since = |at: Instant| seconds(at.saturating_duration_since(started));
    let change = |change: &Change| {
        json!({
            "at_s": since(change.at),
            "from": change.transition.from.as_str(),
            "to": change.transition.to.as_str(),
            "cause": change.transition.cause.as_str(),
            "open_for_s": change.transition.open_for.map(seconds),
            "refused": change.refused,
        })
    };
    let outage = outage.map(|outage| {
        let reaction = Reaction::of(circuit, outage);
        json!({
            "began_s": since(outage.began),
            "length_s": seconds(outage.length),
            "time_to_open_s": reaction.to_open.map(seconds),
            "time_to_recover_s": reaction.to_recover.map(seconds),
            "refused": reaction.refused,
        })
    });
    json!({
        "state": circuit.state.map(State::as_str),
        "refused": circuit.refused,
        "opened": openings(circuit),
        "transitions": circuit.transitions,
        "changes": circuit.changes.iter().map(change).collect::<Vec<_>>(),
        "outage": outage,
    })
}

/// To a millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use buttress_circuit_breaker::CircuitBreakerLayer;
    use buttress_key::Profile;
    use tokio::time::advance;
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::checkout::shop::breaker::Breaker;

    type Call = http::Request<()>;
    type Answer = Result<http::Response<()>, buttress_classify::BoxError>;

    /// Calls a peer that is up or down, `times` times.
    async fn call(breaker: &Breaker, up: bool, times: u32) {
        let peer = service_fn(move |_: Call| async move {
            let answer: Answer = if up {
                Ok(http::Response::new(()))
            } else {
                Err("down".into())
            };
            answer
        });
        for _ in 0..times {
            let _ = breaker.layer().layer(peer).oneshot(Call::new(())).await;
        }
    }

    fn breaker() -> Breaker {
        let settings = CircuitBreakerLayer::http()
            .consecutive_failures(NonZeroU32::new(3).unwrap())
            .open_for(Duration::from_secs(1))
            .jitter(buttress_backoff::Jitter::None);
        Breaker::new(settings, &Profile::stripe_v1()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_by_when_the_circuit_opened_closed_and_what_it_refused_between() {
        let (breaker, started) = (breaker(), Instant::now());
        advance(Duration::from_secs(1)).await;
        let outage = Outage {
            began: Instant::now(),
            length: Duration::from_secs(4),
        };
        advance(Duration::from_millis(500)).await;
        call(&breaker, false, 3 + 7).await;
        advance(Duration::from_millis(1_500)).await;
        // A probe fails, and the circuit is open for 2 s more.
        call(&breaker, false, 1 + 5).await;
        advance(Duration::from_millis(2_250)).await;
        call(&breaker, true, 1).await;

        let story = to_json(&breaker.standing(), Some(outage), started);
        assert_eq!(
            story["outage"],
            json!({
                "began_s": 1.0, "length_s": 4.0, "refused": 12,
                "time_to_open_s": 0.5, "time_to_recover_s": 0.25,
            })
        );
        assert_eq!(
            (&story["state"], &story["refused"]),
            (&json!("closed"), &json!(12))
        );
        assert_eq!(
            (&story["opened"], &story["transitions"]),
            (&json!(2), &json!(5))
        );
        let states: Vec<_> = story["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| &change["to"])
            .collect();
        assert_eq!(states, ["open", "half_open", "open", "half_open", "closed"]);
        assert_eq!(story["changes"][0]["cause"], "consecutive_failures");
        assert_eq!(story["changes"][0]["open_for_s"], 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_circuit_that_was_open_already_took_no_time_and_one_that_stayed_closed_has_none() {
        let breaker = breaker();
        let outage = || Outage {
            began: Instant::now(),
            length: Duration::from_secs(1),
        };
        let unnoticed = Reaction::of(&breaker.standing(), outage());
        assert_eq!((unnoticed.to_open, unnoticed.to_recover), (None, None));

        call(&breaker, false, 3 + 2).await;
        advance(Duration::from_millis(1)).await;
        let outage = outage();
        call(&breaker, false, 4).await;
        let reaction = Reaction::of(&breaker.standing(), outage);
        assert_eq!(reaction.to_open, Some(Duration::ZERO));
        // It is not closed yet, and its refusals up to now count.
        assert_eq!((reaction.to_recover, reaction.refused), (None, 6));
    }
}
