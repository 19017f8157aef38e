//! What a shop's many deaths came to.

use std::collections::{BTreeMap, BTreeSet};

use buttress_store::OrphanPolicy;
use serde_json::{Value, json};

use super::pen::{Ink, Pen};
use crate::checkout::shop::store::Census;

/// The story of a run in which the shop was killed.
#[derive(Clone, Debug, Default)]
pub struct Crash {
    /// One for each way to treat requests whose execution was lost.
    pub rounds: Vec<Round>,
    /// The states of orders at the kills, each counted at each kill.
    pub orders: BTreeMap<String, u64>,
    /// The states of requests with a key, likewise.
    pub requests: BTreeMap<String, u64>,
}

/// Orders that were placed at shops that treat lost requests alike.
#[derive(Clone, Debug)]
pub struct Round {
    /// How.
    pub orphans: OrphanPolicy,
    /// How many orders.
    pub orders: u32,
    /// How often the shop was killed.
    pub kills: u64,
    /// How many of the kills hit a request that was being executed.
    pub hits: u64,
    /// The claims that were hit: a request that was hit in two executions has two.
    pub claims_hit: BTreeSet<Vec<u8>>,
    /// Packing slips printed, and how many of them for an order that had one: the handler's effect
    /// that nothing makes idempotent.
    pub slips: (u64, u64),
}

impl Round {
    /// Nothing has happened yet.
    #[must_use]
    pub const fn new(orphans: OrphanPolicy, orders: u32) -> Self {
        Self {
            orphans,
            orders,
            kills: 0,
            hits: 0,
            claims_hit: BTreeSet::new(),
            slips: (0, 0),
        }
    }

    /// Counts a kill that left this behind.
    pub fn count(&mut self, census: &Census, crash: &mut Crash) {
        let before = self.claims_hit.len();
        self.claims_hit.extend(census.claims.iter().cloned());
        let hit = self.claims_hit.len() - before;
        self.kills += 1;
        self.hits += u64::from(hit > 0);
        let requests = [
            ("being_executed", hit),
            ("lost_before", census.claims.len() - hit),
        ];
        for (state, count) in &census.orders {
            *crash.orders.entry((*state).to_owned()).or_default() += count;
        }
        for (state, count) in requests {
            *crash.requests.entry(state.to_owned()).or_default() += count as u64;
        }
        *crash.requests.entry("answered".to_owned()).or_default() += census.answers;
    }

    /// The most slips that may have been printed again: one for each lost execution that is repeated.
    #[must_use]
    pub fn most_again(&self) -> u64 {
        match self.orphans {
            OrphanPolicy::ReExecute => self.claims_hit.len() as u64,
            OrphanPolicy::Refuse => 0,
        }
    }

    /// Whether no request was executed again that should not have been.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.slips.1 <= self.most_again()
    }

    const fn name(&self) -> &'static str {
        match self.orphans {
            OrphanPolicy::ReExecute => "re_execute",
            OrphanPolicy::Refuse => "refuse",
        }
    }

    /// What people are told.
    pub(super) fn told(&self, pen: Pen) -> String {
        let ink = if self.is_right() { Ink::Good } else { Ink::Bad };
        let again = pen.write(ink, self.slips.1);
        format!(
            "{} kills, {} requests lost by them; {} slips printed, {again} of them again",
            self.kills,
            self.claims_hit.len(),
            self.slips.0,
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "orders": self.orders,
            "kills": self.kills,
            "kills_on_live_claims": self.hits,
            "live_claims_hit": self.claims_hit.len(),
            "effects": self.slips.0,
            "re_executions": self.slips.1,
        })
    }
}

impl Crash {
    /// How often the shop was killed.
    #[must_use]
    pub fn kills(&self) -> u64 {
        self.rounds.iter().map(|round| round.kills).sum()
    }

    /// All of it, as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut crash = json!({
            "kills": self.kills(),
            "states": {"orders": self.orders, "requests": self.requests},
        });
        for round in &self.rounds {
            crash[round.name()] = round.to_json();
        }
        crash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(claims: &[u8]) -> Census {
        Census {
            orders: [("charging", 2), ("paid", 1)].into(),
            claims: claims.iter().map(|claim| vec![*claim]).collect(),
            answers: 3,
        }
    }

    #[test]
    fn kills_are_counted_with_the_states_that_they_left() {
        let mut crash = Crash::default();
        let mut round = Round::new(OrphanPolicy::ReExecute, 9);
        // At the third kill the first claim is as the second kill left it.
        for claims in [&[][..], &[1, 2], &[1, 3], &[3]] {
            round.count(&census(claims), &mut crash);
        }
        assert_eq!((round.kills, round.hits, round.claims_hit.len()), (4, 2, 3));
        crash.rounds.push(round);
        let json = crash.to_json();
        assert_eq!(json["kills"], 4);
        assert_eq!(json["states"]["orders"]["charging"], 8);
        let requests = &json["states"]["requests"];
        assert_eq!(
            (&requests["being_executed"], &requests["lost_before"]),
            (&json!(3), &json!(2))
        );
        assert_eq!(json["re_execute"]["live_claims_hit"], 3);
    }

    #[test]
    fn an_effect_may_be_repeated_once_for_each_claim_that_was_hit_and_never_under_refuse() {
        let right = |orphans, again| {
            let mut round = Round::new(orphans, 9);
            round.count(&census(&[1, 2]), &mut Crash::default());
            round.slips = (9 + again, again);
            round.is_right()
        };
        assert!(right(OrphanPolicy::ReExecute, 2));
        assert!(!right(OrphanPolicy::ReExecute, 3));
        assert!(right(OrphanPolicy::Refuse, 0));
        assert!(!right(OrphanPolicy::Refuse, 1));
    }
}
