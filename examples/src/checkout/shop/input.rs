//! What buyers send: read strictly, and refused with the name of the field that is wrong.

use std::fmt;

use buttress_problem::Problem;
use http::StatusCode;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The largest amount that the provider takes: eight digits.
const LARGEST_AMOUNT: u64 = 99_999_999;
const LONGEST_ID: usize = 128;

/// The currencies of ISO 4217 that a card can be charged in.
const CURRENCIES: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd \
    btn bwp byn bzd cad cdf chf clp cny cop crc cup cve czk djf dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs \
    gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr iqd irr isk jmd jod jpy kes kgs khr kmf kpw krw kwd kyd kzt \
    lak lbp lkr lrd lsl lyd mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr \
    pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sdg sek sgd shp sle sos srd ssp stn svc syp szl \
    thb tjs tmt tnd top try ttd twd tzs uah ugx usd uyu uzs ved ves vnd vuv wst xaf xcd xcg xof xpf yer zar zmw zwg";

/// What a buyer wants to pay for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewOrder {
    /// The buyer's own name for it.
    pub id: String,
    /// In the currency's smallest unit.
    pub amount: u64,
    /// ISO 4217, in lower case.
    pub currency: String,
}

impl NewOrder {
    /// Reads the body of `POST /orders`.
    ///
    /// # Errors
    /// The problem to answer with; its member `field` names what is wrong.
    pub fn parse(body: &[u8]) -> Result<Self, Box<Problem>> {
        let Members(members) = serde_json::from_slice(body)
            .map_err(|error| invalid("body", &format!("must be a JSON object: {error}")))?;
        let (mut id, mut amount, mut currency) = (None, None, None);
        for (name, value) in members {
            let field = match name.as_str() {
                "order_id" => &mut id,
                "amount" => &mut amount,
                "currency" => &mut currency,
                _ => return Err(invalid(&name, "is not a field of an order")),
            };
            if field.replace(value).is_some() {
                return Err(invalid(&name, "is given twice"));
            }
        }
        Ok(Self {
            id: check(id, "order_id", order_id)?,
            amount: check(amount, "amount", self::amount)?,
            currency: check(currency, "currency", self::currency)?,
        })
    }
}

fn check<T>(
    value: Option<Value>,
    field: &str,
    read: impl FnOnce(&Value) -> Result<T, String>,
) -> Result<T, Box<Problem>> {
    let value = value.ok_or_else(|| invalid(field, "is missing"))?;
    read(&value).map_err(|detail| invalid(field, &detail))
}

fn order_id(value: &Value) -> Result<String, String> {
    let id = value.as_str().ok_or("must be a string")?;
    // It becomes part of URLs and of the provider's search language.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let starts_well = id.starts_with(|first: char| first.is_ascii_alphanumeric());
    if starts_well && id.len() <= LONGEST_ID && id.bytes().all(is_plain) {
        Ok(id.to_owned())
    } else {
        Err(format!(
            "must be 1 to {LONGEST_ID} ASCII letters, digits, and any of -_.: after the first"
        ))
    }
}

fn amount(value: &Value) -> Result<u64, String> {
    value
        .as_u64()
        .filter(|amount| (1..=LARGEST_AMOUNT).contains(amount))
        .ok_or_else(|| format!("must be a whole number from 1 to {LARGEST_AMOUNT}"))
}

fn currency(value: &Value) -> Result<String, String> {
    let code = value.as_str().map(str::to_ascii_lowercase);
    code.filter(|code| {
        CURRENCIES
            .split_ascii_whitespace()
            .any(|known| known == code)
    })
    .ok_or_else(|| "must be an ISO 4217 code, as \"usd\"".into())
}

fn invalid(field: &str, detail: &str) -> Box<Problem> {
    let problem = Problem::new(StatusCode::BAD_REQUEST)
        .title("The order is not valid")
        .detail(format!("{field} {detail}"))
        .with("field", field);
    Box::new(problem)
}

/// The members of a JSON object in their order, so that one given twice is seen.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(body: &str) -> String {
        let problem = NewOrder::parse(body.as_bytes()).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        let body: Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
        body["field"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_valid_order_is_read_and_its_currency_put_in_lower_case() {
        let body = br#"{"order_id": "o-1", "amount": 1250, "currency": "EUR"}"#;
        let order = NewOrder {
            id: "o-1".into(),
            amount: 1250,
            currency: "eur".into(),
        };
        assert_eq!(NewOrder::parse(body).unwrap(), order);
    }

    #[test]
    fn the_problem_names_the_field() {
        for (body, wrong) in [
            ("", "body"),
            ("[]", "body"),
            ("null", "body"),
            ("{} {}", "body"),
            (r#"{"order_id": "o"#, "body"),
            (r#"{"amount": 5, "currency": "usd"}"#, "order_id"),
            (
                r#"{"order_id": 7, "amount": 5, "currency": "usd"}"#,
                "order_id",
            ),
            (
                r#"{"order_id": "", "amount": 5, "currency": "usd"}"#,
                "order_id",
            ),
            (
                r#"{"order_id": "..", "amount": 5, "currency": "usd"}"#,
                "order_id",
            ),
            (
                r#"{"order_id": "a'b", "amount": 5, "currency": "usd"}"#,
                "order_id",
            ),
            (
                r#"{"order_id": "a/b", "amount": 5, "currency": "usd"}"#,
                "order_id",
            ),
            (r#"{"order_id": "o", "currency": "usd"}"#, "amount"),
            (
                r#"{"order_id": "o", "amount": null, "currency": "usd"}"#,
                "amount",
            ),
            (
                r#"{"order_id": "o", "amount": 0, "currency": "usd"}"#,
                "amount",
            ),
            (
                r#"{"order_id": "o", "amount": -5, "currency": "usd"}"#,
                "amount",
            ),
            (
                r#"{"order_id": "o", "amount": 5.5, "currency": "usd"}"#,
                "amount",
            ),
            (
                r#"{"order_id": "o", "amount": "5", "currency": "usd"}"#,
                "amount",
            ),
            (
                r#"{"order_id": "o", "amount": 1e30, "currency": "usd"}"#,
                "amount",
            ),
            (
                r#"{"order_id": "o", "amount": 100000000, "currency": "usd"}"#,
                "amount",
            ),
            (
                r#"{"order_id": "o", "amount": 99999999999999999999999, "currency": "usd"}"#,
                "amount",
            ),
            (r#"{"order_id": "o", "amount": 5}"#, "currency"),
            (
                r#"{"order_id": "o", "amount": 5, "currency": "us"}"#,
                "currency",
            ),
            (
                r#"{"order_id": "o", "amount": 5, "currency": "zzz"}"#,
                "currency",
            ),
            (
                r#"{"order_id": "o", "amount": 5, "currency": "usd", "tip": 1}"#,
                "tip",
            ),
            (
                r#"{"order_id": "o", "amount": 5, "amount": 6, "currency": "usd"}"#,
                "amount",
            ),
        ] {
            assert_eq!(field(body), wrong, "{body}");
        }
    }

    #[test]
    fn the_longest_id_and_the_largest_amount_are_allowed() {
        let order = |length, amount| {
            let id = "x".repeat(length);
            let body = format!(r#"{{"order_id": "{id}", "amount": {amount}, "currency": "usd"}}"#);
            NewOrder::parse(body.as_bytes())
        };
        assert!(order(LONGEST_ID, LARGEST_AMOUNT).is_ok());
        assert!(order(LONGEST_ID + 1, 1).is_err());
        assert!(order(1, LARGEST_AMOUNT + 1).is_err());
    }
}
