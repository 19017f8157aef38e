//! Forms, urlencoded and multipart: just enough to find short text fields.

/// The fields of a form, in order. A name may repeat.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The one value of a field.
    pub(crate) fn one(&self, name: &str) -> Result<Option<String>, crate::Refused> {
        let mut values = self.0.iter().filter(|(field, _)| field == name);
        let first = values.next();
        if values.next().is_some() {
            return Err(crate::Refused::Malformed);
        }
        Ok(first.map(|(_, value)| value.clone()))
    }

    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

/// The fields, if the content type is a form's.
pub(crate) fn fields(content_type: &str, body: &[u8]) -> Option<Fields> {
    let mut parameters = content_type.split(';').map(str::trim);
    let kind = parameters.next()?.to_ascii_lowercase();
    match &*kind {
        "application/x-www-form-urlencoded" => Some(urlencoded(body)),
        "multipart/form-data" => {
            let boundary = parameters.find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                name.eq_ignore_ascii_case("boundary").then_some(value)
            })?;
            Some(multipart(boundary.trim_matches('"'), body))
        }
        _ => None,
    }
}

pub(crate) fn urlencoded(body: &[u8]) -> Fields {
    Fields(
        form_urlencoded::parse(body)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect(),
    )
}

/// The most parts of a multipart body that are looked at.
const PARTS: usize = 256;

/// Text parts of a multipart body; files and what is not UTF-8 are passed over.
fn multipart(boundary: &str, body: &[u8]) -> Fields {
    let mut fields = Vec::new();
    if boundary.is_empty() || boundary.len() > 70 {
        return Fields(fields);
    }
    let first = format!("--{boundary}");
    let Some(mut rest) = body.strip_prefix(first.as_bytes()) else {
        return Fields(fields);
    };
    let between = format!("\r\n--{boundary}");
    for _ in 0..PARTS {
        let Some(part) = rest.strip_prefix(b"\r\n") else {
            break;
        };
        let Some(end) = find(part, between.as_bytes()) else {
            break;
        };
        let (content, after) = part.split_at(end);
        fields.extend(text_part(content));
        rest = after.get(between.len()..).unwrap_or_default();
    }
    Fields(fields)
}

fn text_part(part: &[u8]) -> Option<(String, String)> {
    let end = find(part, b"\r\n\r\n")?;
    let (head, value) = part.split_at(end);
    let head = std::str::from_utf8(head).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    if disposition.contains("filename") {
        return None;
    }
    let name = disposition.split(';').find_map(|parameter| {
        let value = parameter.trim().strip_prefix("name=")?;
        Some(value.trim_matches('"'))
    })?;
    let value = String::from_utf8(value.get(4..)?.to_vec()).ok()?;
    Some((name.to_owned(), value))
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MULTIPART: &str = "--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nabc\r\n--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nno\r\n--b\r\nContent-Disposition: form-data; name=token2\r\n\r\n\r\n--b--\r\n";

    #[test]
    fn multipart_text_fields_are_found_and_files_are_not() {
        let fields = fields("Multipart/Form-Data; Boundary=\"b\"", MULTIPART.as_bytes()).unwrap();
        assert_eq!(
            fields.into_pairs(),
            [
                ("token".to_owned(), "abc".to_owned()),
                ("token2".to_owned(), String::new())
            ]
        );
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        let fields = urlencoded(b"token=a&token=b&other=c");
        assert!(fields.one("token").is_err());
        assert_eq!(fields.one("other"), Ok(Some("c".to_owned())));
        assert_eq!(fields.one("none"), Ok(None));
    }

    #[test]
    fn other_content_is_no_form() {
        assert!(fields("application/json", b"{}").is_none());
        assert!(fields("multipart/form-data", b"").is_none());
        assert!(fields("", b"").is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(kind in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = fields(&kind, &body);
            let _ = fields("multipart/form-data; boundary=b", &body);
            let _ = urlencoded(&body);
        }
    }
}
