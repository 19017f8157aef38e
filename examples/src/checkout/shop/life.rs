//! An order's life: its charge, and what is done about it until it is settled.

use std::time::{Duration, SystemTime};

use buttress_backoff::thread_random;
use buttress_idempotency::OutboundKey;
use buttress_key::IdempotencyKey;
use tokio::time::Instant;

use super::reconcile::Step;
use super::row::{Row, State};
use super::status::By;
use super::{Inner, NewOrder, Shop, telemetry};

impl Shop {
    /// The order's key of this generation, about to be used for the first time.
    pub(super) fn key(&self, order: &NewOrder, generation: u32) -> OutboundKey {
        let Inner { till, keys, .. } = &*self.0;
        let key = IdempotencyKey::derive(keys, "checkout", "charge", &order.id, generation);
        OutboundKey::new(key, SystemTime::now())
            .with_generation(generation)
            .with_fingerprint(till.fingerprint(order, keys))
    }

    /// An order's life, from its row to its payment, or until the shop drains.
    pub(super) async fn live(self, id: String) {
        let shop = &*self.0;
        let _running = shop.drain.begin();
        let (mut round, mut wait) = (0, Duration::ZERO);
        let Some(mut row) = self.charge(&id, false).await else {
            return;
        };
        while !row.is_final() {
            round += 1;
            wait = shop.settings.schedule.delay(round, wait, &thread_random);
            if !shop.drain.sleep(wait).await {
                return;
            }
            self.look_into(&row).await;
            match shop.orders.get(&id) {
                Some(next) => row = next,
                None => return,
            }
        }
    }

    /// Sends the charge under the row's key, perhaps `again`, and records what became of it.
    async fn charge(&self, id: &str, again: bool) -> Option<Row> {
        let shop = &*self.0;
        let settings = &shop.settings;
        let row = shop.orders.update(id, |row| row.state = State::Charging)?;
        let (answer, attempts) = shop.till.charge(&row).await;
        telemetry::answered(&row, &answer);
        let charged = (settings.rules.read)(&answer, &settings.profile);
        let now = Instant::now();
        shop.orders.update(id, |row| {
            row.attempts += attempts;
            if again && attempts > 0 {
                shop.tally.driven_again();
            }
            row.learn(charged, now, &settings.lags);
            shop.tally.settled(row, By::Charge);
            telemetry::stands(row);
        })
    }

    /// Searches for the charge, and does what follows.
    async fn look_into(&self, row: &Row) {
        let shop = &*self.0;
        let settings = &shop.settings;
        let id = &row.order.id;
        let step = if row.doubt.sent {
            let begun = Instant::now();
            let found = shop.till.search(row).await;
            (settings.rules.next)(&row.doubt, &found, begun, &settings.lags)
        } else {
            // Nothing was ever executed under this key, so there is nothing to find.
            row.doubt.spent.map_or(Step::Again, |_| Step::Anew)
        };
        match step {
            Step::Wait => {}
            Step::Paid(payments) => {
                shop.orders.update(id, |row| {
                    for payment in payments {
                        row.paid(payment);
                    }
                    shop.tally.settled(row, By::Search);
                    telemetry::stands(row);
                });
            }
            Step::Again => {
                self.charge(id, true).await;
            }
            Step::Anew => {
                shop.tally.begun_anew();
                let key = self.key(&row.order, row.key.generation() + 1);
                shop.orders.update(id, |row| {
                    row.renew(key, Instant::now());
                    telemetry::begins_anew(row);
                });
                self.charge(id, false).await;
            }
        }
    }
}
