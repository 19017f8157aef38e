use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use buttress_classify::{DynError, find};
use buttress_problem::Problem;
use tower_layer::Layer;

use crate::AnswerProblems;
use crate::table::Table;

/// Answers the errors of the inner service, so that none is left.
///
/// Its own rows know the errors of this workspace; [`on`](Self::on) and [`when`](Self::when) add
/// yours, which are asked first, in the order in which they were added.
#[derive(Clone, Debug)]
#[must_use]
pub struct ProblemLayer {
    table: Arc<Table>,
}

impl Default for ProblemLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl ProblemLayer {
    /// The rows for the errors of the enabled features, and 500 for all others.
    pub fn new() -> Self {
        Self {
            table: Arc::new(Table::new()),
        }
    }

    /// Answers errors of the type `E`, at any depth of the chain of causes.
    ///
    /// Say only what the client may know: the problem is sent as it is.
    pub fn on<E, F>(self, row: F) -> Self
    where
        E: Error + 'static,
        F: Fn(&E) -> Problem + Send + Sync + 'static,
    {
        self.when(move |error| find::<E>(error).map(&row))
    }

    /// Answers the errors for which `row` has a problem.
    pub fn when<F>(mut self, row: F) -> Self
    where
        F: Fn(&DynError) -> Option<Problem> + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.table).rows.push(Arc::new(row));
        self
    }

    /// What the type URIs of the built-in rows begin with. Default: `urn:buttress:problem:`.
    ///
    /// With `https://api.example/problems/` a timeout's type is
    /// `https://api.example/problems/timeout`, where you may explain it.
    pub fn types(mut self, prefix: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.table).prefix = prefix.into();
        self
    }
}

impl<S> Layer<S> for ProblemLayer {
    type Service = AnswerProblems<S>;

    fn layer(&self, inner: S) -> AnswerProblems<S> {
        AnswerProblems::new(inner, Arc::clone(&self.table))
    }
}
