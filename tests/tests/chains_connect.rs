//! What happens before a request has a connection, and what each client's error means.

use std::time::Duration;

use buttress_classify::{Class, Health, Sent, Verdict};
use hyper_util::client::legacy::Client as HyperUtil;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tests::chains::{assert_means, empty, error_of, errors_held, meaning_of, request};
use tests::clients::{Client, Kind, Settings, Version};
use tests::peer::{Full, Identity, Peer, Plan, Refusing, Step, trusting_nobody};
use tower::timeout::TimeoutLayer;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;

const VERSIONS: [Version; 2] = [Version::One, Version::Two];
const UNCONNECTED: Verdict = Verdict::transient("connect").unsent();

/// Each client with each version of HTTP.
fn each() -> impl Iterator<Item = Settings> {
    VERSIONS
        .into_iter()
        .flat_map(|version| Kind::ALL.map(|kind| Settings::new(kind, version)))
}

/// Each client asks `url`, and its error means `verdict`.
async fn assert_all(url: &str, verdict: Verdict) {
    for settings in each() {
        let client = Client::new(settings.clone()).unwrap();
        let error = error_of(&client, request(url, empty())).await;
        assert_means(&error, verdict, (settings.kind, settings.version));
    }
}

/// Each client meets a peer with this plan over TLS.
async fn assert_all_over_tls(plan: Plan, verdict: Verdict) {
    for settings in each() {
        let peer = Peer::start([plan.clone()]).await.unwrap();
        let client = Client::new(settings.clone()).unwrap();
        let error = error_of(&client, request(&peer.https(), empty())).await;
        assert_means(&error, verdict, (settings.kind, settings.version));
    }
}

#[tokio::test]
async fn a_refused_connection() {
    let port = Refusing::start().unwrap();
    assert_all(&port.http().unwrap(), UNCONNECTED).await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    assert_all("http://no-such-host.invalid/", UNCONNECTED).await;
}

#[tokio::test]
async fn a_connection_that_is_never_answered() {
    let port = Full::start().await.unwrap();
    for mut settings in each() {
        settings.connect_timeout = Some(Duration::from_millis(50));
        let client = Client::new(settings.clone()).unwrap();
        let error = error_of(&client, request(&port.http().unwrap(), empty())).await;
        let verdict = Verdict::transient("timeout").unsent();
        assert_means(&error, verdict, (settings.kind, settings.version));
    }
}

/// hyper-util hands on the limit's error as it is; reqwest puts one of its own in its place.
#[tokio::test]
async fn a_limit_around_the_connector() {
    let port = Full::start().await.unwrap();
    let limit = TimeoutLayer::new(Duration::from_millis(50));
    let verdict = Verdict::transient("timeout").unsent();
    for version in VERSIONS {
        let two = version == Version::Two;
        let request = || request(&port.http().unwrap(), empty());

        // hyper-util asks for a future that can be moved.
        let connector = BoxCloneSyncService::new(limit.layer(HttpConnector::new()));
        let client = HyperUtil::builder(TokioExecutor::new())
            .http2_only(two)
            .build(connector);
        let error = client.request(request()).await.unwrap_err();
        assert_means(&error.into(), verdict, (Kind::HyperUtil, version));

        let builder = reqwest_0_12::Client::builder().no_proxy();
        let builder = builder.use_preconfigured_tls(trusting_nobody().unwrap());
        let builder = match version {
            Version::One => builder.http1_only(),
            Version::Two => builder.http2_prior_knowledge(),
        };
        let client = Client::Reqwest012(builder.connector_layer(limit.clone()).build().unwrap());
        let error = error_of(&client, request()).await;
        assert_means(&error, verdict, (Kind::Reqwest012, version));

        let builder = reqwest_0_13::Client::builder().no_proxy();
        let builder = builder.tls_backend_preconfigured(trusting_nobody().unwrap());
        let builder = match version {
            Version::One => builder.http1_only(),
            Version::Two => builder.http2_prior_knowledge(),
        };
        let client = Client::Reqwest013(builder.connector_layer(limit.clone()).build().unwrap());
        let error = error_of(&client, request()).await;
        assert_means(&error, verdict, (Kind::Reqwest013, version));
    }
}

#[tokio::test]
async fn a_connection_closed_before_the_request() {
    for version in VERSIONS {
        for plan in [vec![], vec![Step::Reset]] {
            for (kind, error) in errors_held(version, plan).await {
                let verdict = meaning_of(&error).unwrap();
                assert_eq!(
                    (verdict.class, verdict.sent, verdict.health),
                    (Class::Transient, Sent::No, Health::Bad),
                    "{kind:?}, {version:?}: {error:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts() {
    let identity = Identity::generate().unwrap();
    let plan = vec![identity.handshake(), Step::Hang];
    assert_all_over_tls(plan, Verdict::permanent("certificate").unsent()).await;
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let identity = Identity::generate().unwrap();
    for mut settings in each() {
        settings.tls = Some(identity.trusted().unwrap());
        let peer = Peer::start([vec![identity.handshake(), Step::Hang]])
            .await
            .unwrap();
        let client = Client::new(settings.clone()).unwrap();
        let url = peer.https().replace("localhost", "127.0.0.1");
        let error = error_of(&client, request(&url, empty())).await;
        let verdict = Verdict::permanent("certificate").unsent();
        assert_means(&error, verdict, (settings.kind, settings.version));
    }
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls() {
    let plan = vec![
        Step::Read(1),
        Step::write("220 smtp.example ready\r\n"),
        Step::Hang,
    ];
    assert_all_over_tls(plan, Verdict::permanent("tls").unsent()).await;
}

#[tokio::test]
async fn a_handshake_cut_short_may_succeed_next_time() {
    let reset = Verdict::transient("reset").unsent();
    assert_all_over_tls(vec![Step::Read(1), Step::Fin], reset).await;
    assert_all_over_tls(vec![Step::Read(1), Step::Reset], reset).await;
}

#[tokio::test]
async fn a_certificate_that_is_trusted_is_no_hindrance() {
    let identity = Identity::generate().unwrap();
    for kind in Kind::ALL {
        let plan = vec![
            identity.handshake(),
            Step::ReadHead,
            Step::write("HTTP/1.1 204 No Content\r\n\r\n"),
            Step::ReadHead,
            Step::Reset,
        ];
        let peer = Peer::start([plan]).await.unwrap();
        let settings = Settings {
            tls: Some(identity.trusted().unwrap()),
            ..Settings::new(kind, Version::One)
        };
        let client = Client::new(settings).unwrap();
        let status = client.send(request(&peer.https(), empty())).await.unwrap();
        assert_eq!(status, 204);
        let error = error_of(&client, request(&peer.https(), empty())).await;
        assert_means(&error, Verdict::transient("reset"), kind);
    }
}

#[tokio::test]
async fn a_request_that_no_client_can_send_says_nothing_about_the_peer() {
    for settings in each() {
        let client = Client::new(settings.clone()).unwrap();
        for url in ["/no/authority", "ftp://127.0.0.1/"] {
            let error = error_of(&client, request(url, empty())).await;
            let verdict = Verdict::refused("request");
            assert_eq!((verdict.health, verdict.sent), (Health::Neutral, Sent::No));
            assert_means(&error, verdict, (settings.kind, settings.version, url));
        }
    }
}
