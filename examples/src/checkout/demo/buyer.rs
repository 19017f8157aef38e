//! One buyer: places an order as is his habit, until it is settled.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::Order;
use super::browser::{Browser, Page};
use super::buyers::Address;
use super::habit::Habit;
use super::seen::Diary;

/// How often a pending order is looked at, and a broken connection tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A buyer, his browser, and what he remembers.
#[derive(Clone, Debug)]
pub(super) struct Buyer {
    pub(super) shop: Address,
    pub(super) browser: Browser,
    pub(super) diary: Diary,
    pub(super) habit: Habit,
    pub(super) order: Order,
    /// Under which he sends it, unless his habit is to have none.
    pub(super) key: String,
}

impl Buyer {
    /// Places the order, and returns the shop's first answer.
    pub(super) async fn place(&self) -> Page {
        match self.habit {
            Habit::HangsUp(after) => {
                if let Ok(page) = timeout(after, self.send(self.order.amount)).await {
                    return page;
                }
                self.diary.note(|seen| seen.hang_ups += 1);
                self.send(self.order.amount).await
            }
            Habit::Races => {
                self.diary.note(|seen| seen.races += 1);
                let send = || self.send(self.order.amount);
                let (first, second, third) = tokio::join!(send(), send(), send());
                self.expect(first.says_what(&second) && second.says_what(&third));
                first
            }
            Habit::Keyless | Habit::Plain | Habit::Repeats => self.send(self.order.amount).await,
        }
    }

    /// Comes back until the order is settled; the payment, if there is one.
    pub(super) async fn settle(&self, mut page: Page) -> Option<String> {
        let location = page.location().unwrap_or_default().to_owned();
        while page.status == StatusCode::ACCEPTED {
            sleep(LOOK_AGAIN).await;
            let url = format!("{}{location}", self.shop.ask());
            match self.browser.get(&url).await {
                Ok(next) if next.status != StatusCode::SERVICE_UNAVAILABLE => page = next,
                Ok(_) => self.diary.note(|seen| seen.turned_away += 1),
                Err(_) => self.diary.note(|seen| seen.cut_off += 1),
            }
        }
        page.body["payment_id"].as_str().map(str::to_owned)
    }

    /// What some do once the order is settled; `first` is what he was answered first.
    pub(super) async fn look_back(&self, first: &Page, payment: Option<&str>) {
        match self.habit {
            Habit::Repeats => {
                let again = self.send(self.order.amount).await;
                self.expect(again.is_replay() && again.says_what(first));
                let misuse = self.send(self.order.amount + 1).await;
                let is_refused = misuse.status == StatusCode::UNPROCESSABLE_ENTITY;
                self.expect(is_refused);
                self.diary
                    .note(|seen| seen.misuses += u64::from(is_refused));
            }
            Habit::Keyless => {
                let again = self.send(self.order.amount).await;
                self.expect(again.status == StatusCode::OK || payment.is_none());
                self.expect(again.body["payment_id"].as_str() == payment);
            }
            Habit::HangsUp(_) | Habit::Plain | Habit::Races => {}
        }
    }

    /// Whether the shop still has the answer that it gave under the key.
    pub(super) async fn recall(&self, first: &Page) {
        let again = self.send(self.order.amount).await;
        let is_there = again.is_replay() && again.says_what(first);
        self.diary.note(|seen| {
            seen.recalled += u64::from(is_there);
            seen.forgotten += u64::from(!is_there);
        });
    }

    /// Sends it until it is answered.
    async fn send(&self, amount: u64) -> Page {
        let key = self.habit.has_key().then_some(&*self.key);
        let body = json!({"order_id": self.order.id, "amount": amount, "currency": "usd"});
        loop {
            let url = format!("{}/orders", self.shop.ask());
            let wait = if let Ok(page) = self.browser.post(&url, key, &body).await {
                let Some(wait) = self.wait(&page) else {
                    return page;
                };
                wait
            } else {
                self.diary.note(|seen| seen.cut_off += 1);
                LOOK_AGAIN
            };
            sleep(wait).await;
        }
    }

    /// How long to wait, if this is no answer yet.
    fn wait(&self, page: &Page) -> Option<Duration> {
        self.diary
            .note(|seen| seen.replays += u64::from(page.is_replay()));
        let wait = page.retry_after().map_or(LOOK_AGAIN, Duration::from_secs);
        match page.status {
            StatusCode::CONFLICT if is_about_the_key(&page.body) => {
                self.diary.note(|seen| seen.in_flight += 1);
                Some(wait)
            }
            status if status.is_server_error() => {
                self.diary.note(|seen| seen.turned_away += 1);
                Some(wait)
            }
            _ => None,
        }
    }

    fn expect(&self, is_right: bool) {
        self.diary.note(|seen| seen.wrong += u64::from(!is_right));
    }
}

/// Whether a conflict is one of the key, and not of the order.
fn is_about_the_key(problem: &Value) -> bool {
    let kind = problem["type"].as_str().unwrap_or_default();
    kind.contains("idempotency")
}
