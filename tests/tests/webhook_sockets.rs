//! Webhooks over real sockets: axum behind the layer, raw bytes and clients in front of it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buttress_event::{Event, Verified};
use buttress_webhook::{HmacScheme, WebhookVerifyLayer, github, shopify, standard_webhooks};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BODY: &[u8] = br#"{"id":"evt_1"}"#;
/// [`BODY`], compressed.
const GZIP: &str = "H4sIAAAAAAACA6tWykxRslJKLSuJN1SqBQAbULqODgAAAA==";

fn scheme() -> HmacScheme {
    github("secret").unwrap()
}

/// Signs a body of any bytes, and returns the signature's header.
fn signature(body: &[u8]) -> String {
    let mut request = Request::post("/").body(body).unwrap();
    scheme().sign(&mut request, SystemTime::now()).unwrap();
    let value = &request.headers()["x-hub-signature-256"];
    value.to_str().unwrap().to_owned()
}

/// Answers with who sent, and the length and sum of what arrived.
async fn handler(verified: Verified, body: Bytes) -> String {
    let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
    format!("{} {} {sum}", verified.source(), body.len())
}

fn expected(body: &[u8]) -> String {
    let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
    format!("github {} {sum}", body.len())
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn endpoint() -> SocketAddr {
    let layer = WebhookVerifyLayer::new(scheme());
    serve(Router::new().route("/hook", post(handler)).layer(layer)).await
}

/// Writes pieces one by one, and reads the answer to its end.
async fn raw(address: SocketAddr, pieces: &[&[u8]]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        // A server that has already answered may have stopped reading.
        if stream.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

fn head(signature: &str, rest: &str) -> String {
    format!(
        "POST /hook HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\nx-hub-signature-256: {signature}\r\n{rest}\r\n"
    )
}

fn with_length(body: &[u8]) -> String {
    head(
        &signature(body),
        &format!("content-length: {}\r\n", body.len()),
    )
}

#[tokio::test]
async fn a_genuine_delivery_reaches_an_axum_handler() {
    let address = endpoint().await;
    let (status, body) = raw(address, &[with_length(BODY).as_bytes(), BODY]).await;
    assert_eq!((status, body), (200, expected(BODY)));
}

#[tokio::test]
async fn a_forged_one_does_not() {
    let address = endpoint().await;
    let head = head(&signature(b"other"), "content-length: 14\r\n");
    let (status, body) = raw(address, &[head.as_bytes(), BODY]).await;
    assert_eq!(status, 401);
    assert_eq!(
        body,
        r#"{"status":401,"title":"Unauthorized","type":"about:blank"}"#
    );
}

#[tokio::test]
async fn chunks_of_odd_sizes_are_one_body() {
    let address = endpoint().await;
    let body: Vec<u8> = (0..5_000_u32).flat_map(u32::to_be_bytes).collect();
    let head = head(&signature(&body), "transfer-encoding: chunked\r\n");
    let mut pieces = vec![head.into_bytes()];
    let (mut rest, mut size) = (&body[..], 1);
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        pieces.push(format!("{:x}\r\n", chunk.len()).into_bytes());
        // A chunk itself arrives in two pieces.
        let (one, two) = chunk.split_at(chunk.len() / 3);
        pieces.push(one.to_vec());
        pieces.push(two.to_vec());
        pieces.push(b"\r\n".to_vec());
        rest = after;
        size = size * 2 + 1;
    }
    pieces.push(b"0\r\n\r\n".to_vec());
    let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
    assert_eq!(raw(address, &pieces).await, (200, expected(&body)));
}

#[tokio::test]
async fn repeated_header_lines_count_only_when_equal() {
    let address = endpoint().await;
    let line = format!(
        "x-hub-signature-256: {}\r\ncontent-length: 14\r\n",
        signature(BODY)
    );
    let equal = head(&signature(BODY), &line);
    assert_eq!(raw(address, &[equal.as_bytes(), BODY]).await.0, 200);
    let different = head(&signature(b"other"), &line);
    assert_eq!(raw(address, &[different.as_bytes(), BODY]).await.0, 401);
    let swapped = head(
        &signature(BODY),
        "x-hub-signature-256: sha256=00\r\ncontent-length: 14\r\n",
    );
    assert_eq!(raw(address, &[swapped.as_bytes(), BODY]).await.0, 401);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_handed_on_as_they_are() {
    let address = endpoint().await;
    let body: Vec<u8> = (0..=255).collect();
    let (status, answer) = raw(address, &[with_length(&body).as_bytes(), &body]).await;
    assert_eq!((status, answer), (200, expected(&body)));
}

#[tokio::test]
async fn a_megabyte_is_no_trouble() {
    let address = endpoint().await;
    let body = vec![b'x'; 1024 * 1024];
    let (status, answer) = raw(address, &[with_length(&body).as_bytes(), &body]).await;
    assert_eq!((status, answer), (200, expected(&body)));
}

#[tokio::test]
async fn an_empty_body_is_as_good_as_its_sender_says() {
    let key = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let layer = WebhookVerifyLayer::new(standard_webhooks(key).unwrap());
    let address = serve(Router::new().route("/hook", post(handler)).layer(layer)).await;
    let mut request = Request::post("/hook")
        .header("webhook-id", "msg_1")
        .body("")
        .unwrap();
    standard_webhooks(key)
        .unwrap()
        .sign(&mut request, SystemTime::now())
        .unwrap();
    let mut head = "POST /hook HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n".to_owned();
    for (name, value) in request.headers() {
        for part in [name.as_str(), ": ", value.to_str().unwrap(), "\r\n"] {
            head.push_str(part);
        }
    }
    for rest in ["content-length: 0\r\n\r\n", "\r\n"] {
        let head = format!("{head}{rest}");
        let answer = raw(address, &[head.as_bytes()]).await;
        assert_eq!(answer, (200, "standard-webhooks 0 0".to_owned()));
    }
    // GitHub never sends one.
    assert_eq!(
        raw(endpoint().await, &[with_length(b"").as_bytes()])
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn a_body_over_the_cap_is_413_declared_or_not() {
    let layer = WebhookVerifyLayer::new(scheme().cap(64 * 1024));
    let address = serve(Router::new().route("/hook", post(handler)).layer(layer)).await;
    let body = vec![b'x'; 64 * 1024 + 1];
    // Declared: answered before any of the body is sent.
    assert_eq!(raw(address, &[with_length(&body).as_bytes()]).await.0, 413);
    // Not declared: answered as soon as one byte is too many.
    let head = head(&signature(&body), "transfer-encoding: chunked\r\n");
    let chunk = format!("{:x}\r\n", body.len());
    let pieces = [head.as_bytes(), chunk.as_bytes(), &body];
    assert_eq!(raw(address, &pieces).await.0, 413);
}

#[tokio::test]
async fn a_sender_that_hangs_up_leaves_the_handler_alone() {
    let address = endpoint().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(with_length(BODY).as_bytes())
        .await
        .unwrap();
    stream.write_all(&BODY[..5]).await.unwrap();
    drop(stream);
    // The server lives on.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(
        raw(address, &[with_length(BODY).as_bytes(), BODY]).await.0,
        200
    );
}

#[tokio::test]
async fn http_2_is_verified_alike() {
    let address = endpoint().await;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let body = vec![0xfe; 300_000];
    for (signed, status) in [
        (&body[..], StatusCode::OK),
        (b"other", StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::post(format!("http://{address}/hook"))
            .header("x-hub-signature-256", signature(signed))
            .body(Full::new(Bytes::from(body.clone())))
            .unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), status);
        if status == StatusCode::OK {
            let answer = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(answer, expected(&body).as_bytes());
        }
    }
}

#[tokio::test]
async fn an_event_is_extracted_in_whole() {
    async fn whole(event: Event) -> String {
        format!("{} {:?}", event.verified.topic().unwrap(), event.body)
    }
    let layer = WebhookVerifyLayer::new(shopify("secret").unwrap());
    let address = serve(Router::new().route("/hook", post(whole)).layer(layer)).await;
    let mut request = Request::post("/hook")
        .header("x-shopify-topic", "orders/create")
        .header("x-shopify-shop-domain", "a.myshopify.com")
        .header("x-shopify-api-version", "2026-10")
        .header("x-shopify-webhook-id", "w-1")
        .body("{}")
        .unwrap();
    shopify("secret")
        .unwrap()
        .sign(&mut request, SystemTime::now())
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    *request.uri_mut() = format!("http://{address}/hook").parse().unwrap();
    let response = client
        .request(request.map(Full::<Bytes>::from))
        .await
        .unwrap();
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer, r#"orders/create b"{}""#);
}

#[tokio::test]
async fn a_handler_that_no_layer_protects_answers_500() {
    let address = serve(Router::new().route("/hook", post(handler))).await;
    assert_eq!(
        raw(address, &[with_length(BODY).as_bytes(), BODY]).await.0,
        500
    );
}

/// Sends the body compressed; the signature is over the bytes on the wire, or over what they contain.
async fn compressed(address: SocketAddr, over_the_wire: bool) -> (u16, String) {
    let gzip = STANDARD.decode(GZIP).unwrap();
    let signature = signature(if over_the_wire { &gzip } else { BODY });
    let rest = format!(
        "content-encoding: gzip\r\ncontent-length: {}\r\n",
        gzip.len()
    );
    raw(address, &[head(&signature, &rest).as_bytes(), &gzip]).await
}

#[tokio::test]
async fn decompression_belongs_inside_and_breaks_every_signature_outside() {
    use tower_http::decompression::RequestDecompressionLayer;

    let verify = || WebhookVerifyLayer::new(scheme());
    let route = || Router::new().route("/hook", post(handler));
    // The last layer added is the outermost.
    let right = route()
        .layer(RequestDecompressionLayer::new())
        .layer(verify());
    let right = serve(right).await;
    assert_eq!(compressed(right, true).await, (200, expected(BODY)));
    assert_eq!(compressed(right, false).await.0, 401);

    let wrong = route()
        .layer(verify())
        .layer(RequestDecompressionLayer::new());
    let wrong = serve(wrong).await;
    assert_eq!(compressed(wrong, true).await.0, 401);
}
