//! What schemes read from a request's head: strictly, and the same way everywhere.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::Refused;

/// Up to so many lines, looking at their names is quicker than hashing the one that is sought.
const FEW: usize = 8;

/// The one value of a header.
///
/// # Errors
/// [`Refused::Missing`] when it is absent or empty; [`Refused::Malformed`] when lines differ: which
/// of them was signed nobody can know. Lines are never joined.
#[inline]
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a [u8], Refused> {
    optional(headers, name)?.ok_or(Refused::Missing)
}

/// The one value of a header that may be absent; an empty one counts as absent.
///
/// # Errors
/// [`Refused::Malformed`] when lines differ.
#[inline]
pub fn optional<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a [u8]>, Refused> {
    let Some(first) = first(headers, name) else {
        return Ok(None);
    };
    // Mostly no header of a request stands twice, and none has to be looked up twice.
    let repeated = headers.len() != headers.keys_len();
    if repeated && headers.get_all(name).iter().any(|line| line != first) {
        return Err(Refused::Malformed);
    }
    Ok(Some(first.as_bytes()).filter(|value| !value.is_empty()))
}

/// The first line of this name.
#[inline]
fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    if headers.len() > FEW {
        return headers.get(name);
    }
    headers
        .iter()
        .find_map(|(other, line)| (other == name).then_some(line))
}

/// As [`optional`], for several headers in one pass.
#[inline]
pub(crate) fn optionals<'a, const N: usize>(
    headers: &'a HeaderMap,
    names: [Option<&HeaderName>; N],
) -> [Result<Option<&'a [u8]>, Refused>; N] {
    if headers.len() > FEW * N || headers.len() != headers.keys_len() {
        return names.map(|name| name.map_or(Ok(None), |name| optional(headers, name)));
    }
    let names = names.map(|name| name.map_or(&[][..], |name| name.as_str().as_bytes()));
    let mut found = [const { Ok(None) }; N];
    for (name, line) in headers {
        let name = name.as_str().as_bytes();
        for (value, sought) in found.iter_mut().zip(names) {
            if is(name, sought) {
                *value = Ok(Some(line.as_bytes()).filter(|value| !value.is_empty()));
            }
        }
    }
    found
}

/// Whether this is the name: `==`, where most are of another length or end in another way.
#[inline]
fn is(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() || one.last_chunk::<8>() != other.last_chunk::<8>() {
        return false;
    }
    let ((ones, rest), (others, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let eights = ones.iter().zip(others).all(|(one, other)| one == other);
    eights && (!ones.is_empty() || rest == other_rest)
}

/// A header as text, where it is no more than a label: `None` when absent, unreadable or repeated.
pub(crate) fn label<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = optional(headers, name).ok()??;
    std::str::from_utf8(value).ok()
}

/// The value of a request's first query parameter of this name, as written.
pub(crate) fn query<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.uri.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then_some(value)
    })
}

/// A decimal number in its one form: ASCII digits, no sign, no leading zero, at most 18 digits.
#[inline]
#[must_use]
pub fn decimal(text: &[u8]) -> Option<u64> {
    match text {
        [] | [b'0', _, ..] => return None,
        _ if text.len() > 18 => return None,
        _ => {}
    }
    // Eighteen digits fit.
    let (first, eights) = text.as_rchunks();
    let first = first.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u64::from(byte - b'0'))
    });
    eights.iter().try_fold(first?, |number, eight| {
        Some(number * 100_000_000 + eight_digits(*eight)?)
    })
}

/// The seconds since 1970 of a time from 2001 to 2286, which has ten digits.
///
/// Where nothing separates a time from what is signed beside it, its length does: no digit can move.
#[cfg(any(feature = "ed25519", feature = "p256"))]
pub(crate) fn seconds(text: &[u8]) -> Option<u64> {
    decimal(text).filter(|_| text.len() == 10)
}

/// Eight digits at once: neighbours make a pair, pairs a four, fours the number.
///
/// D. Lemire, "Quickly parsing eight digits" (2018).
#[inline]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(text) ^ 0x3030_3030_3030_3030;
    // A byte of 10 or more has the highest bit, or gets it here.
    let above = digits | digits.wrapping_add(0x7676_7676_7676_7676);
    if above & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(1 + (10 << 8)) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(1 + (100 << 16)) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul(1 + (10_000 << 32)) >> 32)
}

/// A [`decimal`] number as it came: its value, and its one spelling.
#[derive(Clone, Copy)]
pub(crate) struct Number<'a> {
    pub(crate) value: u64,
    pub(crate) text: &'a [u8],
}

impl<'a> Number<'a> {
    #[inline]
    pub(crate) fn read(text: &'a [u8]) -> Option<Self> {
        decimal(text).map(|value| Self { value, text })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repeated_lines_count_once_when_equal_and_never_when_not() {
        let name = HeaderName::from_static("x-signature");
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, &name), Err(Refused::Missing));
        headers.append(&name, "a".parse().unwrap());
        headers.append(&name, "a".parse().unwrap());
        assert_eq!(single(&headers, &name), Ok(&b"a"[..]));
        headers.append(&name, "b".parse().unwrap());
        assert_eq!(single(&headers, &name), Err(Refused::Malformed));
    }

    #[test]
    fn few_headers_and_many_are_read_alike() {
        let name = HeaderName::from_static("x-signature");
        let alike = |headers: &HeaderMap| {
            let other = HeaderName::from_static("x-0");
            let [one, none, another] = optionals(headers, [Some(&name), None, Some(&other)]);
            assert_eq!(one, optional(headers, &name));
            assert_eq!(none, Ok(None));
            assert_eq!(another, optional(headers, &other));
        };
        for others in 0..40 {
            let mut headers = HeaderMap::new();
            for other in 0..others {
                let other = HeaderName::try_from(format!("x-{other}")).unwrap();
                headers.append(other, "b".parse().unwrap());
            }
            assert_eq!(single(&headers, &name), Err(Refused::Missing));
            alike(&headers);
            headers.append(&name, "a".parse().unwrap());
            assert_eq!(single(&headers, &name), Ok(&b"a"[..]));
            alike(&headers);
            headers.append(&name, "b".parse().unwrap());
            assert_eq!(single(&headers, &name), Err(Refused::Malformed));
            alike(&headers);
            headers.insert(&name, "".parse().unwrap());
            assert_eq!(optional(&headers, &name), Ok(None));
            alike(&headers);
        }
    }

    #[test]
    fn an_empty_header_is_an_absent_one() {
        let name = HeaderName::from_static("x-signature");
        let mut headers = HeaderMap::new();
        headers.append(&name, "".parse().unwrap());
        assert_eq!(single(&headers, &name), Err(Refused::Missing));
    }

    #[test]
    fn decimals_have_one_form() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"1790000000"), Some(1_790_000_000));
        assert_eq!(
            decimal(b"999999999999999999"),
            Some(999_999_999_999_999_999)
        );
        for text in [
            "", "00", "01", "+1", "-1", " 1", "1 ", "1.0", "1e3", "abc", "\u{661}",
        ] {
            assert_eq!(decimal(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(decimal(b"1000000000000000000"), None);
    }

    proptest! {
        #[test]
        fn a_decimal_is_what_the_library_reads(
            text in prop_oneof!["[0-9]{0,20}", "[1-9][0-9]{7,17}", "[0-9]{0,10}[ -~][0-9]{0,10}"],
        ) {
            let theirs = text.parse::<u64>().ok();
            let theirs = theirs.filter(|number| number.to_string() == text && text.len() <= 18);
            prop_assert_eq!(decimal(text.as_bytes()), theirs);
        }

        #[test]
        fn a_decimal_has_no_bytes_but_digits(
            digits in "[1-9][0-9]{0,17}", at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut text = digits.into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            let number = str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            prop_assert_eq!(decimal(&text), number.filter(|number: &u64| number.to_string().as_bytes() == text));
        }

        #[test]
        fn names_are_the_same_when_they_are_equal(
            one in "[ab]{0,3}[a-z]{0,20}", other in "[ab]{0,3}[a-z]{0,20}",
            at in any::<prop::sample::Index>(),
        ) {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            prop_assert!(is(one, one));
            prop_assert_eq!(is(one, other), one == other);
            let mut changed = one.to_vec();
            if let Some(byte) = changed.get_mut(at.index(one.len().max(1))) {
                *byte ^= 1;
                prop_assert!(!is(one, &changed));
            }
        }
    }
}
