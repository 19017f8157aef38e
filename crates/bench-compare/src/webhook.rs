//! Verifying a webhook, against the hashing that nobody can avoid.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use allocation_counter::measure;
use buttress_body::Collected;
use buttress_webhook::{Delivery, HmacScheme, WebhookVerifyLayer, standard_webhooks};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Response};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use tower_layer::Layer;
use tower_service::Service;

use bench_compare::clock::{Batch, batch, interleave};
use bench_compare::failure::Failure;
use bench_compare::stats::Spread;
use bench_compare::table::{By, Row, Section, Verdict};

const KEY: &[u8] = b"01234567890123456789012345678901";
const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// How much is hashed in a batch.
const BATCH: usize = 32 * 1024;

/// A body, and what verifying it may take.
#[derive(Clone, Copy, Debug)]
struct Size {
    title: &'static str,
    note: &'static str,
    name: &'static str,
    bytes: usize,
    /// Many short ones, over seconds: a machine that does something else has calm moments, too.
    rounds: usize,
    limit: Option<Limit>,
}

const SIZES: [Size; 3] = [
    Size {
        title: "webhook, 256 B",
        note: "the same delivery of Standard Webhooks for all; HMAC and SHA-256 are of the same bytes. \
               `verify-layer` reads the body and hands the request on. async-stripe's check is not here: \
               it needs the types of Stripe's whole API, and compiling those takes more than a minute and \
               2.7 GB",
        name: "256-B",
        bytes: 256,
        rounds: 10_000,
        limit: Some(Limit::OfHmac(1.35)),
    },
    Size {
        title: "webhook, 16 KiB",
        note: "",
        name: "16-KiB",
        bytes: 16 * 1024,
        rounds: 10_000,
        limit: Some(Limit::OfSha(1.05)),
    },
    Size {
        title: "webhook, 1 MiB",
        note: "",
        name: "1-MiB",
        bytes: 1024 * 1024,
        rounds: 400,
        limit: None,
    },
];

/// How many times as long as the unavoidable.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// An HMAC with a precomputed key, of what is signed.
    OfHmac(f64),
    /// A plain SHA-256 of what is signed.
    OfSha(f64),
}

/// Measures all sizes.
pub(crate) fn sections() -> Result<Vec<Section>, Failure> {
    SIZES.into_iter().map(section).collect()
}

/// A signed delivery, as bytes on the wire and as what is hashed.
struct Signed {
    scheme: HmacScheme,
    head: http::request::Parts,
    body: Bytes,
    hashed: Vec<u8>,
    tag: Vec<u8>,
    now: SystemTime,
}

impl Signed {
    fn new(bytes: usize) -> Result<Self, Failure> {
        let scheme = standard_webhooks(SECRET)?;
        let now = SystemTime::now();
        let body = "x".repeat(bytes);
        let mut request = Request::post("/hook")
            .header("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk")
            .body(body)?;
        scheme.sign(&mut request, now)?;
        let (head, body) = request.into_parts();
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let id = text("webhook-id").ok_or("no id")?;
        let timestamp = text("webhook-timestamp").ok_or("no timestamp")?;
        let hashed = format!("{id}.{timestamp}.{body}").into_bytes();
        let tag = keyed()?
            .chain_update(&hashed)
            .finalize()
            .into_bytes()
            .to_vec();
        Ok(Self {
            scheme,
            head,
            body: body.into(),
            hashed,
            tag,
            now,
        })
    }

    /// The check alone, of a delivery that has arrived in whole.
    fn ours(&self) -> bool {
        let delivery = Delivery {
            head: &self.head,
            body: &self.body,
            now: self.now,
        };
        self.scheme.verify(&delivery).is_ok()
    }

    fn request(&self) -> Request<Full<Bytes>> {
        Request::from_parts(self.head.clone(), Full::new(self.body.clone()))
    }
}

fn keyed() -> Result<Hmac<Sha256>, Failure> {
    Ok(Hmac::new_from_slice(KEY)?)
}

fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

type Check<'a> = (&'static str, Box<dyn FnMut() -> bool + 'a>);

/// Everybody's way to verify the same delivery.
fn checks(signed: &Signed) -> Result<Vec<Check<'_>>, Failure> {
    let hmac = keyed()?;
    let theirs = standardwebhooks::Webhook::new(SECRET)?;
    let handler = tower::service_fn(|request: Request<Collected>| {
        drop(request);
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    });
    let mut layer = WebhookVerifyLayer::new(standard_webhooks(SECRET)?).layer(handler);
    Ok(vec![
        (
            "webhook/hmac-precomputed",
            Box::new(move || {
                let mut hmac = hmac.clone();
                hmac.update(black_box(&signed.hashed));
                hmac.verify_slice(&signed.tag).is_ok()
            }),
        ),
        (
            "webhook/sha256",
            Box::new(|| {
                let digest = Sha256::digest(black_box(&signed.hashed));
                black_box(digest);
                true
            }),
        ),
        ("webhook/verify", Box::new(move || black_box(signed).ours())),
        (
            "webhook/verify-layer",
            Box::new(move || {
                let answer = now_or_never(layer.call(signed.request()));
                matches!(answer, Some(Ok(response)) if response.status() == 200)
            }),
        ),
        (
            "standardwebhooks::verify",
            Box::new(move || {
                let signed = black_box(signed);
                theirs.verify(&signed.body, &signed.head.headers).is_ok()
            }),
        ),
    ])
}

fn section(size: Size) -> Result<Section, Failure> {
    let signed = Signed::new(size.bytes)?;
    let calls = (BATCH / (size.bytes + 256)).max(1);
    let mut checks = checks(&signed)?;
    let mut allocated = Vec::new();
    for (name, check) in &mut checks {
        let mut right = false;
        // Once before: what is made at the first call is not counted.
        check();
        allocated.push(measure(|| right = check()).count_total);
        if !right {
            return Err(format!("{name} refuses a genuine delivery").into());
        }
    }
    let names: Vec<_> = checks.iter().map(|(name, _)| *name).collect();
    let mut batches: Vec<Batch<'_>> = checks
        .into_iter()
        .map(|(_, mut check)| {
            batch(calls, move || {
                black_box(check());
            })
        })
        .collect();
    let timings = interleave(&mut batches, size.rounds, calls)
        .calm()
        .timings();
    let sha = timings[1].nanos;
    let rows = names.iter().zip(timings).zip(allocated);
    let rows = rows.map(|((name, timing), allocated)| {
        let of_sha = timing.nanos / sha;
        #[allow(clippy::cast_precision_loss, reason = "a handful")]
        let row = Row::new(format!("{name}/{}", size.name), "hmac-precomputed")
            .ratio(timing.ratio)
            .figure("ns", timing.nanos)
            .figure("× SHA-256", of_sha)
            .figure("allocations", allocated as f64);
        let limit = size.limit.filter(|_| *name == "webhook/verify");
        row.goal(limit.map(|limit| limit.verdict(timing.ratio, of_sha)))
    });
    Ok(Section::new(size.title, size.note, rows.collect()))
}

impl Limit {
    fn verdict(self, of_hmac: Spread, of_sha: f64) -> Verdict {
        let (most, what, measured) = match self {
            Self::OfHmac(most) => (most, "a precomputed HMAC", of_hmac.median),
            Self::OfSha(most) => (most, "raw SHA-256", of_sha),
        };
        Verdict {
            goal: format!("≤ {most} × {what}"),
            measured: format!("{measured:.2} ×"),
            met: measured <= most,
            by: By::LowRatio,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_accepts_the_same_delivery_and_nobody_a_forged_one() {
        let mut signed = Signed::new(300).unwrap();
        for (name, check) in &mut checks(&signed).unwrap() {
            assert!(check(), "{name}");
        }
        signed.body = Bytes::from("y".repeat(300));
        signed.tag[0] ^= 1;
        for (name, check) in &mut checks(&signed).unwrap() {
            assert_eq!(check(), *name == "webhook/sha256", "{name}");
        }
    }

    #[test]
    fn each_size_is_judged_by_its_own_floor() {
        let of_hmac = Spread::of([1.3]);
        assert!(Limit::OfHmac(1.35).verdict(of_hmac, 9.0).met);
        assert!(!Limit::OfSha(1.05).verdict(of_hmac, 1.06).met);
    }
}
