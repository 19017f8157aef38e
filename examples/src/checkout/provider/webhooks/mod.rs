//! What the provider tells the shop's endpoint, signed as Stripe signs: not always at once, in order,
//! or only once. And what somebody else tells it, who has no secret.
//!
//! ```text
//! letters      what is sent for one order, when, and by whom
//! posted       what became of all that
//! ```

mod letters;
mod posted;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use buttress_webhook::{HmacScheme, InvalidSecret, stripe};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub(super) use self::letters::News;
use self::letters::{Hand, Letter};
pub use self::posted::Posted;
use super::plan::Plan;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// A letter that does not arrive is sent so many times, twice as long apart each time.
const TRIES: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How old the signature of a captured letter is.
const AGE: Duration = Duration::from_mins(10);

/// The endpoint that is told, and what has been sent there; clones share it.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    genuine: HmacScheme,
    forger: HmacScheme,
    client: Client<HttpConnector, Full<Bytes>>,
    endpoint: Mutex<Option<Uri>>,
    posted: Mutex<Posted>,
}

impl Webhooks {
    /// Tells nobody yet; signs with this secret.
    ///
    /// # Errors
    /// When the secret is empty.
    pub fn new(secret: &str) -> Result<Self, InvalidSecret> {
        Ok(Self(Arc::new(Inner {
            genuine: stripe(secret)?,
            forger: stripe("whsec_a_guess")?,
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build_http(),
            endpoint: Mutex::default(),
            posted: Mutex::default(),
        })))
    }

    /// Tells this endpoint from now on.
    pub fn tell(&self, endpoint: Uri) {
        *lock(&self.0.endpoint) = Some(endpoint);
    }

    /// What became of all that was sent.
    #[must_use]
    pub fn posted(&self) -> Posted {
        *lock(&self.0.posted)
    }

    /// Tells the news, as planned for its order, in a task of its own.
    pub(super) fn announce(&self, plan: &Plan, news: &News) {
        let Some(endpoint) = lock(&self.0.endpoint).clone() else {
            return;
        };
        let letters = self.note(|posted| {
            posted.events += 1;
            posted.pending += 1;
            letters::of(plan, news, posted)
        });
        let webhooks = self.clone();
        tokio::spawn(async move {
            let mut post = JoinSet::new();
            for letter in letters {
                let (webhooks, endpoint) = (webhooks.clone(), endpoint.clone());
                post.spawn(async move { webhooks.deliver(endpoint, letter).await });
            }
            while post.join_next().await.is_some() {}
            webhooks.note(|posted| posted.pending -= 1);
        });
    }

    /// Delivers a letter; a genuine one until it arrives.
    async fn deliver(&self, endpoint: Uri, letter: Letter) {
        sleep(letter.after).await;
        let mut wait = FIRST_WAIT;
        for _ in 0..TRIES {
            let answer = match self.signed(&endpoint, &letter) {
                Some(request) => timeout(PATIENCE, self.0.client.request(request)).await,
                None => return,
            };
            let answer = answer.ok().and_then(Result::ok);
            let has_arrived = answer
                .as_ref()
                .is_some_and(|answer| !answer.status().is_server_error());
            self.note(|posted| posted.answered(letter.hand, answer.as_ref()));
            if has_arrived || letter.hand != Hand::Provider {
                return;
            }
            sleep(wait).await;
            wait *= 2;
        }
        self.note(|posted| posted.given_up += 1);
    }

    /// The letter as a request; each delivery is signed anew.
    fn signed(&self, endpoint: &Uri, letter: &Letter) -> Option<Request<Full<Bytes>>> {
        let Inner {
            genuine, forger, ..
        } = &*self.0;
        let now = SystemTime::now();
        let mut request = Request::post(endpoint.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(letter.body.clone())
            .ok()?;
        match letter.hand {
            Hand::Provider => genuine.sign(&mut request, now).ok()?,
            Hand::Guesser => forger.sign(&mut request, now).ok()?,
            // Captured, and sent once more much later.
            Hand::Collector => genuine.sign(&mut request, now.checked_sub(AGE)?).ok()?,
            Hand::Rewriter => {
                genuine.sign(&mut request, now).ok()?;
                request.body_mut().push(' ');
            }
            Hand::Nobody => {}
        }
        Some(request.map(|body| Full::new(Bytes::from(body))))
    }

    fn note<T>(&self, write: impl FnOnce(&mut Posted) -> T) -> T {
        write(&mut lock(&self.0.posted))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came back, if anything did.
type Answered<'a> = Option<&'a Response<Incoming>>;

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks")
            .field("posted", &self.posted())
            .finish_non_exhaustive()
    }
}
