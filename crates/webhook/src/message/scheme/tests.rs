//! The examples of RFC 9421, appendix B, and what must not pass for one.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buttress_event::Source;
use bytes::Bytes;
use http::Request;

use super::*;
use crate::{VerifyingKey, verify};

const CREATED: u64 = 1_618_884_473;
const RSA: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB";
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==";
const ED25519: &str = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
const HMAC: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

const B21: (&str, &str) = (
    r#"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
    "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
);
const B22: (&str, &str) = (
    r#"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
    "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
);
const B23: (&str, &str) = (
    r#"sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
    "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
);
const B24: (&str, &str) = (
    r#"sig-b24=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#,
    "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
);
const B25: (&str, &str) = (
    r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
    "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
);
const B26: (&str, &str) = (
    r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
);
const B3: (&str, &str) = (
    r#"ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256""#,
    "xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==",
);
const CLIENT_CERT: &str = ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:";

fn decode(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

fn rsa() -> MessageKey {
    let key = VerifyingKey::rsa_spki_der(&decode(RSA)).unwrap();
    MessageKey::rsa_pss_sha512(key)
        .unwrap()
        .id("test-key-rsa-pss")
}

fn p256() -> MessageKey {
    let key = VerifyingKey::p256_spki_der(&decode(P256)).unwrap();
    MessageKey::ecdsa_p256_sha256(key).unwrap()
}

fn hmac() -> MessageKey {
    MessageKey::hmac_sha256(decode(HMAC)).unwrap()
}

/// The request of appendix B.2, with this signature.
fn request((input, signature): (&str, &str)) -> http::request::Builder {
    let (label, _) = input.split_once('=').unwrap();
    Request::post("/foo?param=Value&Pet=dog")
        .header("date", "Tue, 20 Apr 2021 02:07:55 GMT")
        .header("content-type", "application/json")
        .header("content-digest", "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:")
        .header("content-length", "18")
        .header("signature-input", input)
        .header("signature", format!("{label}=:{signature}:"))
}

fn scheme(signed: (&str, &str), key: MessageKey, required: &[&str]) -> MessageSignatureScheme {
    let (label, _) = signed.0.split_once('=').unwrap();
    let url = PublicUrl::origin("https://example.com").unwrap();
    MessageSignatureScheme::builder(Source::from_static("rfc"), label, url, key)
        .require(required.iter().copied())
        .build()
}

async fn check(
    scheme: &MessageSignatureScheme,
    request: http::request::Builder,
    now: SystemTime,
) -> Result<Verdict, Refused> {
    let (head, body) = request
        .body(Bytes::from_static(b"{\"hello\": \"world\"}"))
        .unwrap()
        .into_parts();
    verify(scheme, &head, &body, now).await
}

fn created() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(CREATED)
}

async fn accepted(signed: (&str, &str), key: MessageKey, required: &[&str], body: Bound) {
    let verdict = check(&scheme(signed, key, required), request(signed), created()).await;
    match verdict.unwrap() {
        Verdict::Verified(receipt) => {
            assert_eq!(receipt.body(), body);
            assert_eq!(receipt.timestamp(), Some(created()));
        }
        Verdict::Handshake(_) => unreachable!(),
    }
}

#[tokio::test]
async fn the_requests_of_appendix_b_2_verify() {
    accepted(B21, rsa(), &[], Bound::Unbound).await;
    accepted(
        B22,
        rsa(),
        &["@authority", "content-digest", "@query-param"],
        Bound::Bound,
    )
    .await;
    let full = [
        "date",
        "@method",
        "@path",
        "@query",
        "@authority",
        "content-digest",
    ];
    accepted(B23, rsa(), &full, Bound::Bound).await;
    accepted(B25, hmac(), &["date", "@authority"], Bound::Unbound).await;
    let ed25519 = MessageKey::ed25519(&decode(ED25519)).unwrap();
    accepted(B26, ed25519, &["@method", "@path"], Bound::Unbound).await;
}

/// Appendix B.2.4 signs a response, which no webhook is: its base is built from the same parts.
#[test]
fn the_response_of_appendix_b_2_4_verifies() {
    let (head, ()) = request(B24).body(()).unwrap().into_parts();
    let input = Input::of(&head.headers, "sig-b24").unwrap();
    let base = input.base(|component| {
        Ok(match component.name.as_str() {
            "@status" => "200".to_owned(),
            "content-type" => "application/json".to_owned(),
            "content-digest" => "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:".to_owned(),
            _ => "23".to_owned(),
        })
    });
    assert!(p256().verify(base.unwrap().as_bytes(), &input.signature));
}

#[tokio::test]
async fn the_proxied_request_of_appendix_b_3_verifies() {
    let url = PublicUrl::origin("https://service.internal.example").unwrap();
    let scheme = MessageSignatureScheme::builder(Source::from_static("rfc"), "ttrp", url, p256())
        .require(["@path", "@query", "@method", "@authority", "client-cert"])
        .build();
    let request = request(B3).header("client-cert", CLIENT_CERT);
    assert!(check(&scheme, request, created()).await.is_ok());
}

const B4: (&str, &str) = (
    r#"transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519""#,
    "ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==",
);

fn ed25519() -> MessageKey {
    MessageKey::ed25519(&decode(ED25519)).unwrap()
}

/// What appendix B.4 says of the ways in which a message may change on its way.
#[tokio::test]
async fn the_request_of_appendix_b_4_verifies_unless_something_covered_changes() {
    let ask = async |method: &str, uri: &str, host: &str, headers: &[(&str, &str)]| {
        let url = PublicUrl::origin(host).unwrap();
        let source = Source::from_static("rfc");
        let scheme = MessageSignatureScheme::builder(source, "transform", url, ed25519());
        let scheme = scheme.require(["@method", "@path", "@authority"]).build();
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("signature-input", B4.0)
            .header("signature", format!("transform=:{}:", B4.1));
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        check(&scheme, request, created()).await.is_ok()
    };
    let host = "https://example.org";
    let uri = "/demo?name1=Value1&Name2=value2";
    let date = ("date", "Fri, 15 Jul 2022 14:24:55 GMT");
    let (json, any) = (("accept", "application/json"), ("accept", "*/*"));
    assert!(ask("GET", uri, host, &[date, json, any]).await);
    // Another query, and another header.
    let language = ("accept-language", "en-US,en;q=0.5");
    let more = "/demo?name1=Value1&Name2=value2&param=added";
    assert!(ask("GET", more, host, &[date, json, any, language]).await);
    // The lines of a header joined, with the date gone.
    assert!(ask("GET", uri, host, &[("accept", "application/json, */*")]).await);
    // Space around a line, and headers in another order.
    assert!(
        ask(
            "GET",
            uri,
            host,
            &[("accept", "  application/json "), date, any]
        )
        .await
    );
    // Case in the host, and its usual port.
    assert!(ask("GET", uri, "https://EXAMPLE.org:443", &[json, any]).await);

    assert!(!ask("POST", uri, host, &[json, any]).await, "method");
    assert!(
        !ask("GET", uri, "https://example.com", &[json, any]).await,
        "host"
    );
    assert!(
        !ask("GET", "/demo/?name1=Value1", host, &[json, any]).await,
        "path"
    );
    assert!(!ask("GET", uri, host, &[any, json]).await, "order of lines");
    assert!(!ask("GET", uri, host, &[json]).await, "a line gone");
}

/// The one signature of the RFC by `rsa-v1_5-sha256`: its section 4.3, what the proxy signs.
#[tokio::test]
async fn the_proxys_signature_of_section_4_3_verifies_until_it_expires() {
    // Around a key as PKCS#1 has it (RFC 8017, appendix A.1): that it is RSA's, in a bit string.
    const FRAME: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A";
    const KEY: &str = "MIIBCgKCAQEAhAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrwWEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt8uA5txSKobBpKDeBLOsdJKFqMGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd/QBwVW9OwNFhekro3RtlinV0a75jfZgkne/YiktSvLG34lw2zqXBDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0PuKxI4T+HIaFpv8+rdV6eUgOrB2xeI1dSFFn/nnv5OoZJEIB+VmuKn3DCUcCZSFlQPSXSfBDiUGhwOw76WuSSsf1D4b/vLoJ10wIDAQAB";
    const SIGNED: (&str, &str) = (
        r#"proxy_sig=("@method" "@authority" "@path" "content-digest" "content-type" "content-length" "forwarded");created=1618884480;keyid="test-key-rsa";alg="rsa-v1_5-sha256";expires=1618884540"#,
        "S6ZzPXSdAMOPjN/6KXfXWNO/f7V6cHm7BXYUh3YD/fRad4BCaRZxP+JH+8XY1I6+8Cy+CM5g92iHgxtRPz+MjniOaYmdkDcnL9cCpXJleXsOckpURl49GwiyUpZ10KHgOEe11sx3G2gxI8S0jnxQB+Pu68U9vVcasqOWAEObtNKKZd8tSFu7LB5YAv0RAGhB8tmpv7sFnIm9y+7X5kXQfi8NMaZaA8i2ZHwpBdg7a6CMfwnnrtflzvZdXAsD3LH2TwevU+/PBPv0B6NMNk93wUs/vfJvye+YuI87HU38lZHowtznbLVdp770I6VHR6WfgS9ddzirrswsE1w5o0LV/g==",
    );
    let spki = [decode(FRAME), decode(KEY)].concat();
    let key = VerifyingKey::rsa_spki_der(&spki).unwrap();
    let key = MessageKey::rsa_v1_5_sha256(key).unwrap().id("test-key-rsa");
    let url = PublicUrl::origin("https://origin.host.internal.example").unwrap();
    let scheme = MessageSignatureScheme::builder(Source::from_static("rfc"), "proxy_sig", url, key);
    let scheme = scheme
        .require(["@method", "content-digest", "forwarded"])
        .build();
    let forwarded = "for=192.0.2.123;host=example.com;proto=https";
    let request = || request(SIGNED).header("forwarded", forwarded);
    for (seconds, verifies) in [(0, true), (60, true), (61, false)] {
        let now = created() + Duration::from_secs(7 + seconds);
        let verdict = check(&scheme, request(), now).await;
        assert_eq!(verdict.is_ok(), verifies, "{seconds}: {verdict:?}");
    }
}

#[tokio::test]
async fn no_flipped_bit_of_a_public_key_signature_verifies() {
    for (signed, key) in [(B23, rsa()), (B26, ed25519())] {
        let scheme = scheme(signed, key, &[]);
        let signature = decode(signed.1);
        for bit in 0..signature.len() * 8 {
            let mut flipped = signature.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = STANDARD.encode(flipped);
            let verdict = check(&scheme, request((signed.0, &flipped)), created()).await;
            assert_eq!(verdict.unwrap_err(), Refused::Mismatch, "{bit}");
        }
    }
}

#[tokio::test]
async fn a_signature_that_covers_too_little_is_refused() {
    let url = PublicUrl::origin("https://example.com").unwrap();
    let scheme = MessageSignatureScheme::builder(
        Source::from_static("rfc"),
        "sig-b26",
        url,
        MessageKey::ed25519(&decode(ED25519)).unwrap(),
    )
    .build();
    assert_eq!(
        check(&scheme, request(B26), created()).await.unwrap_err(),
        Refused::Missing
    );
}

#[tokio::test]
async fn the_default_requirement_is_met_by_full_coverage() {
    let url = PublicUrl::origin("https://example.com").unwrap();
    let scheme =
        MessageSignatureScheme::builder(Source::from_static("rfc"), "sig-b23", url, rsa()).build();
    assert!(check(&scheme, request(B23), created()).await.is_ok());
}

#[tokio::test]
async fn the_public_url_counts_and_not_what_the_request_says() {
    let url = PublicUrl::origin("https://other.example").unwrap();
    let scheme =
        MessageSignatureScheme::builder(Source::from_static("rfc"), "sig-b23", url, rsa()).build();
    let request = request(B23).header("host", "example.com");
    assert_eq!(
        check(&scheme, request, created()).await.unwrap_err(),
        Refused::Mismatch
    );
}

#[tokio::test]
async fn another_body_under_a_right_signature_is_refused() {
    let scheme = scheme(B23, rsa(), &["content-digest"]);
    let (head, ()) = request(B23).body(()).unwrap().into_parts();
    for body in [&b""[..], b"{\"hello\": \"earth\"}"] {
        let verdict = verify(&scheme, &head, &Bytes::from_static(body), created()).await;
        assert_eq!(verdict.unwrap_err(), Refused::Mismatch);
    }
}

#[tokio::test]
async fn time_is_checked_in_both_directions() {
    let scheme = scheme(B23, rsa(), &[]);
    for (offset, fits) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let now = UNIX_EPOCH + Duration::from_secs(CREATED.checked_add_signed(offset).unwrap());
        assert_eq!(
            check(&scheme, request(B23), now).await.is_ok(),
            fits,
            "{offset}"
        );
    }
}

/// Signs with the HMAC key of the RFC, so that only what each case changes can be wrong.
async fn signed(
    covered: &str,
    parameters: &str,
    headers: &[(&str, &str)],
) -> Result<Verdict, Refused> {
    let text = format!("{covered}{parameters}");
    let mut request = Request::post("/foo").header("signature-input", format!("s={text}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut values = String::new();
    for name in covered.trim_matches(['(', ')']).split_terminator(' ') {
        let value = headers
            .iter()
            .find(|(header, _)| *header == name.trim_matches('"'));
        let value = value.map_or("POST", |(_, value)| *value);
        writeln!(values, "{name}: {value}").unwrap();
    }
    let base = format!("{values}\"@signature-params\": {text}");
    let keys = crate::mac::Keys::raw(crate::Algorithm::Sha256, &decode(HMAC).into()).unwrap();
    let signature = STANDARD.encode(keys.sign(base.as_bytes()));
    let scheme = scheme(("s=", ""), hmac(), &[]);
    check(
        &scheme,
        request.header("signature", format!("s=:{signature}:")),
        created(),
    )
    .await
}

#[tokio::test]
async fn parameters_are_known_or_refused() {
    let now = "created=1618884473";
    let outcome =
        |parameters: String| async move { signed("(\"@method\")", &parameters, &[]).await.err() };
    assert_eq!(outcome(format!(";{now}")).await, None);
    assert_eq!(outcome(format!(";{now};alg=\"hmac-sha256\"")).await, None);
    assert_eq!(outcome(format!(";{now};expires=1618884473")).await, None);
    assert_eq!(
        outcome(format!(";{now};expires=1618884472")).await,
        Some(Refused::Stale)
    );
    assert_eq!(
        outcome(format!(";{now};alg=\"ed25519\"")).await,
        Some(Refused::Forbidden)
    );
    assert_eq!(
        outcome(format!(";{now};alg=hmac-sha256")).await,
        Some(Refused::Forbidden)
    );
    assert_eq!(
        outcome(format!(";{now};new=1")).await,
        Some(Refused::Forbidden)
    );
    assert_eq!(outcome(String::new()).await, Some(Refused::Missing));
    assert_eq!(
        outcome(";created=-1".to_owned()).await,
        Some(Refused::Missing)
    );
}

#[tokio::test]
async fn components_are_known_once_and_there() {
    let now = ";created=1618884473";
    let headers = [("x-a", "1")];
    let outcome = |covered: &'static str| async move { signed(covered, now, &headers).await.err() };
    assert_eq!(outcome("(\"x-a\")").await, None);
    assert_eq!(outcome("()").await, None);
    assert_eq!(outcome("(\"x-a\" \"x-a\")").await, Some(Refused::Malformed));
    assert_eq!(outcome("(\"X-A\")").await, Some(Refused::Malformed));
    assert_eq!(outcome("(\"x-b\")").await, Some(Refused::Missing));
    assert_eq!(outcome("(\"x-a\";sf)").await, Some(Refused::Forbidden));
    assert_eq!(outcome("(\"x-a\";tr)").await, Some(Refused::Forbidden));
    assert_eq!(outcome("(\"@status\")").await, Some(Refused::Forbidden));
    assert_eq!(outcome("(x-a)").await, Some(Refused::Malformed));
}

#[tokio::test]
async fn a_label_that_stands_twice_is_refused() {
    let (input, signature) = B25;
    let twice = request(B25).header("signature-input", input);
    let scheme = scheme(B25, hmac(), &[]);
    assert_eq!(
        check(&scheme, twice, created()).await.unwrap_err(),
        Refused::Malformed
    );
    let twice = request(B25).header("signature", format!("sig-b25=:{signature}:"));
    assert_eq!(
        check(&scheme, twice, created()).await.unwrap_err(),
        Refused::Malformed
    );
    // Another party's signature beside ours is none of our business.
    let other = request(B25)
        .header("signature-input", "proxy=();created=1;keyid=tok;x=?1")
        .header("signature", "proxy=:AA==:");
    assert!(check(&scheme, other, created()).await.is_ok());
}

#[tokio::test]
async fn digests_of_known_kinds_must_all_fit_and_one_must_be_there() {
    let right = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    let wrong = "sha-512=:AAAA:";
    let outcome = |digest: String| async move {
        let headers = [("content-digest", digest.as_str())];
        signed("(\"content-digest\")", ";created=1618884473", &headers)
            .await
            .err()
    };
    assert_eq!(outcome(right.to_owned()).await, None);
    assert_eq!(outcome(format!("md5=:AAAA:, {right}")).await, None);
    assert_eq!(
        outcome(format!("{right}, {wrong}")).await,
        Some(Refused::Mismatch)
    );
    assert_eq!(
        outcome("md5=:AAAA:".to_owned()).await,
        Some(Refused::Missing)
    );
    assert_eq!(
        outcome(format!("{right}, {right}")).await,
        Some(Refused::Malformed)
    );
}

#[tokio::test]
async fn a_key_of_another_id_is_not_tried() {
    let key = hmac().id("other");
    let scheme = scheme(B25, key, &[]);
    assert_eq!(
        check(&scheme, request(B25), created()).await.unwrap_err(),
        Refused::Forbidden
    );
}
