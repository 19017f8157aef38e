//! An order's life: its charge, and what is done about it until it is settled.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use buttress_backoff::thread_random;
use buttress_idempotency::OutboundKey;
use buttress_key::IdempotencyKey;
use buttress_store::{IdempotencyStore, StoreError};
use tokio::time::Instant;

use super::drain::Running;
use super::held::{Adrift, Held};
use super::reconcile::Step;
use super::row::Row;
use super::status::By;
use super::{Inner, NewOrder, Shop, telemetry};

/// So many answers are deleted at a time.
const STEP: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

impl Shop {
    /// The order's key of this generation, about to be used for the first time.
    pub(super) fn key(&self, order: &NewOrder, generation: u32) -> OutboundKey {
        let Inner { till, keys, .. } = &*self.0;
        let key = IdempotencyKey::derive(keys, "checkout", "charge", &order.id, generation);
        OutboundKey::new(key, SystemTime::now())
            .with_generation(generation)
            .with_fingerprint(till.fingerprint(order, keys))
    }

    /// Goes on with the orders of which nobody takes care, now and twice in the time of a lease, until
    /// the shop drains: those that an earlier process of this shop left, or one that died.
    pub async fn tend(self) {
        let Inner {
            drain, settings, ..
        } = &*self.0;
        loop {
            if let Err(adrift) = self.take_over().await {
                telemetry::adrift(None, &adrift);
            }
            if let Err(error) = self.purge().await {
                telemetry::store_failed(&error);
            }
            if drain.is_closed() || !drain.sleep(settings.lease / 2).await {
                return;
            }
        }
    }

    /// Takes every order that nobody drives.
    async fn take_over(&self) -> Result<(), Adrift> {
        let Inner {
            orders,
            drain,
            settings,
            ..
        } = &*self.0;
        loop {
            let (adrift, is_all) = orders.adrift().await?;
            for id in adrift {
                let running = drain.begin();
                if drain.is_closed() {
                    return Ok(());
                }
                if let Some(mut held) = orders.take(&id).await? {
                    let now = Instant::now();
                    let row = held.update(|row| row.resume(now, &settings.lags)).await?;
                    telemetry::resumes(row);
                    tokio::spawn(self.clone().live(held, running));
                }
            }
            if is_all {
                return Ok(());
            }
        }
    }

    /// Deletes the answers that need not be remembered any more, in steps that keep nobody waiting.
    async fn purge(&self) -> Result<(), StoreError> {
        while self.0.records.purge(STEP).await? == STEP.get() {}
        Ok(())
    }

    /// An order's life, from its row to its payment, or until the shop drains.
    pub(super) async fn live(self, mut held: Held, _running: Running) {
        if let Err(adrift) = self.drive(&mut held).await {
            // Its hold ends, here or with its lease, and then somebody goes on with it.
            telemetry::adrift(Some(held.row()), &adrift);
        }
        if let Err(error) = held.release().await {
            telemetry::adrift(None, &error.into());
        }
    }

    async fn drive(&self, held: &mut Held) -> Result<(), Adrift> {
        let Inner {
            settings, drain, ..
        } = &*self.0;
        let (mut round, mut wait) = (0, Duration::ZERO);
        loop {
            let row = held.row();
            if row.is_final() {
                return Ok(());
            }
            if row.operations == 0 && !row.doubt.sent {
                self.charge(held, false).await?;
            } else {
                self.look_into(held).await?;
            }
            if held.row().is_final() {
                return Ok(());
            }
            round += 1;
            wait = settings.schedule.delay(round, wait, &thread_random);
            if !held.during(drain.sleep(wait)).await? {
                return Ok(());
            }
            held.reload().await?;
        }
    }

    /// Sends the charge under the row's key, perhaps `again`, and records what became of it.
    async fn charge(&self, held: &mut Held, again: bool) -> Result<(), Adrift> {
        let Inner {
            settings,
            till,
            tally,
            ..
        } = &*self.0;
        held.update(Row::begin).await?;
        if held.row().is_final() {
            return Ok(());
        }
        let (answer, attempts) = held.during(till.charge(held.row())).await?;
        telemetry::answered(held.row(), &answer);
        let order = &held.row().order;
        let charged = (settings.rules.read)(&answer, &settings.profile, order);
        let now = Instant::now();
        let row = held
            .update(|row| {
                row.attempts += attempts;
                row.learn(charged.clone(), now, &settings.lags);
            })
            .await?;
        if again && attempts > 0 {
            tally.driven_again();
        }
        tally.settled(row, By::Charge);
        telemetry::stands(row);
        Ok(())
    }

    /// Searches for the charge, and does what follows.
    async fn look_into(&self, held: &mut Held) -> Result<(), Adrift> {
        let Inner {
            settings,
            till,
            tally,
            ..
        } = &*self.0;
        let row = held.row();
        let step = if row.doubt.sent {
            let begun = Instant::now();
            let found = held.during(till.search(row)).await?;
            (settings.rules.next)(&row.doubt, &found, begun, &settings.lags)
        } else {
            // Nothing was ever executed under this key, so there is nothing to find.
            row.doubt.spent.map_or(Step::Again, |_| Step::Anew)
        };
        match step {
            Step::Wait => Ok(()),
            Step::Paid(payments) => {
                let row = held
                    .update(|row| payments.iter().cloned().for_each(|id| row.paid(id)))
                    .await?;
                tally.settled(row, By::Search);
                telemetry::stands(row);
                Ok(())
            }
            Step::Again => self.charge(held, true).await,
            Step::Anew => {
                let key = self.key(&row.order, row.key.generation() + 1);
                let now = Instant::now();
                let row = held.update(|row| row.renew(key.clone(), now)).await?;
                tally.begun_anew();
                telemetry::begins_anew(row);
                self.charge(held, false).await
            }
        }
    }
}
