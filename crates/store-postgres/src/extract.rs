use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::{OpenTransaction, TransactionAccess};

impl<S: Sync> FromRequestParts<S> for OpenTransaction {
    type Rejection = NoTransaction;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoTransaction> {
        let access = parts.extensions.get::<TransactionAccess>();
        access
            .and_then(TransactionAccess::enter)
            .ok_or(NoTransaction(()))
    }
}

/// A handler asked for its transaction, and there is none: its request has no idempotency key (make
/// it required), no [`TransactionLayer`](crate::TransactionLayer) stands before it, or it has the
/// transaction already. Answered 500.
#[derive(Debug)]
pub struct NoTransaction(());

impl std::fmt::Display for NoTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no transaction for this request")
    }
}

impl std::error::Error for NoTransaction {}

impl IntoResponse for NoTransaction {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
