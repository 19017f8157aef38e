//! Random histories against a naive model.

use buttress_store::{Begin, BeginRequest, Claim, OrphanPolicy, Resolution, Settled, Token};

use crate::Stage;
use crate::model::{Ask, Found, Model, Result};
use crate::stage::{fingerprint, response};

const OWNERS: usize = 4;
const KEYS: usize = 3;

/// Whatever is done in whatever order, the store answers as the model does.
pub async fn random_histories_match_the_model(stage: &Stage) {
    let run = |seed| History::new(stage, seed).run(60);
    if stage.lease().as_secs() > 10 {
        for seed in 0..200 {
            run(seed).await;
        }
    } else if stage.adds_up() {
        for seed in 0..8 {
            run(seed).await;
        }
    } else {
        // On a real clock they sleep side by side; each has keys of its own.
        tokio::join!(
            run(0),
            run(1),
            run(2),
            run(3),
            run(4),
            run(5),
            run(6),
            run(7)
        );
    }
}

struct History<'a> {
    stage: &'a Stage,
    seed: u64,
    dice: fastrand::Rng,
    model: Model,
    tokens: Vec<Token>,
    told: Vec<String>,
}

impl<'a> History<'a> {
    fn new(stage: &'a Stage, seed: u64) -> Self {
        Self {
            stage,
            seed,
            dice: fastrand::Rng::with_seed(seed),
            model: Model::default(),
            tokens: (0..OWNERS).map(|_| crate::stage::random()).collect(),
            told: Vec::new(),
        }
    }

    async fn run(mut self, steps: usize) {
        for step in 0..steps {
            let key = self.dice.usize(..KEYS);
            let owner = self.dice.usize(..OWNERS);
            match self.dice.u8(..20) {
                0..8 => self.begin(key, owner).await,
                8..11 => self.complete(key, owner, step).await,
                11..13 => self.renew(key, owner).await,
                13..15 => self.release(key, owner).await,
                15..17 => self.adopt(key, step).await,
                17 => {
                    let limit = std::num::NonZeroUsize::MIN.saturating_add(1);
                    self.stage.store().purge(limit).await.unwrap();
                }
                _ => self.pass().await,
            }
        }
    }

    /// Time moves in steps that end every lease, far from the boundaries that other clauses test.
    async fn pass(&mut self) {
        let time = self.stage.lease() * 3 / 2;
        self.told.push(format!("pass {time:?}"));
        self.model.now += time;
        self.stage.pass(time).await;
    }

    async fn begin(&mut self, key: usize, owner: usize) {
        let number = 1 + u8::from(self.dice.u8(..8) == 0);
        let refuse = self.dice.u8(..6) == 0;
        let stage = self.stage;
        let expected = self.model.begin(&Ask {
            key,
            fingerprint: number,
            owner,
            refuse,
            lease: stage.lease(),
            retention: stage.retention(),
        });
        let begun = stage.begin(BeginRequest {
            key: self.key(key),
            fingerprint: fingerprint(number),
            token: self.tokens[owner],
            orphan: if refuse {
                OrphanPolicy::Refuse
            } else {
                OrphanPolicy::ReExecute
            },
            ..stage.request("")
        });
        let found = match begun.await {
            Begin::Acquired(claim) => Found::Acquired(claim.execution()),
            Begin::Completed { response, .. } => {
                let body = response.to_response().unwrap().into_body();
                Found::Completed(String::from_utf8(body.to_vec()).unwrap())
            }
            Begin::InProgress { .. } => Found::InProgress,
            Begin::Mismatch => Found::Mismatch,
            Begin::OutcomeUnknown => Found::Unknown,
        };
        self.tell(format!(
            "begin {key} by {owner} for {number}, refuse {refuse}"
        ));
        assert_eq!(found, expected, "history {}: {:#?}", self.seed, self.told);
    }

    async fn complete(&mut self, key: usize, owner: usize, step: usize) {
        let stage = self.stage;
        let body = format!("{owner} in step {step}");
        let expected = self.model.complete(key, owner, &body, stage.retention());
        let (claim, answer) = (self.claim(key, owner), response(&body));
        let settled = stage.store().complete(&claim, &answer, stage.retention());
        let settled = settled.await.unwrap();
        self.check(format!("complete {key} by {owner}"), settled, &expected);
    }

    async fn renew(&mut self, key: usize, owner: usize) {
        let (lease, retention) = (self.stage.lease(), self.stage.retention());
        let expected = self.model.renew(key, owner, lease, retention);
        let claim = self.claim(key, owner);
        let settled = self.stage.store().renew(&claim, lease).await.unwrap();
        self.check(format!("renew {key} by {owner}"), settled, &expected);
    }

    async fn release(&mut self, key: usize, owner: usize) {
        let expected = self.model.release(key, owner);
        let claim = self.claim(key, owner);
        let settled = self.stage.store().release(&claim).await.unwrap();
        self.check(format!("release {key} by {owner}"), settled, &expected);
    }

    async fn adopt(&mut self, key: usize, step: usize) {
        let retention = self.stage.retention();
        let body = self.dice.bool().then(|| format!("adopted in step {step}"));
        let expected = self.model.adopt(key, body.as_deref(), retention);
        let resolution =
            body.as_deref()
                .map_or(Resolution::NotExecuted, |body| Resolution::Completed {
                    response: response(body),
                    retention,
                });
        let record = self.key(key);
        let settled = self.stage.store().adopt(&record, &resolution).await;
        self.check(
            format!("adopt {key} as {body:?}"),
            settled.unwrap(),
            &expected,
        );
    }

    fn check(&mut self, told: String, settled: Settled, expected: &Result) {
        self.tell(told);
        let settled = match settled {
            Settled::Applied => Result::Applied,
            Settled::AlreadyApplied => Result::Already,
            Settled::Lost => Result::Lost,
        };
        assert_eq!(
            &settled, expected,
            "history {}: {:#?}",
            self.seed, self.told
        );
    }

    fn tell(&mut self, told: String) {
        self.told.push(told);
    }

    fn claim(&self, key: usize, owner: usize) -> Claim {
        Claim::new(self.key(key), self.tokens[owner], 1)
    }

    fn key(&self, key: usize) -> buttress_store::RecordKey {
        self.stage.key(&format!("history {} key {key}", self.seed))
    }
}
