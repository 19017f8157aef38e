use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use buttress_body::Answer;
use buttress_classify::{BoxError, DynError};
use buttress_problem::Problem;
use bytes::Bytes;
use http::{Response, StatusCode};

use crate::{Cause, ours, telemetry};

type Row = dyn Fn(&DynError) -> Option<Problem> + Send + Sync;

/// Which error gets which answer.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Arc<Row>>,
    pub(crate) prefix: Cow<'static, str>,
}

impl Table {
    pub(crate) const fn new() -> Self {
        Self {
            rows: Vec::new(),
            prefix: Cow::Borrowed("urn:buttress:problem:"),
        }
    }

    pub(crate) fn answer<B>(&self, error: BoxError) -> Response<Answer<B>> {
        let problem = self.problem(&*error);
        let mut response = problem.into_response::<Bytes>().map(Answer::own);
        response.extensions_mut().insert(Cause::new(error));
        response
    }

    fn problem(&self, error: &DynError) -> Problem {
        if let Some(problem) = self.rows.iter().find_map(|row| row(error)) {
            telemetry::answered(problem.status(), error);
            return problem;
        }
        if let Some(known) = ours::judge(error) {
            let problem = known.into_problem(&self.prefix);
            telemetry::answered(problem.status(), error);
            return problem;
        }
        telemetry::unknown(error);
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("rows", &self.rows.len())
            .field("prefix", &self.prefix)
            .finish()
    }
}
