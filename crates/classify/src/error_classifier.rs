use crate::{Classify, DynError, Verdict, walk};

/// What outcomes mean where a response cannot be a failure: a queue, a database, a handler.
///
/// Any response is a success; an error is judged as [`HttpClassifier`](crate::HttpClassifier)
/// judges it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ErrorClassifier;

impl<Res: ?Sized> Classify<Res> for ErrorClassifier {
    #[inline]
    fn classify(&self, outcome: Result<&Res, &DynError>) -> Option<Verdict> {
        match outcome {
            Ok(_) => Some(Verdict::success()),
            Err(error) => walk::judge(error),
        }
    }
}
