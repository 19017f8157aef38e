use std::sync::Arc;

use crate::{Class, DynError, Health, Verdict};

/// Says what an outcome means, or that it has no opinion.
///
/// A closure `Fn(Result<&Res, &DynError>) -> Option<Verdict>` is a classifier (write it inside
/// [`classify_fn`] or [`http()`](crate::http()), which tell the compiler its argument's type); so is
/// a tuple of classifiers, in which the first opinion wins.
pub trait Classify<Res: ?Sized> {
    /// Judges one attempt by its response or by its error.
    fn classify(&self, outcome: Result<&Res, &DynError>) -> Option<Verdict>;

    /// Whether the verdict on this response is a success of a healthy peer, as of most it is.
    ///
    /// Whoever does nothing about a success asks this, and for the whole verdict only where the answer
    /// is no. Default: what [`classify`](Self::classify) says. Write it where less tells as much, as a
    /// status does.
    #[inline]
    fn is_success(&self, response: &Res) -> bool {
        self.classify(Ok(response)).is_some_and(|verdict| {
            verdict.class == Class::Success && verdict.health == Health::Good
        })
    }

    /// The verdict to act on: nobody's opinion means [`Class::Permanent`](crate::Class::Permanent),
    /// for what is not understood is not repeated.
    #[inline]
    fn verdict(&self, outcome: Result<&Res, &DynError>) -> Verdict {
        match self.classify(outcome) {
            Some(verdict) => verdict,
            None if outcome.is_ok() => Verdict::rejected("unclassified"),
            None => Verdict::permanent("unclassified"),
        }
    }
}

/// A classifier from a closure, whose argument's type need not be written.
///
/// For a closure over HTTP responses of any body there is [`http()`](crate::http()).
pub const fn classify_fn<Res, F>(classify: F) -> F
where
    Res: ?Sized,
    F: Fn(Result<&Res, &DynError>) -> Option<Verdict>,
{
    classify
}

impl<Res: ?Sized, F> Classify<Res> for F
where
    F: Fn(Result<&Res, &DynError>) -> Option<Verdict>,
{
    fn classify(&self, outcome: Result<&Res, &DynError>) -> Option<Verdict> {
        self(outcome)
    }
}

impl<Res: ?Sized, C: Classify<Res> + ?Sized> Classify<Res> for Arc<C> {
    fn classify(&self, outcome: Result<&Res, &DynError>) -> Option<Verdict> {
        (**self).classify(outcome)
    }

    #[inline]
    fn is_success(&self, response: &Res) -> bool {
        (**self).is_success(response)
    }
}

macro_rules! first_opinion_wins {
    ($($name:ident)+) => {
        impl<Res: ?Sized, $($name: Classify<Res>),+> Classify<Res> for ($($name,)+) {
            #[allow(non_snake_case, reason = "the tuple's fields are named by their types")]
            fn classify(&self, outcome: Result<&Res, &DynError>) -> Option<Verdict> {
                let ($($name,)+) = self;
                None$(.or_else(|| $name.classify(outcome)))+
            }
        }
    };
}

first_opinion_wins!(A);
first_opinion_wins!(A B);
first_opinion_wins!(A B C);
first_opinion_wins!(A B C D);

const _: fn(&dyn Classify<()>) = |_object_safe| {};
