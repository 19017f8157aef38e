//! `GET /v1/payment_intents/search`: the charges of one order, a little behind.

use http::StatusCode;
use serde_json::{Value, json};

use super::keys::Answer;
use super::{Charge, Provider};

const BEFORE: &str = "metadata['order_id']:'";

impl Provider {
    /// Answers a search, `query` being the URL's own query.
    pub(super) fn search(&self, query: &str) -> Answer {
        if !self.settings.search {
            return Answer::error(
                StatusCode::NOT_FOUND,
                "invalid_request_error",
                "no such route",
            );
        }
        let wanted = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "query");
        let Some(order_id) = wanted.as_ref().and_then(|(_, query)| order_id(query)) else {
            let message = "this search knows one query: metadata['order_id']:'…'";
            return Answer::error(StatusCode::BAD_REQUEST, "invalid_request_error", message);
        };
        let state = self.state();
        let found = state.ledger.indexed(order_id, self.settings.indexing);
        let data: Vec<Value> = found.into_iter().map(Charge::to_json).collect();
        Answer::ok(json!({"object": "search_result", "data": data, "has_more": false}))
    }
}

fn order_id(query: &str) -> Option<&str> {
    let order_id = query.trim().strip_prefix(BEFORE)?.strip_suffix('\'')?;
    (!order_id.is_empty() && !order_id.contains('\'')).then_some(order_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_one_order() {
        assert_eq!(order_id("metadata['order_id']:'o-1'"), Some("o-1"));
        assert_eq!(order_id("metadata['order_id']:''"), None);
        assert_eq!(
            order_id("metadata['order_id']:'a' OR metadata['order_id']:'b'"),
            None
        );
        assert_eq!(order_id("status:'succeeded'"), None);
    }
}
