//! Keys that a delivery names: what is fetched, how often, and what is never fetched.
#![cfg(all(feature = "p256", feature = "rsa"))]

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use buttress_event::{Bound, EventId};
use buttress_webhook::{
    CertificateSource, KeyClient, PlaidKeys, SnsSubscription, WebhookVerifyLayer, aws_sns, paypal,
    plaid,
};
use bytes::Bytes;
use common::{Calls, NOW, Outcome, layer, now, send};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, TrustAnchor};
use serde_json::{Value, json};

const RSA_KEY: &str = include_str!("data/rsa_test_key.pem");
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:orders";
const SNS_CERT: &str = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";
const PAYPAL_CERT: &str = "https://api.paypal.com/v1/notifications/certs/CERT-1";

/// A client that answers every request alike, and remembers what was asked.
#[derive(Clone)]
struct Client {
    status: u16,
    body: Bytes,
    asked: Arc<Mutex<Vec<String>>>,
    calls: Calls,
}

impl Client {
    fn answering(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            body: body.into(),
            asked: Arc::default(),
            calls: Calls::default(),
        }
    }

    fn service(&self) -> impl KeyClient + Sync + use<> {
        let client = self.clone();
        tower::service_fn(move |request: Request<Full<Bytes>>| {
            let client = client.clone();
            async move {
                client.calls.add();
                let uri = request.uri().to_string();
                client.asked.lock().unwrap().push(uri);
                // Long enough for others to come and wait.
                tokio::task::yield_now().await;
                let response = Response::builder()
                    .status(client.status)
                    .header("location", "https://evil.example/");
                let body = Full::new(client.body.clone());
                Ok::<_, Infallible>(response.body(body.boxed()).unwrap())
            }
        })
    }
}

fn rsa() -> RsaKeyPair {
    let key = PrivatePkcs8KeyDer::from_pem_slice(RSA_KEY.as_bytes()).unwrap();
    RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap()
}

fn rsa_sign(text: &str) -> String {
    let key = rsa();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .unwrap();
    STANDARD.encode(signature)
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

/// A root, and a chain from it to the RSA key, issued to this name.
fn chain(name: &str, until: (i32, u8, u8)) -> (TrustAnchor<'static>, String) {
    let root_key = KeyPair::generate().unwrap();
    let mut root = params("root.example");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_certificate = root.self_signed(&root_key).unwrap();
    let der = CertificateDer::from(root_certificate.der().to_vec());
    let anchor = webpki::anchor_from_trusted_cert(&der).unwrap().to_owned();

    let mut leaf = params(name);
    leaf.not_after = date_time_ymd(until.0, until.1, until.2);
    let leaf_key = KeyPair::from_pem(RSA_KEY).unwrap();
    let leaf = leaf
        .signed_by(&leaf_key, &Issuer::new(root, root_key))
        .unwrap();
    (anchor, leaf.pem())
}

fn certificate() -> String {
    chain("sns.amazonaws.com", (2027, 1, 1)).1
}

fn sns_body(topic: &str, certificate: &str, version: &str) -> Value {
    let signed = format!(
        "Message\nHello\nMessageId\nm-1\nTimestamp\n2026-09-21T00:00:00.000Z\nTopicArn\n{topic}\nType\nNotification\n"
    );
    json!({
        "Type": "Notification",
        "MessageId": "m-1",
        "TopicArn": topic,
        "Message": "Hello",
        "Timestamp": "2026-09-21T00:00:00.000Z",
        "SignatureVersion": version,
        "Signature": rsa_sign(&signed),
        "SigningCertURL": certificate,
        "UnsubscribeURL": "https://evil.example/",
    })
}

fn post(body: &Value) -> Request<Full<Bytes>> {
    Request::post("/")
        .body(Full::from(body.to_string()))
        .unwrap()
}

async fn sns(client: &Client, body: &Value) -> Outcome {
    let scheme = aws_sns([TOPIC], CertificateSource::aws_sns(client.service())).unwrap();
    send(&layer(scheme), post(body)).await
}

#[tokio::test]
async fn a_message_of_a_named_topic_is_verified_and_its_certificate_fetched_once() {
    let client = Client::answering(200, certificate());
    let keys = CertificateSource::aws_sns(client.service());
    let layer = layer(aws_sns([TOPIC], keys).unwrap());
    let body = sns_body(TOPIC, SNS_CERT, "2");
    for _ in 0..3 {
        let outcome = send(&layer, post(&body)).await;
        let (verified, _) = outcome.handled.unwrap();
        assert_eq!(verified.event_id(), &EventId::signed("m-1"));
        assert_eq!(verified.topic(), Some("Notification"));
    }
    assert_eq!(*client.asked.lock().unwrap(), [SNS_CERT]);
}

#[tokio::test]
async fn a_foreign_topic_is_refused_before_anything_is_fetched() {
    let client = Client::answering(200, certificate());
    let foreign = "arn:aws:sns:us-east-1:999999999999:orders";
    let outcome = sns(&client, &sns_body(foreign, SNS_CERT, "2")).await;
    assert_eq!(outcome.status, 401);
    assert_eq!(client.calls.count(), 0);
    assert!(aws_sns([""; 0], buttress_webhook::StaticKeys::new()).is_err());
    assert!(aws_sns([""], buttress_webhook::StaticKeys::new()).is_err());
}

#[tokio::test]
async fn nothing_is_fetched_from_anywhere_else() {
    let client = Client::answering(200, certificate());
    for url in [
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://evil.example/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.us-east-1.amazonaws.com/bucket/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-abc.pem",
    ] {
        let outcome = sns(&client, &sns_body(TOPIC, url, "2")).await;
        assert_eq!(outcome.status, 401, "{url}");
    }
    assert_eq!(client.calls.count(), 0);
}

#[tokio::test]
async fn sha_1_is_refused_unless_allowed() {
    let client = Client::answering(200, certificate());
    let outcome = sns(&client, &sns_body(TOPIC, SNS_CERT, "1")).await;
    assert_eq!(outcome.status, 401);
    assert_eq!(client.calls.count(), 0);
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    for status in [301, 302, 303, 307, 308] {
        let client = Client::answering(status, certificate());
        let outcome = sns(&client, &sns_body(TOPIC, SNS_CERT, "2")).await;
        assert_eq!(outcome.status, 401);
        assert_eq!(*client.asked.lock().unwrap(), [SNS_CERT]);

        let (anchor, pem) = chain(PAYPAL_NAME, (2027, 1, 1));
        let client = Client::answering(status, pem);
        let keys = CertificateSource::paypal_with_roots(client.service(), [anchor]);
        let request = paypal_request(PAYPAL_CERT, "WH-ID-1", PAYPAL_BODY);
        let outcome = send(&layer(paypal("WH-ID-1", keys).unwrap()), request).await;
        assert_eq!(outcome.status, 401);
        assert_eq!(*client.asked.lock().unwrap(), [PAYPAL_CERT]);

        let client = Client::answering(status, jwk(KID, &Value::Null));
        let outcome = plaid_with(&client, plaid_request(KID, NOW)).await;
        assert_eq!((outcome.status, client.calls.count()), (401, 1));
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_asked_for_once_a_minute() {
    let client = Client::answering(404, "");
    let keys = CertificateSource::aws_sns(client.service());
    let body = sns_body(TOPIC, SNS_CERT, "2");
    for (seconds, calls) in [(0, 1), (59, 1), (60, 2)] {
        let scheme = aws_sns([TOPIC], keys.clone()).unwrap();
        let layer =
            WebhookVerifyLayer::new(scheme).clock(move || now() + Duration::from_secs(seconds));
        assert_eq!(send(&layer, post(&body)).await.status, 401);
        assert_eq!(client.calls.count(), calls, "{seconds}");
    }
}

#[tokio::test]
async fn a_source_that_fails_asks_the_sender_to_try_again() {
    for status in [500, 503, 429] {
        let client = Client::answering(status, "");
        let outcome = sns(&client, &sns_body(TOPIC, SNS_CERT, "2")).await;
        assert_eq!(outcome.status, 503, "{status}");
        assert_eq!(outcome.headers["retry-after"], "30");
    }
    let huge = Client::answering(200, vec![b'x'; 65 * 1024]);
    let outcome = sns(&huge, &sns_body(TOPIC, SNS_CERT, "2")).await;
    assert_eq!(outcome.status, 503);
}

#[tokio::test]
async fn a_certificate_counts_only_while_it_is_valid() {
    let expired = chain("sns.amazonaws.com", (2026, 9, 1)).1;
    let client = Client::answering(200, expired);
    let outcome = sns(&client, &sns_body(TOPIC, SNS_CERT, "2")).await;
    assert_eq!(outcome.status, 401);
    let garbage = Client::answering(200, "not a certificate");
    let outcome = sns(&garbage, &sns_body(TOPIC, SNS_CERT, "2")).await;
    assert_eq!(outcome.status, 401);
}

#[tokio::test]
async fn deliveries_that_come_at_once_share_one_fetch() {
    let client = Client::answering(200, certificate());
    let keys = CertificateSource::aws_sns(client.service());
    let layer = layer(aws_sns([TOPIC], keys).unwrap());
    let body = sns_body(TOPIC, SNS_CERT, "2");
    let all = (0..8).map(|_| send(&layer, post(&body)));
    for outcome in futures_util::future::join_all(all).await {
        assert_eq!(outcome.status, 204);
    }
    assert_eq!(client.calls.count(), 1);
}

#[tokio::test]
async fn names_that_an_attacker_makes_up_cost_30_fetches_a_minute() {
    let client = Client::answering(404, "");
    let keys = CertificateSource::aws_sns(client.service());
    let layer = layer(aws_sns([TOPIC], keys).unwrap());
    let mut last = 0;
    for number in 0..40 {
        let url = SNS_CERT.replace(
            "0123456789abcdef0123456789abcdef",
            &format!("{number:032x}"),
        );
        last = send(&layer, post(&sns_body(TOPIC, &url, "2"))).await.status;
    }
    assert_eq!(client.calls.count(), 30);
    assert_eq!(last, 503);
}

const SUBSCRIBE: &str = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=t-1";

fn sns_confirmation(url: &str) -> Value {
    let signed = format!(
        "Message\nConfirm?\nMessageId\nm-2\nSubscribeURL\n{url}\nTimestamp\n2026-09-21T00:00:00.000Z\nToken\nt-1\nTopicArn\n{TOPIC}\nType\nSubscriptionConfirmation\n"
    );
    json!({
        "Type": "SubscriptionConfirmation",
        "MessageId": "m-2",
        "Token": "t-1",
        "TopicArn": TOPIC,
        "Message": "Confirm?",
        "SubscribeURL": url,
        "Timestamp": "2026-09-21T00:00:00.000Z",
        "SignatureVersion": "2",
        "Signature": rsa_sign(&signed),
        "SigningCertURL": SNS_CERT,
    })
}

#[tokio::test]
async fn no_flipped_bit_of_a_subscription_verifies() {
    let client = Client::answering(200, certificate());
    let keys = CertificateSource::aws_sns(client.service());
    let layer = layer(aws_sns([TOPIC], keys).unwrap());
    let text = sns_confirmation(SUBSCRIBE).to_string();
    for name in ["SubscribeURL", "Token"] {
        let start = text.find(&format!("\"{name}\":\"")).unwrap() + name.len() + 4;
        let end = start + text[start..].find('"').unwrap();
        for bit in start * 8..end * 8 {
            let mut body = text.clone().into_bytes();
            body[bit / 8] ^= 1 << (bit % 8);
            let request = Request::post("/").body(Full::<Bytes>::from(body)).unwrap();
            assert_eq!(send(&layer, request).await.status, 401, "bit {bit}, {name}");
        }
    }
}

#[tokio::test]
async fn a_subscription_is_offered_and_not_visited() {
    let client = Client::answering(200, certificate());
    let url = SUBSCRIBE;
    let outcome = sns(&client, &sns_confirmation(url)).await;
    let (verified, body) = outcome.handled.unwrap();
    assert_eq!(verified.topic(), Some("SubscriptionConfirmation"));
    let offered = SnsSubscription::of(&body).unwrap();
    assert_eq!(offered.topic_arn, TOPIC);
    assert_eq!(offered.token, "t-1");
    assert_eq!(offered.subscribe_url, url);
    assert_eq!(*client.asked.lock().unwrap(), [SNS_CERT]);

    for url in [
        "https://evil.example/",
        "http://sns.us-east-1.amazonaws.com/x",
        // To a reader of URLs these are `sns.com`, `evil.amazonaws.com`, and a bucket.
        "https://sns.com#.amazonaws.com/",
        "https://sns.com?.amazonaws.com/",
        "https://sns.com\\.amazonaws.com/",
        "https://sns.user@evil.amazonaws.com/",
        "https://sns.us-east-1:443.amazonaws.com/",
        "https://sns.s3-us-west-2.amazonaws.com/x",
    ] {
        let outcome = sns(&client, &sns_confirmation(url)).await;
        assert_eq!(SnsSubscription::of(&outcome.handled.unwrap().1), None);
    }
}

#[tokio::test]
async fn lines_that_move_between_fields_are_refused() {
    let client = Client::answering(200, certificate());
    let mut body = sns_body(TOPIC, SNS_CERT, "2");
    // The same signed text, with the id's line read as the end of the message.
    body["Message"] = "Hello\nMessageId\nm-1".into();
    body["MessageId"] = "m-1\nTimestamp\n2026-09-21T00:00:00.000Z".into();
    assert_eq!(sns(&client, &body).await.status, 401);
}

fn paypal_request(certificate: &str, webhook_id: &str, body: &str) -> Request<Full<Bytes>> {
    // CRC-32 of {"id":"WH-1"}, from python's zlib.
    let signed = format!("t-1|2026-09-21T14:13:20Z|{webhook_id}|838965618");
    Request::post("/")
        .header("paypal-transmission-id", "t-1")
        .header("paypal-transmission-time", "2026-09-21T14:13:20Z")
        .header("paypal-cert-url", certificate)
        .header("paypal-auth-algo", "SHA256withRSA")
        .header("paypal-transmission-sig", rsa_sign(&signed))
        .body(Full::from(body.to_owned()))
        .unwrap()
}

const PAYPAL_BODY: &str = r#"{"id":"WH-1"}"#;

async fn paypal_with(name: &str, trusted: bool, request: Request<Full<Bytes>>) -> (Outcome, usize) {
    let (anchor, pem) = chain(name, (2027, 1, 1));
    let client = Client::answering(200, pem);
    let keys = if trusted {
        CertificateSource::paypal_with_roots(client.service(), [anchor])
    } else {
        CertificateSource::paypal(client.service())
    };
    let outcome = send(&layer(paypal("WH-ID-1", keys).unwrap()), request).await;
    (outcome, client.calls.count())
}

const PAYPAL_NAME: &str = "messageverificationcerts.paypal.com";

#[tokio::test]
async fn a_delivery_of_paypal_is_verified_and_known_to_be_weakly_bound() {
    let request = paypal_request(PAYPAL_CERT, "WH-ID-1", PAYPAL_BODY);
    let (outcome, calls) = paypal_with(PAYPAL_NAME, true, request).await;
    let (verified, _) = outcome.handled.unwrap();
    assert_eq!(verified.event_id(), &EventId::signed("t-1"));
    assert_eq!(verified.body(), Bound::Weak);
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn paypals_certificate_must_be_paypals() {
    for (name, trusted) in [
        ("www.paypal.com", true),
        ("messageverificationcerts.paypal.com.evil.example", true),
        ("messageverificationcerts.sandbox.paypal.com", true),
        // A chain that leads to nobody's root.
        (PAYPAL_NAME, false),
    ] {
        let request = paypal_request(PAYPAL_CERT, "WH-ID-1", PAYPAL_BODY);
        let (outcome, calls) = paypal_with(name, trusted, request).await;
        assert_eq!((outcome.status, calls), (401, 1), "{name}");
    }
}

#[tokio::test]
async fn paypals_certificate_is_fetched_from_paypals_api_alone() {
    for url in [
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://www.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/other/CERT-1",
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
    ] {
        let request = paypal_request(url, "WH-ID-1", PAYPAL_BODY);
        let (outcome, calls) = paypal_with(PAYPAL_NAME, true, request).await;
        assert_eq!((outcome.status, calls), (401, 0), "{url}");
    }
}

#[tokio::test]
async fn paypal_signs_for_one_webhook_only() {
    let request = paypal_request(PAYPAL_CERT, "WEBHOOK_ID", PAYPAL_BODY);
    let (outcome, _) = paypal_with(PAYPAL_NAME, true, request).await;
    assert_eq!(outcome.status, 401);
    for id in ["WEBHOOK_ID", "", "a|b"] {
        assert!(
            paypal(id, buttress_webhook::StaticKeys::new()).is_err(),
            "{id}"
        );
    }
    let mut shifted = paypal_request(PAYPAL_CERT, "WH-ID-1", PAYPAL_BODY);
    let headers = shifted.headers_mut();
    headers.insert(
        "paypal-transmission-id",
        "t-1|2026-09-21T14:13:20Z".parse().unwrap(),
    );
    let (outcome, calls) = paypal_with(PAYPAL_NAME, true, shifted).await;
    assert_eq!((outcome.status, calls), (401, 0));
}

#[test]
fn paypal_can_be_asked_about_a_delivery_byte_for_byte() {
    let scheme = paypal("WH-ID-1", buttress_webhook::StaticKeys::new()).unwrap();
    let (head, _) = paypal_request(PAYPAL_CERT, "WH-ID-1", PAYPAL_BODY).into_parts();
    let event = Bytes::from("{ \"id\":\"WH-1\", \"x\":1.0 }");
    let question = scheme.postback(&head.headers, &event).unwrap();
    let text = std::str::from_utf8(&question).unwrap();
    assert!(
        text.ends_with(r#""webhook_event":{ "id":"WH-1", "x":1.0 }}"#),
        "{text}"
    );
    let question: Value = serde_json::from_slice(&question).unwrap();
    assert_eq!(question["webhook_id"], "WH-ID-1");
    assert_eq!(question["cert_url"], PAYPAL_CERT);
    assert_eq!(question["auth_algo"], "SHA256withRSA");
    assert_eq!(question["transmission_id"], "t-1");

    // What is no JSON could end the question early.
    let other = Bytes::from(r#"{},"webhook_id":"other""#);
    assert!(scheme.postback(&head.headers, &other).is_err());
    assert!(scheme.postback(&http::HeaderMap::new(), &event).is_err());
}

const KID: &str = "bfbd5111-8e33-4643-8ced-b2e642a72f3c";

fn plaid_key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn jwk(kid: &str, expired_at: &Value) -> String {
    let point = plaid_key().verifying_key().to_sec1_point(false);
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({"key": {
        "alg": "ES256", "crv": "P-256", "kty": "EC", "use": "sig", "kid": kid,
        "x": coordinate(&point.as_bytes()[1..33]), "y": coordinate(&point.as_bytes()[33..]),
        "created_at": 1, "expired_at": expired_at,
    }, "request_id": "r"})
    .to_string()
}

fn plaid_request(kid: &str, issued: u64) -> Request<Full<Bytes>> {
    // sha256sum of {}
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(json!({"alg": "ES256", "kid": kid, "typ": "JWT"}));
    let claims = part(json!({"iat": issued, "request_body_sha256": hash}));
    let signed = format!("{header}.{claims}");
    let signature: p256::ecdsa::Signature = plaid_key().sign(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
    Request::post("/")
        .header("plaid-verification", format!("{signed}.{signature}"))
        .body(Full::from("{}"))
        .unwrap()
}

async fn plaid_with(client: &Client, request: Request<Full<Bytes>>) -> Outcome {
    let keys = PlaidKeys::production(client.service(), "client", "secret").unwrap();
    send(&layer(plaid(keys)), request).await
}

#[tokio::test]
async fn a_delivery_of_plaid_is_verified_with_the_key_it_names() {
    let client = Client::answering(200, jwk(KID, &Value::Null));
    let outcome = plaid_with(&client, plaid_request(KID, NOW)).await;
    assert_eq!(outcome.handled.unwrap().0.timestamp(), Some(now()));
    let asked = client.asked.lock().unwrap();
    assert_eq!(
        *asked,
        ["https://production.plaid.com/webhook_verification_key/get"]
    );
}

#[tokio::test]
async fn a_key_id_that_plaid_would_not_use_is_not_asked_for() {
    let client = Client::answering(200, jwk("k1", &Value::Null));
    for kid in [
        "k1",
        "",
        "../../x",
        "bfbd5111-8e33-4643-8ced-b2e642a72f3",
        &"a".repeat(65),
    ] {
        assert_eq!(
            plaid_with(&client, plaid_request(kid, NOW)).await.status,
            401,
            "{kid}"
        );
    }
    assert_eq!(client.calls.count(), 0);
}

#[tokio::test]
async fn an_expired_or_exchanged_key_is_refused() {
    let expired = Client::answering(200, jwk(KID, &json!(NOW)));
    assert_eq!(
        plaid_with(&expired, plaid_request(KID, NOW)).await.status,
        401
    );
    let later = Client::answering(200, jwk(KID, &json!(NOW + 1)));
    assert_eq!(
        plaid_with(&later, plaid_request(KID, NOW)).await.status,
        204
    );
    let other = Client::answering(
        200,
        jwk("00000000-8e33-4643-8ced-b2e642a72f3c", &Value::Null),
    );
    assert_eq!(
        plaid_with(&other, plaid_request(KID, NOW)).await.status,
        401
    );
}

#[tokio::test]
async fn plaids_time_is_checked_in_both_directions() {
    let client = Client::answering(200, jwk(KID, &Value::Null));
    for (issued, status) in [(NOW - 300, 204), (NOW - 301, 401), (NOW + 301, 401)] {
        let outcome = plaid_with(&client, plaid_request(KID, issued)).await;
        assert_eq!(outcome.status, status, "{issued}");
    }
}

#[tokio::test]
async fn credentials_that_plaid_refuses_are_no_fault_of_the_sender() {
    let client = Client::answering(401, "{}");
    assert_eq!(
        plaid_with(&client, plaid_request(KID, NOW)).await.status,
        503
    );
    let unknown = Client::answering(
        400,
        r#"{"error_code":"INVALID_WEBHOOK_VERIFICATION_KEY_ID"}"#,
    );
    assert_eq!(
        plaid_with(&unknown, plaid_request(KID, NOW)).await.status,
        401
    );
}

#[test]
fn a_source_shows_no_credentials() {
    let client = Client::answering(200, "");
    let keys = PlaidKeys::sandbox(client.service(), "client", "hunter2").unwrap();
    assert!(!format!("{keys:?}").contains("hunter2"));
}

#[test]
fn plaid_cannot_be_asked_without_credentials() {
    let service = || Client::answering(200, "").service();
    assert!(PlaidKeys::production(service(), "", "secret").is_err());
    assert!(PlaidKeys::sandbox(service(), "client", "").is_err());
}
