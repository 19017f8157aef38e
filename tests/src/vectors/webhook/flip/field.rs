//! Fields of bodies, found by their names.

use std::ops::Range;

use bytes::Bytes;

use super::flipped;

/// Where a field's value stands in a JSON body (a text or a number) or in a form, urlencoded or multipart.
pub(super) fn value(body: &[u8], name: &str) -> Option<Range<usize>> {
    let until = |start: usize, ends: &[u8]| {
        let rest = body.get(start..)?;
        let len = rest.iter().position(|byte| ends.contains(byte));
        Some(start..start + len.unwrap_or(rest.len()))
    };
    for mut start in all_after(body, format!("\"{name}\":").as_bytes()) {
        while body.get(start) == Some(&b' ') {
            start += 1;
        }
        return match body.get(start)? {
            b'"' => until(start + 1, b"\""),
            // An object of this name: the field may stand inside.
            b'{' => continue,
            _ => until(start, b",} "),
        };
    }
    if let Some(start) = after(body, format!("name=\"{name}\"\r\n\r\n").as_bytes()) {
        return until(start, b"\r");
    }
    until(after(body, format!("{name}=").as_bytes())?, b"&")
}

/// The place after a text, which is at the beginning or behind something that is no letter.
pub(super) fn after(bytes: &[u8], text: &[u8]) -> Option<usize> {
    all_after(bytes, text).next()
}

fn all_after(bytes: &[u8], text: &[u8]) -> impl Iterator<Item = usize> {
    let places = bytes.windows(text.len()).enumerate();
    places.filter_map(move |(start, window)| {
        let before = start.checked_sub(1).and_then(|before| bytes.get(before));
        let fits = window == text && !before.is_some_and(u8::is_ascii_alphabetic);
        fits.then_some(start + text.len())
    })
}

/// The form with each bit of each decoded name and value flipped.
pub(super) fn form_flips(body: &[u8]) -> impl Iterator<Item = (String, Bytes)> {
    let mut texts = Vec::new();
    for (name, value) in form_urlencoded::parse(body) {
        texts.push(name.into_owned().into_bytes());
        texts.push(value.into_owned().into_bytes());
    }
    let mut forms = Vec::new();
    for (place, text) in texts.iter().enumerate() {
        for bit in 0..text.len() * 8 {
            let mut other = texts.clone();
            other[place] = flipped(text, bit);
            let pair = |pair: &[Vec<u8>]| format!("{}={}", escape(&pair[0]), escape(&pair[1]));
            let form: Vec<_> = other.chunks_exact(2).map(pair).collect();
            let what = format!("bit {bit} of text {place} of the form");
            forms.push((what, form.join("&").into()));
        }
    }
    forms.into_iter()
}

fn escape(text: &[u8]) -> String {
    form_urlencoded::byte_serialize(text).collect()
}
