//! `Reqwest` over both versions of reqwest, against a server that remembers what it was sent.

use std::error::Error;
use std::sync::{Arc, Mutex};

use buttress_reqwest::Reqwest;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};

type BoxError = Box<dyn Error + Send + Sync>;

fn v0_12() -> Reqwest<reqwest_0_12::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Reqwest::new(reqwest_0_12::Client::builder().no_proxy().build().unwrap())
}

fn v0_13() -> Reqwest<reqwest_0_13::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Reqwest::new(reqwest_0_13::Client::builder().no_proxy().build().unwrap())
}

/// Answers each connection with the next of `answers`; the heads and bodies that came are kept.
async fn serve<const N: usize>(answers: [&'static str; N]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            let mut buffer = [0; 4096];
            // The bodies of these tests end with a full stop; what has a length has a body.
            let whole = |text: &str| {
                text.ends_with('.')
                    || text.ends_with("\r\n\r\n") && !text.contains("content-length")
            };
            while !whole(&text) {
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "cut short: {text}");
                text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            log.lock().unwrap().push(text);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, seen)
}

const OK: &str =
    "HTTP/1.1 200 OK\r\nx-from: peer\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
const MOVED: &str = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /new\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

async fn text<B>(response: Response<B>) -> Bytes
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    response.into_body().collect().await.unwrap().to_bytes()
}

/// The same test for the services of both versions.
macro_rules! both {
    ($($(#[$attribute:meta])* async fn $name:ident($service:ident) $body:block)+) => {
        mod reqwest_0_12_client {
            use super::*;
            $($(#[$attribute])* #[tokio::test] async fn $name() { let $service = v0_12(); $body })+
        }
        mod reqwest_0_13_client {
            use super::*;
            $($(#[$attribute])* #[tokio::test] async fn $name() { let $service = v0_13(); $body })+
        }
    };
}

both! {
    async fn a_request_and_its_response_pass_through_whole(service) {
        let (url, seen) = serve([OK]).await;
        let request = Request::post(url)
            .header("x-order", "7")
            .body(Full::<Bytes>::from("query."))
            .unwrap();
        let response = service.oneshot(request).await.unwrap();

        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-from"], "peer");
        assert_eq!(text(response).await, "hello");
        let seen = seen.lock().unwrap()[0].to_lowercase();
        assert!(seen.starts_with("post / http/1.1"), "{seen}");
        assert!(seen.contains("x-order: 7"), "{seen}");
        assert!(seen.contains("content-length: 6"), "the length is kept: {seen}");
        assert!(seen.ends_with("query."), "{seen}");
    }

    async fn an_empty_body_stays_no_body(service) {
        let (url, seen) = serve([OK]).await;
        let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
        service.oneshot(request).await.unwrap();

        let seen = seen.lock().unwrap()[0].to_lowercase();
        assert!(!seen.contains("transfer-encoding"), "{seen}");
        assert!(!seen.contains("content-length"), "{seen}");
    }

    async fn a_redirect_is_followed_where_reqwest_can_repeat_the_body(service) {
        let (url, seen) = serve([MOVED, OK]).await;
        let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(seen.lock().unwrap()[1].starts_with("GET /new "));
    }

    async fn a_redirect_of_a_body_is_the_response(service) {
        let (url, _seen) = serve([MOVED]).await;
        let request = Request::post(url).body(Full::<Bytes>::from("query.")).unwrap();
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 307);
    }

    async fn a_url_without_a_host_is_an_error_and_nothing_is_sent(service) {
        let request = Request::get("/orders").body(Full::<Bytes>::default()).unwrap();
        let error = service.oneshot(request).await.unwrap_err();
        assert!(error.is_builder(), "{error}");
    }

    async fn reqwests_own_error_comes_out(service) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
        let error = service.oneshot(request).await.unwrap_err();
        assert!(error.is_connect(), "{error}");
    }

    async fn it_is_a_send_service_with_a_named_send_future(service) {
        fn check<S>(service: S) -> S
        where
            S: Service<Request<Full<Bytes>>, Error: Into<BoxError>> + Clone + Send + Sync + 'static,
            S::Future: Send + 'static,
        {
            service
        }
        let service = check(service);
        assert!(format!("{:?}", service.get_ref()).contains("Client"));
        drop(service.into_inner());
    }
}
