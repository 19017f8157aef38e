//! No bytes in a response's headers make the reader of `Retry-After` panic, or wait too short.

#![no_main]

use std::time::{Duration, SystemTime};

use buttress_classify::retry_after_by;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["retry-after", "date", "retry-after-ms", "retry-after"];

// Each line is the value of one field, in the order of `NAMES`.
fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for (name, value) in NAMES.iter().zip(data.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(*name, value);
        }
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let wait = retry_after_by(&headers, || now);

    for value in headers.get_all("retry-after") {
        let Ok(text) = value.to_str().map(str::trim) else {
            continue;
        };
        if let Ok(seconds) = text.parse::<u64>()
            && !text.starts_with('+')
        {
            assert!(wait >= Some(Duration::from_secs(seconds)), "{headers:?}");
        } else if let Ok(then) = httpdate::parse_http_date(text)
            && !headers.contains_key("date")
        {
            let asked = then.duration_since(now).unwrap_or_default();
            assert!(wait >= Some(asked), "{headers:?}");
        }
    }
});
