//! Clients that hang up, a store that fails and handlers that break, all at random: under `Refuse` no
//! request is ever executed twice, and all its answers are the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_idempotency::{Execution, IdempotencyKeyLayer};
use buttress_store::OrphanPolicy;
use futures_util::future::join_all;

use crate::kit::{Flaky, Mode, Runs, created, post, send};

const KEYS: u64 = 6;

/// Numbers that look random and are the same each time.
#[derive(Clone)]
struct Dice(Arc<Mutex<u64>>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed.wrapping_mul(2) + 1)))
    }

    fn below(&self, end: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 16) % end
    }

    fn millis(&self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }
}

/// What happened to one key.
#[derive(Debug, Default)]
struct Story {
    runs: usize,
    answers: Vec<String>,
}

async fn live_through(seed: u64) -> HashMap<String, Story> {
    let (dice, store, runs) = (Dice::new(seed), Flaky::default(), Runs::default());
    let layer = IdempotencyKeyLayer::inbound(store.clone())
        .single_tenant()
        .orphan_policy(OrphanPolicy::Refuse)
        .wait(Duration::from_secs(5))
        .build()
        .unwrap();
    let stories = Arc::new(Mutex::new(HashMap::<String, Story>::new()));
    let (noted, luck) = (stories.clone(), dice.clone());
    let service = runs.service(&layer, move |run, request| {
        let execution = request.extensions().get::<Execution>().unwrap();
        let key = execution.key().unwrap().as_str().to_owned();
        noted.lock().unwrap().entry(key).or_default().runs += 1;
        let (time, fate) = (luck.millis(120_000), luck.below(12));
        async move {
            tokio::time::sleep(time).await;
            assert!(fate != 0, "a bug in the handler");
            let mut answer = created(run)?;
            if fate == 1 {
                *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            }
            Ok(answer)
        }
    });

    let weather = async {
        for _ in 0..200 {
            let skies = [Mode::Up, Mode::Up, Mode::Down, Mode::Hang, Mode::Deaf];
            let draw = || skies[usize::try_from(dice.below(5)).unwrap()];
            store.begin_is(draw());
            store.complete_is(draw());
            store.renew_is(draw());
            tokio::time::sleep(dice.millis(4000)).await;
        }
        store.begin_is(Mode::Up);
        store.complete_is(Mode::Up);
        store.renew_is(Mode::Up);
    };
    let clients = (0..24).map(|client| {
        let (service, dice, stories) = (service.clone(), dice.clone(), stories.clone());
        async move {
            let key = format!("k{}", client % KEYS);
            for _ in 0..20 {
                tokio::time::sleep(dice.millis(10_000)).await;
                let patience = dice.millis(40_000);
                let call = send(&service, post(&key, "order"));
                let Ok(answer) = tokio::time::timeout(patience, call).await else {
                    continue;
                };
                if answer.status == 201 {
                    let mut stories = stories.lock().unwrap();
                    let told = stories.entry(key.clone()).or_default();
                    told.answers.push(answer.text().to_owned());
                }
            }
        }
    });
    futures_util::future::join(weather, join_all(clients)).await;
    assert_eq!(layer.executions().drain(Duration::from_secs(3600)).await, 0);
    std::mem::take(&mut *stories.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn under_refuse_no_chaos_makes_a_second_execution_or_a_second_answer() {
    let (mut executed, mut answered) = (0, 0);
    for seed in 1..=20 {
        for (key, mut story) in live_through(seed).await {
            assert!(
                story.runs <= 1,
                "seed {seed}: {key} ran {} times",
                story.runs
            );
            executed += story.runs;
            answered += story.answers.len();
            story.answers.dedup();
            assert!(story.answers.len() <= 1, "seed {seed}: {key} {story:?}");
        }
    }
    // The chaos leaves something to see.
    assert!(executed > 60 && answered > 150, "{executed} {answered}");
}
