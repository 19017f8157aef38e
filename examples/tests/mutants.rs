//! A shop that is built wrong on purpose is caught by its report; as it is, it passes the same plan.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use axum::middleware::map_request;
use buttress_body::{CollectLayer, Collected};
use buttress_idempotency::{IdempotencyKeyLayer, OutboundKey};
use buttress_key::{DerivationSecret, Profile};
use buttress_retry::RetryLayer;
use buttress_timeout::TimeoutLayer;
use bytes::Bytes;
use examples::checkout::demo::{API_KEY, Buyers, LAGS, LIMITS, Order, SCHEDULE, circuit};
use examples::checkout::provider::{self, Fault, Faults, Plan, Provider};
use examples::checkout::report::{Report, Run};
use examples::checkout::shop::answer::{self, Charged, Found};
use examples::checkout::shop::breaker::Breaker;
use examples::checkout::shop::reconcile::{self, Step};
use examples::checkout::shop::stack::{self, Gates, Stack};
use examples::checkout::shop::store::Store;
use examples::checkout::shop::{self, Account, Drain, Rules, Shop, Till, Turnstile};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

const DAY: Duration = Duration::from_hours(24);

/// Everything that a mutant may change, and the provider that it is run against.
struct World {
    provider: provider::Settings,
    settings: shop::Settings,
    /// Built from the profile, the secret and the gates.
    stack: fn(&Profile, &DerivationSecret, &Gates) -> Stack,
    orders: u32,
    /// Whether a day passes once an order is unknown.
    a_day_passes: bool,
    /// Whether the buyers' keys are lost on their way to the shop.
    keys_are_lost: bool,
}

impl World {
    /// The shop as it is, and a provider whose every order meets `faults`.
    fn new(faults: &[Fault]) -> Self {
        let plan = Plan::Script(faults.iter().copied().map(Some).collect());
        Self {
            provider: provider::Settings::new(API_KEY, plan),
            settings: shop::Settings::new(LAGS, SCHEDULE),
            stack: |profile, secret, gates| {
                stack::payments(profile, secret, &LIMITS, gates).unwrap()
            },
            orders: 4,
            a_day_passes: false,
            keys_are_lost: false,
        }
    }

    /// A provider whose search is so far behind that nobody should trust it at once: farther than the
    /// waits between three attempts can last, of 1 s and 2 s, and the one before the first search.
    fn with_a_slow_search(mut self) -> Self {
        self.provider.indexing = Duration::from_millis(4_500);
        self.settings.lags.indexing = Duration::from_secs(5);
        self
    }

    fn with_rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.settings.rules);
        self
    }

    fn with_stack(mut self, stack: fn(&Profile, &DerivationSecret, &Gates) -> Stack) -> Self {
        self.stack = stack;
        self
    }

    /// Lets the buyers place their orders, and audits what came of it.
    async fn run(self) -> Report {
        let hang = self.provider.hang;
        let provider = Provider::new(self.provider);
        let provider_listens = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let provider_url = format!("http://{}", provider_listens.local_addr().unwrap());
        tokio::spawn(provider.clone().serve(provider_listens));

        let drain = Drain::default();
        let secret = DerivationSecret::new("a secret of these tests").unwrap();
        let profile = self.settings.profile.clone();
        let gates = Gates {
            breaker: Breaker::new(circuit(), &profile).unwrap(),
            turnstile: Turnstile::new(profile.clone(), drain.clone()),
        };
        let stack = (self.stack)(&profile, &secret, &gates);
        let account = Account {
            url: provider_url,
            api_key: API_KEY.to_owned(),
        };
        let till = Till::new(stack, &account).unwrap();
        let shop = Shop::new(self.settings, till, gates, drain, Store::default(), secret).unwrap();
        let shop_listens = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let shop_url = format!("http://{}", shop_listens.local_addr().unwrap());
        let mut routes = shop::router(shop.clone());
        if self.keys_are_lost {
            routes = routes.layer(map_request(lose_its_key));
        }
        tokio::spawn(async move { axum::serve(shop_listens, routes).await });

        if self.a_day_passes {
            tokio::spawn(let_a_day_pass(shop.clone(), provider.clone()));
        }
        let started = Instant::now();
        let orders = (1..=self.orders).map(Order::number).collect();
        let buyers = Buyers::at(&*shop_url, self.orders, Duration::from_secs(30), 0);
        let receipts = buyers.place_all(orders, |_| ()).await;
        buyers.recall().await;
        // A charge that hangs is still made, whatever the shop thinks.
        sleep(hang).await;
        let run = Run {
            orders: self.orders,
            concurrency: self.orders,
            faults: Faults::Off,
            seed: 0,
            started,
            outage: None,
            wall: started.elapsed(),
        };
        Report::audit(
            &run,
            &receipts,
            buyers.seen(),
            &shop.status().await.unwrap(),
            &provider.book(),
        )
    }
}

async fn lose_its_key(mut request: axum::extract::Request) -> axum::extract::Request {
    request.headers_mut().remove("idempotency-key");
    request
}

/// Once an order is unknown: the provider's clock moves on, and every key is a day older.
async fn let_a_day_pass(shop: Shop, provider: Provider) {
    while shop.status().await.unwrap().unknown.is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    provider.advance(DAY);
    for row in shop.orders().all().await.unwrap() {
        let aged = shop.orders().amend(&row.order.id, |row| {
            let mut older = OutboundKey::new(row.key.key().clone(), row.key.first_sent() - DAY);
            if let Some(fingerprint) = row.key.fingerprint() {
                older = older.with_fingerprint(*fingerprint);
            }
            row.key = older;
        });
        assert!(aged.await.unwrap().is_some());
    }
}

/// The layers below retry, as the shop has them.
macro_rules! below_retry {
    ($outer:expr, $gates:expr) => {
        $outer
            .layer($gates.breaker.layer())
            .layer($gates.turnstile.clone())
            .layer(TimeoutLayer::head(LIMITS.attempt))
            .layer(CollectLayer::up_to(64 * 1024))
            .service(stack::client().unwrap())
    };
}

fn forced_retry() -> RetryLayer {
    RetryLayer::new().safe_when(|_| true)
}

type Call = Request<Full<Bytes>>;

fn without_its_key(mut request: Call) -> Call {
    request.extensions_mut().remove::<OutboundKey>();
    request
}

fn boxed<S>(stack: S) -> Stack
where
    S: tower::Service<Call, Response = Response<Collected>, Error = buttress_classify::BoxError>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(stack)
}

fn passes(report: &Report) {
    assert!(report.is_exact(), "{}", report.to_json());
    assert_eq!(report.exit_code(), 0);
}

fn charges_twice(report: &Report) {
    assert!(report.duplicates > 0, "{}", report.to_json());
    assert_eq!(report.exit_code(), 1);
}

fn loses(report: &Report) {
    assert_eq!(report.lost, report.orders, "{}", report.to_json());
    assert_eq!((report.paid, report.exit_code()), (0, 1));
}

#[tokio::test]
async fn mutant_the_buyers_keys_do_not_reach_the_layer_in_front_of_their_orders() {
    let world = || {
        let mut world = World::new(&[]);
        // Enough for every habit.
        world.orders = 30;
        world
    };
    let mut mutant = world();
    mutant.keys_are_lost = true;
    let (right, wrong) = tokio::join!(world().run(), mutant.run());
    passes(&right);
    assert!(
        right.seen.replays > 0 && right.seen.misuses > 0,
        "{:?}",
        right.seen
    );
    // No charge too many, for an order's id protects it; but other answers than the first.
    assert_eq!((wrong.duplicates, wrong.lost), (0, 0));
    assert!(
        wrong.seen.wrong > 0 && wrong.seen.forgotten > 0,
        "{:?}",
        wrong.seen
    );
    assert_eq!((wrong.seen.misuses, wrong.exit_code()), (0, 1));
}

#[tokio::test]
async fn mutant_the_key_layer_is_left_out_and_retry_is_forced() {
    let plan = [Fault::ResetAfterCharging];
    let mutant = World::new(&plan).with_stack(|_, _, gates| {
        let outer = ServiceBuilder::new().layer(forced_retry());
        boxed(below_retry!(outer, gates))
    });
    let (right, wrong) = tokio::join!(World::new(&plan).run(), mutant.run());
    passes(&right);
    charges_twice(&wrong);
}

#[tokio::test]
async fn mutant_the_key_is_made_inside_retry() {
    let plan = [Fault::ResetAfterCharging];
    let mutant = World::new(&plan).with_stack(|profile, _, gates| {
        let outer = ServiceBuilder::new()
            .map_request(without_its_key)
            .layer(forced_retry())
            .layer(IdempotencyKeyLayer::outbound(profile.clone()).random());
        boxed(below_retry!(outer, gates))
    });
    let (right, wrong) = tokio::join!(World::new(&plan).run(), mutant.run());
    passes(&right);
    charges_twice(&wrong);
}

#[tokio::test]
async fn mutant_a_key_in_flight_is_taken_for_a_refusal() {
    let world = || {
        let mut world = World::new(&[Fault::Hangs]);
        // Longer than an attempt and the longest wait after it: the second attempt meets it running.
        world.provider.hang = Duration::from_millis(3_500);
        world
    };
    let mutant = world()
        .with_stack(|profile, secret, gates| {
            let outer = ServiceBuilder::new()
                .layer(IdempotencyKeyLayer::outbound(profile.clone()).fingerprints(secret.clone()))
                .layer(forced_retry());
            boxed(below_retry!(outer, gates))
        })
        .with_rules(|rules| {
            rules.read = |answer, profile, order| match answer {
                Ok(response) if response.status() == StatusCode::CONFLICT => {
                    Charged::Declined("conflict".into())
                }
                _ => answer::read(answer, profile, order),
            };
        });
    let (right, wrong) = tokio::join!(world().run(), mutant.run());
    passes(&right);
    loses(&wrong);
}

#[tokio::test]
async fn mutant_the_unknown_is_taken_for_a_failure() {
    let plan = [Fault::ResetAfterCharging; 3];
    let mutant = World::new(&plan).with_rules(|rules| {
        rules.read = |answer, profile, order| match answer::read(answer, profile, order) {
            Charged::Unknown { .. } => Charged::Declined("failed".into()),
            known => known,
        };
    });
    let (right, wrong) = tokio::join!(World::new(&plan).run(), mutant.run());
    passes(&right);
    loses(&wrong);
}

#[tokio::test]
async fn mutant_a_key_is_sent_though_the_provider_has_forgotten_it() {
    let world = || {
        let mut world = World::new(&[Fault::ResetAfterCharging; 6]).with_a_slow_search();
        // One order, so that the day passes before it is looked into.
        world.orders = 1;
        world.a_day_passes = true;
        world
    };
    let mutant = world().with_stack(|profile, secret, gates| {
        let guarded = stack::payments(profile, secret, &LIMITS, gates).unwrap();
        // The guard cannot see how old a key is that says it is new.
        let rejuvenate = |mut request: Call| {
            if let Some(key) = request.extensions_mut().remove::<OutboundKey>() {
                let mut new = OutboundKey::new(key.key().clone(), SystemTime::now());
                if let Some(fingerprint) = key.fingerprint() {
                    new = new.with_fingerprint(*fingerprint);
                }
                request.extensions_mut().insert(new);
            }
            request
        };
        boxed(
            ServiceBuilder::new()
                .map_request(rejuvenate)
                .service(guarded),
        )
    });
    let (right, wrong) = tokio::join!(world().run(), mutant.run());
    passes(&right);
    charges_twice(&wrong);
}

#[tokio::test]
async fn mutant_a_stored_500_is_answered_with_a_new_key() {
    let world = || World::new(&[Fault::FailsAfterCharging]).with_a_slow_search();
    let mutant = world().with_rules(|rules| {
        rules.next = |doubt, found, begun, lags| match found {
            Found::Absent if doubt.spent.is_some() => Step::Anew,
            _ => reconcile::next(doubt, found, begun, lags),
        };
    });
    let (right, wrong) = tokio::join!(world().run(), mutant.run());
    passes(&right);
    charges_twice(&wrong);
}
