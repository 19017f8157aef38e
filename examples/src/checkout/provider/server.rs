//! Sockets and routes; every planned fault happens here.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Provider;
use super::charge::{Form, Outcome};
use super::delivery::Delivery;
use super::keys::Answer;
use super::line::{Line, Scissors};
use super::outage;
use super::plan::Fault;

const CHARGES: &str = "/v1/payment_intents";
const SEARCH: &str = "/v1/payment_intents/search";
const LARGEST_FORM: usize = 64 * 1024;

/// Serves until the listener fails.
pub(super) async fn serve(provider: Provider, mut listener: TcpListener) -> io::Result<()> {
    let mut outages = provider.outages();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                tokio::spawn(connection(provider.clone(), stream, outages.clone()));
            }
            Ok(()) = outages.changed() => {
                let length = *outages.borrow_and_update();
                listener = outage::nobody_listens(listener, length).await?;
            }
        }
    }
}

async fn connection(provider: Provider, stream: TcpStream, mut outages: watch::Receiver<Duration>) {
    let scissors = Scissors::default();
    let censor = {
        let provider = provider.clone();
        Box::new(move |bytes: &[u8]| {
            order_of(bytes)
                .is_some_and(|order| provider.begins_with(Fault::ResetBeforeReading, &order))
        })
    };
    // Small answers must not wait for the acknowledgement of those before them.
    let _ = stream.set_nodelay(true);
    let line = Line::new(stream, scissors.clone(), censor);
    let service = {
        let scissors = scissors.clone();
        service_fn(move |request| respond(provider.clone(), scissors.clone(), request))
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(line), service);
    tokio::select! {
        // First, so that the call that asks for an outage is answered before it begins.
        biased;
        // An error here is a caller that hung up, or a fault that was planned.
        _ = served => {}
        () = async {
            // The service beside it keeps the sender alive.
            let _ = outages.changed().await;
            scissors.cut();
        } => {}
    }
}

async fn respond(
    provider: Provider,
    scissors: Scissors,
    request: Request<Incoming>,
) -> Result<Response<Delivery>, io::Error> {
    let (head, body) = request.into_parts();
    let query = head.uri.query();
    let answer = match (&head.method, head.uri.path()) {
        (&Method::GET, "/_audit/book") => Answer::ok(provider.book().to_json()),
        (&Method::POST, "/_audit/clock") => move_clock(&provider, query),
        (&Method::POST, "/_audit/outage") => return Ok(take_down(&provider, query)),
        (&Method::POST, "/_audit/webhooks") => tell(&provider, query),
        _ if !authorized(&provider, head.headers.get(AUTHORIZATION)) => Answer::error(
            StatusCode::UNAUTHORIZED,
            "invalid_request_error",
            "invalid API key",
        ),
        (&Method::POST, CHARGES) => {
            let key = head.headers.get("idempotency-key");
            let key = key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
            return charge(&provider, &scissors, key, body).await;
        }
        (&Method::GET, SEARCH) => provider.search(query.unwrap_or_default()),
        _ => Answer::error(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            "no such route",
        ),
    };
    Ok(whole(&answer))
}

async fn charge(
    provider: &Provider,
    scissors: &Scissors,
    key: Option<String>,
    body: Incoming,
) -> Result<Response<Delivery>, io::Error> {
    let body = Limited::new(body, LARGEST_FORM)
        .collect()
        .await
        .map_err(io::Error::other)?;
    let form = match Form::parse(&body.to_bytes()) {
        Ok(form) => form,
        Err(message) => {
            let answer = Answer::error(StatusCode::BAD_REQUEST, "invalid_request_error", &message);
            return Ok(whole(&answer));
        }
    };
    provider.state().requests += 1;
    let fault = provider.next_fault(&form.order_id);
    if let Some(fault) = fault
        && let Some(refusal) = refuse(provider, scissors, fault)
    {
        return refusal;
    }
    let outcome = provider.charge(key, form, fault).await;
    deliver(provider, scissors, fault, outcome).await
}

/// The faults that come before the key is looked at: nothing is executed, nothing is stored.
fn refuse(
    provider: &Provider,
    scissors: &Scissors,
    fault: Fault,
) -> Option<Result<Response<Delivery>, io::Error>> {
    let refusal = match fault {
        Fault::Unavailable | Fault::UnavailableFor => {
            let message = "come back later";
            let answer = Answer::error(StatusCode::SERVICE_UNAVAILABLE, "api_error", message);
            let mut response = whole(&answer);
            if fault == Fault::UnavailableFor {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Ok(response)
        }
        Fault::TooManyRequests => {
            let message = "too many requests";
            Ok(whole(&Answer::error(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                message,
            )))
        }
        // Only where a request came in pieces: otherwise the line was cut before it was read.
        Fault::ResetBeforeReading => reset(scissors),
        _ => return None,
    };
    provider.state().saw(fault);
    Some(refusal)
}

/// The faults that come after execution.
async fn deliver(
    provider: &Provider,
    scissors: &Scissors,
    fault: Option<Fault>,
    outcome: Outcome,
) -> Result<Response<Delivery>, io::Error> {
    let (answer, replayed) = match outcome {
        Outcome::Executed(answer) => (answer, false),
        Outcome::Replayed(answer) => (answer, true),
        Outcome::Refused(answer) => return Ok(whole(&answer)),
    };
    let bytes = Bytes::from(answer.body.to_string());
    let hang = provider.settings.hang;
    let body = match fault {
        Some(Fault::Hangs) if replayed => {
            provider.state().saw(Fault::Hangs);
            sleep(hang).await;
            Delivery::whole(bytes)
        }
        Some(fault @ (Fault::ResetAfterCharging | Fault::SlowBody | Fault::TruncatedBody)) => {
            provider.state().saw(fault);
            match fault {
                Fault::SlowBody => Delivery::slow(bytes, hang),
                Fault::TruncatedBody => Delivery::truncated(bytes),
                _ => return reset(scissors),
            }
        }
        _ => Delivery::whole(bytes),
    };
    let mut response = respond_with(answer.status, body);
    if replayed {
        response
            .headers_mut()
            .insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The order of a charge request that waits to be read, if all of it is there.
fn order_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    lines
        .next()?
        .strip_prefix("POST ")?
        .split(' ')
        .next()
        .filter(|path| *path == CHARGES)?;
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())?;
    Form::parse(body.as_bytes().get(..length)?)
        .ok()
        .map(|form| form.order_id)
}

fn authorized(provider: &Provider, header: Option<&HeaderValue>) -> bool {
    let key = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    key == Some(&provider.settings.api_key)
}

fn move_clock(provider: &Provider, query: Option<&str>) -> Answer {
    let Some(seconds) = seconds(query, "advance_s") else {
        let message = "how far? advance_s=SECONDS";
        return Answer::error(StatusCode::BAD_REQUEST, "invalid_request_error", message);
    };
    provider.advance(Duration::from_secs(seconds));
    Answer::ok(json!({"advanced_s": seconds}))
}

/// Names the endpoint that is told of charges from now on.
fn tell(provider: &Provider, query: Option<&str>) -> Answer {
    let url = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(known, _)| known == "url")
        .and_then(|(_, value)| value.parse::<Uri>().ok());
    match (&provider.settings.webhooks, url) {
        (Some(webhooks), Some(url)) if url.host().is_some() => {
            webhooks.tell(url);
            Answer::ok(json!({"told": true}))
        }
        (None, _) => {
            let message = "this provider tells nobody";
            Answer::error(StatusCode::NOT_FOUND, "invalid_request_error", message)
        }
        _ => {
            let message = "whom? url=URL";
            Answer::error(StatusCode::BAD_REQUEST, "invalid_request_error", message)
        }
    }
}

fn take_down(provider: &Provider, query: Option<&str>) -> Response<Delivery> {
    let Some(seconds) = seconds(query, "length_s") else {
        let message = "for how long? length_s=SECONDS";
        let answer = Answer::error(StatusCode::BAD_REQUEST, "invalid_request_error", message);
        return whole(&answer);
    };
    provider.take_down(Duration::from_secs(seconds));
    let mut response = whole(&Answer::ok(json!({"down_s": seconds})));
    // Ends this connection by itself, before the outage resets it.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

fn seconds(query: Option<&str>, name: &str) -> Option<u64> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(known, _)| known == name)
        .and_then(|(_, value)| value.parse().ok())
}

fn reset(scissors: &Scissors) -> Result<Response<Delivery>, io::Error> {
    scissors.cut();
    Err(io::ErrorKind::ConnectionReset.into())
}

fn whole(answer: &Answer) -> Response<Delivery> {
    respond_with(
        answer.status,
        Delivery::whole(answer.body.to_string().into()),
    )
}

fn respond_with(status: StatusCode, body: Delivery) -> Response<Delivery> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
