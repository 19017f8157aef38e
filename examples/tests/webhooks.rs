//! `POST /webhooks/{source}`, at `checkout serve` and in the demonstration, as processes of their own.

mod support;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use buttress_webhook::{
    HmacScheme, PublicUrl, adyen_platform, calendly, clerk, dropbox, github, gitlab_signed,
    hubspot_v3, intercom, lemonsqueezy, linear, meta, openai, paddle, razorpay, shopify, slack,
    square, standard_webhooks, stripe, svix, typeform, workos, zoom,
};
use examples::checkout::provider::{Fault, Plan, Settings};
use http::Request;
use serde_json::{Value, json};
use support::{Exchange, send};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(20);
const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A shop in a process of its own.
struct Shop {
    _process: Child,
    address: SocketAddr,
}

impl Shop {
    /// Its provider fails so, and it has these variables.
    async fn open(faults: &[Fault], variables: &[(&str, &str)]) -> Self {
        let script = faults.iter().copied().map(Some).collect();
        let settings = Settings {
            search: false,
            ..Settings::new("sk_test", Plan::Script(script))
        };
        let (_, provider) = support::serve(settings).await;
        Self::at(provider, variables).await
    }

    async fn at(provider: SocketAddr, variables: &[(&str, &str)]) -> Self {
        let provider = format!("http://{provider}");
        let mut process = command(variables)
            .env("PROVIDER_URL", provider)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).await.unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        Self {
            _process: process,
            address: address.parse().unwrap(),
        }
    }

    /// Delivers a body as its sender would, signed now.
    async fn deliver(&self, source: &str, scheme: &HmacScheme, body: &str) -> Exchange {
        let mut request = request(source).body(body.to_owned()).unwrap();
        scheme.sign(&mut request, SystemTime::now()).unwrap();
        self.post(&request).await
    }

    async fn post(&self, request: &Request<String>) -> Exchange {
        let line = format!("{} {} HTTP/1.1", request.method(), request.uri());
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let head: Vec<_> = std::iter::once(line).chain(headers).collect();
        send(self.address, &head.join("\r\n"), request.body()).await
    }

    async fn get(&self, path: &str) -> Exchange {
        send(self.address, &format!("GET {path} HTTP/1.1"), "").await
    }

    async fn webhooks(&self) -> Value {
        self.get("/status").await.json()["webhooks"].clone()
    }

    /// Places an order, and does not wait for what becomes of it.
    fn place(&self, id: &str) -> tokio::task::JoinHandle<Exchange> {
        let body = json!({"order_id": id, "amount": 500, "currency": "usd"}).to_string();
        let address = self.address;
        tokio::spawn(async move {
            let head = "POST /orders HTTP/1.1\r\ncontent-type: application/json";
            send(address, head, &body).await
        })
    }

    /// Waits until the order's page has this status.
    async fn comes_to(&self, id: &str, status: &str) -> Exchange {
        let end = Instant::now() + PATIENCE;
        loop {
            let page = self.get(&format!("/orders/{id}")).await;
            if page.status() == status {
                return page;
            }
            assert!(Instant::now() < end, "{}", page.text);
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_checkout"));
    command
        .arg("serve")
        .env_remove("STORE")
        .env("LISTEN", "127.0.0.1:0")
        .env("PROVIDER_KEY", "sk_test")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A request with every header that some sender signs or requires.
fn request(source: &str) -> http::request::Builder {
    Request::post(format!("/webhooks/{source}"))
        .header("webhook-id", "msg_1")
        .header("svix-id", "msg_1")
        .header("x-shopify-topic", "orders/create")
        .header("x-shopify-shop-domain", "a.myshopify.com")
        .header("x-shopify-api-version", "2026-10")
        .header("x-shopify-webhook-id", "w-1")
}

fn provider() -> HmacScheme {
    stripe("whsec_stripe").unwrap()
}

fn event(id: &str, kind: &str, payment: &str, order: &str) -> String {
    json!({
        "id": id,
        "type": format!("payment_intent.{kind}"),
        "data": {"object": {
            "id": payment, "amount": 500, "currency": "usd", "metadata": {"order_id": order},
        }},
    })
    .to_string()
}

#[tokio::test]
async fn every_sender_is_verified_and_heard_once() {
    let url = |source: &str| {
        PublicUrl::exact(&format!("https://shop.example.com/webhooks/{source}")).unwrap()
    };
    let senders: Vec<(&str, &str, HmacScheme)> = vec![
        ("adyen-platform", "00ff", adyen_platform("00ff").unwrap()),
        ("calendly", "s", calendly("s").unwrap()),
        ("clerk", KEY, clerk(KEY).unwrap()),
        ("github", "s", github("s").unwrap()),
        ("gitlab-signed", KEY, gitlab_signed(KEY).unwrap()),
        (
            "hubspot-v3",
            "s",
            hubspot_v3(url("hubspot-v3"), "s").unwrap(),
        ),
        ("intercom", "s", intercom("s").unwrap()),
        ("lemonsqueezy", "s", lemonsqueezy("s").unwrap()),
        ("linear", "s", linear("s").unwrap()),
        ("meta", "s", meta("s", "token").unwrap()),
        ("openai", KEY, openai(KEY).unwrap()),
        ("paddle", "s", paddle("s").unwrap()),
        ("razorpay", "s", razorpay("s").unwrap()),
        ("shopify", "s", shopify("s").unwrap()),
        ("slack", "s", slack("s").unwrap()),
        ("square", "s", square(url("square"), "s").unwrap()),
        ("standard-webhooks", KEY, standard_webhooks(KEY).unwrap()),
        ("stripe", "s", stripe("s").unwrap()),
        ("svix", KEY, svix(KEY).unwrap()),
        ("typeform", "s", typeform("s").unwrap()),
        ("workos", "s", workos("s").unwrap()),
        ("zoom", "s", zoom("s").unwrap()),
    ];
    let mut variables = vec![("PUBLIC_URL".to_owned(), "https://shop.example.com")];
    for (source, secret, _) in &senders {
        let name = source.to_ascii_uppercase().replace('-', "_");
        variables.push((format!("WEBHOOK_SECRET_{name}"), secret));
    }
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (&**name, *value))
        .collect();
    let shop = Shop::open(&[], &variables).await;

    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let body = json!({"id": "e-1", "event_id": "e-1", "webhookTimestamp": u64::try_from(now.as_millis()).unwrap()});
    let body = body.to_string();
    let mut count = 0;
    for (source, _, scheme) in &senders {
        count += 1;
        let first = shop.deliver(source, scheme, &body).await;
        assert_eq!(
            (first.status(), first.body()),
            ("200", ""),
            "{source}: {}",
            first.text
        );
        assert_eq!(first.header("idempotent-replayed"), None, "{source}");

        let again = shop.deliver(source, scheme, &body).await;
        assert_eq!(
            (again.status(), again.body()),
            ("200", ""),
            "{source}: {}",
            again.text
        );
        assert_eq!(
            again.header("idempotent-replayed"),
            Some("true"),
            "{source}"
        );

        let unsigned = request(source).body(body.clone()).unwrap();
        let unsigned = shop.post(&unsigned).await;
        assert_eq!(unsigned.status(), "401", "{source}: {}", unsigned.text);
        let tally = json!({"accepted": count, "duplicate": count, "refused": count, "put_off": 0});
        assert_eq!(shop.webhooks().await, tally, "{source}");
    }
    for unknown in [
        "dropbox",
        "gitlab-token",
        "nobody",
        "STRIPE",
        "stripe/x",
        "",
    ] {
        let answer = shop.deliver(unknown, &provider(), &body).await;
        assert_eq!(answer.status(), "404", "{unknown}");
    }
}

#[tokio::test]
async fn what_says_the_same_again_on_purpose_is_heard_again() {
    let shop = Shop::open(&[], &[("WEBHOOK_SECRET_DROPBOX", "s")]).await;
    let scheme = dropbox("s").unwrap();
    for accepted in 1..=2 {
        assert_eq!(shop.deliver("dropbox", &scheme, "{}").await.status(), "200");
        assert_eq!(shop.webhooks().await["accepted"], accepted);
    }
    let asked = shop.get("/webhooks/dropbox?challenge=abc").await;
    assert_eq!((asked.status(), asked.body()), ("200", "abc"));
}

#[tokio::test]
async fn keys_that_a_delivery_names_are_not_fetched_for_whoever_asks() {
    let variables = [
        (
            "WEBHOOK_SECRET_AWS_SNS",
            "arn:aws:sns:us-east-1:123456789012:T",
        ),
        ("WEBHOOK_SECRET_PAYPAL", "WH-1"),
        ("WEBHOOK_SECRET_PLAID", "client:secret"),
    ];
    let shop = Shop::open(&[], &variables).await;
    let foreign = json!({
        "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:999:T",
        "Message": "x", "Timestamp": "t", "SignatureVersion": "2", "Signature": "AAAA",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
    });
    let sns = request("aws-sns").body(foreign.to_string()).unwrap();
    assert_eq!(shop.post(&sns).await.status(), "401");
    let paypal = request("paypal")
        .header("paypal-transmission-id", "1")
        .header("paypal-transmission-time", "t")
        .header("paypal-transmission-sig", "AAAA")
        .header("paypal-auth-algo", "SHA256withRSA")
        .header(
            "paypal-cert-url",
            "https://evil.example/v1/notifications/certs/C",
        );
    assert_eq!(
        shop.post(&paypal.body("{}".to_owned()).unwrap())
            .await
            .status(),
        "401"
    );
    let plaid = request("plaid").header("plaid-verification", "a.b.c");
    assert_eq!(
        shop.post(&plaid.body("{}".to_owned()).unwrap())
            .await
            .status(),
        "401"
    );
    assert_eq!(shop.webhooks().await["refused"], 3);
}

#[tokio::test]
async fn secrets_are_rotated_with_commas_in_between_or_in_them() {
    let variables = [
        ("WEBHOOK_SECRET_STRIPE", "whsec_new, whsec_old"),
        ("WEBHOOK_SECRET_STRIPE_1", "with, a comma"),
        ("WEBHOOK_SECRET_GITHUB_1", "a,b"),
    ];
    let shop = Shop::open(&[], &variables).await;
    for (number, secret) in ["whsec_new", "whsec_old", "with, a comma"]
        .iter()
        .enumerate()
    {
        let body = event(&format!("evt_{number}"), "created", "pi_1", "o-1");
        let answer = shop
            .deliver("stripe", &stripe(*secret).unwrap(), &body)
            .await;
        assert_eq!(answer.status(), "200", "{secret}");
    }
    let comma = github("a,b").unwrap();
    assert_eq!(shop.deliver("github", &comma, "{}").await.status(), "200");
    let part = github("a").unwrap();
    assert_eq!(shop.deliver("github", &part, "{}").await.status(), "401");
}

#[tokio::test]
async fn an_event_pays_an_order_that_is_being_charged_or_that_nobody_knows_of() {
    let secret = [("WEBHOOK_SECRET_STRIPE", "whsec_stripe")];
    // The charge hangs; the news of it arrives before its answer.
    let shop = Shop::open(&[Fault::Hangs; 8], &secret).await;
    let buyer = shop.place("o-1");
    shop.comes_to("o-1", "202").await;
    let paid = event("evt_1", "succeeded", "pi_1", "o-1");
    assert_eq!(
        shop.deliver("stripe", &provider(), &paid).await.status(),
        "200"
    );
    let answer = buyer.await.unwrap();
    assert_eq!(answer.status(), "201", "{}", answer.text);
    assert_eq!(answer.json()["payment_id"], "pi_1");

    // The provider fails for good under its key, and has no search: only the news settles it.
    let shop = Shop::open(&[Fault::FailsAfterCharging], &secret).await;
    drop(shop.place("o-2"));
    let end = Instant::now() + PATIENCE;
    while shop.get("/status").await.json()["unknown"] != json!(["o-2"]) {
        assert!(Instant::now() < end);
        sleep(Duration::from_millis(20)).await;
    }
    let paid = event("evt_2", "succeeded", "pi_2", "o-2");
    assert_eq!(
        shop.deliver("stripe", &provider(), &paid).await.status(),
        "200"
    );
    let page = shop.comes_to("o-2", "200").await;
    assert_eq!(page.json()["payment_id"], "pi_2");
    let status = shop.get("/status").await.json();
    assert_eq!(
        (&status["reconciled"], &status["told"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_failure_never_undoes_a_payment_and_a_second_payment_is_kept_and_counted() {
    let shop = Shop::open(&[], &[("WEBHOOK_SECRET_STRIPE", "whsec_stripe")]).await;
    let answer = shop.place("o-1").await.unwrap();
    let payment = answer.json()["payment_id"].as_str().unwrap().to_owned();

    let tell = async |id: &str, kind: &str, payment: &str| {
        let body = event(id, kind, payment, "o-1");
        assert_eq!(
            shop.deliver("stripe", &provider(), &body).await.status(),
            "200"
        );
        shop.get("/orders/o-1").await
    };
    for (id, kind, told) in [
        ("1", "payment_failed", "pi_x"),
        ("2", "succeeded", &payment),
    ] {
        let page = tell(id, kind, told).await;
        assert_eq!(
            (page.status(), &page.json()["payment_id"]),
            ("200", &json!(payment))
        );
        assert_eq!(shop.get("/status").await.json()["paid_twice"], 0);
    }
    let page = tell("3", "succeeded", "pi_second").await;
    assert_eq!(
        (page.status(), &page.json()["payment_id"]),
        ("200", &json!(payment))
    );
    assert_eq!(shop.get("/status").await.json()["paid_twice"], 1);

    // Of an order that nobody placed, and of another amount: heard, and of no effect.
    let foreign = event("4", "succeeded", "pi_3", "o-2");
    assert_eq!(
        shop.deliver("stripe", &provider(), &foreign).await.status(),
        "200"
    );
    let other = event("5", "succeeded", "pi_4", "o-1").replace("500", "501");
    assert_eq!(
        shop.deliver("stripe", &provider(), &other).await.status(),
        "200"
    );
    let status = shop.get("/status").await.json();
    assert_eq!(
        (&status["orders"], &status["paid_twice"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn only_the_provider_knows_of_payments() {
    let variables = [
        ("WEBHOOK_SECRET_STRIPE", "s"),
        ("WEBHOOK_SECRET_GITHUB", "s"),
    ];
    let shop = Shop::open(&[Fault::Hangs; 8], &variables).await;
    drop(shop.place("o-1"));
    shop.comes_to("o-1", "202").await;
    let paid = event("evt_1", "succeeded", "pi_1", "o-1");
    let github = github("s").unwrap();
    assert_eq!(shop.deliver("github", &github, &paid).await.status(), "200");
    assert_eq!(shop.get("/orders/o-1").await.status(), "202");
}

#[tokio::test]
async fn a_variable_that_cannot_be_used_ends_it_and_is_named() {
    for (name, value) in [
        ("WEBHOOK_SECRET_STRIPE", ""),
        ("WEBHOOK_SECRET_SVIX", "hunter2"),
        ("WEBHOOK_SECRET_SQUARE", "hunter2"),
    ] {
        let output = command(&[(name, value), ("PROVIDER_URL", "http://127.0.0.1:9")])
            .stderr(Stdio::piped())
            .output()
            .await
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(70), "{error}");
        assert!(
            error.contains(name) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

async fn demo(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_checkout"))
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[tokio::test]
async fn the_demonstration_hears_every_charge_once_and_no_forger() {
    let arguments = [
        "--orders",
        "60",
        "--concurrency",
        "20",
        "--seed",
        "11",
        "--json",
    ];
    let (code, output) = demo(&arguments).await;
    let report: Value = serde_json::from_str(output.lines().next_back().unwrap()).unwrap();
    assert_eq!(code, Some(0), "{report}");
    let count = |name: &str| report["webhooks"][name].as_u64().unwrap();
    for name in [
        "late",
        "repeated",
        "reordered",
        "forged",
        "accepted",
        "duplicate",
        "refused",
    ] {
        assert!(count(name) > 0, "{name}: {report}");
    }
    assert_eq!(count("events"), 60);
    assert_eq!(count("accepted"), 60 + count("reordered"), "{report}");
    assert_eq!(count("duplicate"), count("repeated"), "{report}");
    assert_eq!(count("refused"), count("forged"), "{report}");
    assert_eq!(
        count("forged_accepted") + count("given_up") + count("pending"),
        0,
        "{report}"
    );
}

#[tokio::test]
async fn without_faults_each_charge_is_told_once() {
    let (code, output) = demo(&["--orders", "20", "--faults", "off", "--json"]).await;
    let report: Value = serde_json::from_str(output.lines().next_back().unwrap()).unwrap();
    assert_eq!(code, Some(0), "{report}");
    let webhooks = &report["webhooks"];
    for (name, value) in [
        ("events", 20),
        ("accepted", 20),
        ("duplicate", 0),
        ("refused", 0),
    ] {
        assert_eq!(webhooks[name], value, "{name}: {report}");
    }
    let (_, table) = demo(&["--orders", "10", "--faults", "off"]).await;
    assert!(
        table.contains("10 sent: 10 accepted, 0 duplicate, 0 refused"),
        "{table}"
    );
}
