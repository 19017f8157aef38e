//! As much of DER as a certificate's key and its validity need.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The PKCS#1 key in a `SubjectPublicKeyInfo`.
pub(super) fn rsa_key(spki: &[u8]) -> Option<&[u8]> {
    let (spki, rest) = take(spki, SEQUENCE)?;
    let (algorithm, key) = take(spki, SEQUENCE)?;
    let (oid, _) = take(algorithm, OID)?;
    let (key, after) = take(key, BIT_STRING)?;
    let whole = rest.is_empty() && after.is_empty() && oid == RSA;
    // The first byte of a bit string counts unused bits.
    key.strip_prefix(&[0]).filter(|_| whole)
}

/// Between which times a certificate is valid.
pub(super) fn validity(certificate: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let (certificate, _) = take(certificate, SEQUENCE)?;
    let (mut fields, _) = take(certificate, SEQUENCE)?;
    if let Some((_, rest)) = take(fields, VERSION) {
        fields = rest;
    }
    let (_serial, fields) = take(fields, INTEGER)?;
    let (_signature, fields) = take(fields, SEQUENCE)?;
    let (_issuer, fields) = take(fields, SEQUENCE)?;
    let (validity, _) = take(fields, SEQUENCE)?;
    let (from, validity) = time(validity)?;
    let (until, _) = time(validity)?;
    Some((from, until))
}

/// The content of an element with this tag, and what follows it.
fn take(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, bytes) = bytes.split_first()?;
    let (first, bytes) = bytes.split_first()?;
    if *found != tag {
        return None;
    }
    let (len, bytes) = match *first {
        short @ 0..=0x7f => (usize::from(short), bytes),
        0x81 => {
            let (len, bytes) = bytes.split_first()?;
            (usize::from(*len), bytes)
        }
        0x82 => {
            let (len, bytes) = bytes.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*len)), bytes)
        }
        _ => return None,
    };
    bytes.split_at_checked(len)
}

fn time(bytes: &[u8]) -> Option<(SystemTime, &[u8])> {
    if let Some((text, rest)) = take(bytes, UTC_TIME) {
        let (year, text) = number(text, 2)?;
        // RFC 5280 §4.1.2.5.1: two digits mean 1950 to 2049.
        let year = if year < 50 { 2000 + year } else { 1900 + year };
        return Some((instant(year, text)?, rest));
    }
    let (text, rest) = take(bytes, GENERALIZED_TIME)?;
    let (year, text) = number(text, 4)?;
    Some((instant(year, text)?, rest))
}

/// `MMDDHHMMSSZ`.
fn instant(year: u64, text: &[u8]) -> Option<SystemTime> {
    let (month, text) = number(text, 2)?;
    let (day, text) = number(text, 2)?;
    let (hour, text) = number(text, 2)?;
    let (minute, text) = number(text, 2)?;
    let (second, text) = number(text, 2)?;
    let sound = text == b"Z"
        && year >= 1970
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !sound {
        return None;
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, counted in years that begin in March.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

fn number(text: &[u8], digits: usize) -> Option<(u64, &[u8])> {
    let (digits, rest) = text.split_at_checked(digits)?;
    let number = digits.iter().try_fold(0, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        Some(number * 10 + u64::from(digit))
    })?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (date, expected) in [
            ((1970, 1, 1), 0),
            ((1970, 12, 31), 364),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 23), 20_780),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(days(date.0, date.1, date.2), expected, "{date:?}");
        }
    }

    #[test]
    fn times_of_both_kinds_are_read() {
        let utc = [&[UTC_TIME, 13][..], b"261123194353Z"].concat();
        let long = [&[GENERALIZED_TIME, 15][..], b"20261123194353Z"].concat();
        let expected = UNIX_EPOCH + Duration::from_secs(1_795_463_033);
        assert_eq!(time(&utc).unwrap().0, expected);
        assert_eq!(time(&long).unwrap().0, expected);
        let odd = [&[UTC_TIME, 13][..], b"261323194353Z"].concat();
        assert!(time(&odd).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = rsa_key(&bytes);
            let _ = validity(&bytes);
            let _ = time(&bytes);
        }
    }
}
