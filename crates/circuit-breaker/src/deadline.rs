use buttress_deadline::Deadline;
use http::{Extensions, Request};

/// Says by when a request's call must have ended, if anybody said so.
///
/// A closure `Fn(&Req) -> Option<Deadline>` is one.
pub trait ReadDeadline<Req> {
    /// The deadline that `request` carries.
    fn deadline(&self, request: &Req) -> Option<Deadline>;
}

/// Reads the [`Deadline`] in the extensions of an HTTP request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HttpDeadline;

/// Requests carry no deadline.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NoDeadline;

impl<B> ReadDeadline<Request<B>> for HttpDeadline {
    #[inline]
    fn deadline(&self, request: &Request<B>) -> Option<Deadline> {
        let extensions = request.extensions();
        // A look-up is much code, and most requests carry nothing.
        if extensions.is_empty() {
            None
        } else {
            look_up(extensions)
        }
    }
}

#[inline(never)]
fn look_up(extensions: &Extensions) -> Option<Deadline> {
    Deadline::of(extensions)
}

impl<Req> ReadDeadline<Req> for NoDeadline {
    fn deadline(&self, _: &Req) -> Option<Deadline> {
        None
    }
}

impl<Req, F: Fn(&Req) -> Option<Deadline>> ReadDeadline<Req> for F {
    fn deadline(&self, request: &Req) -> Option<Deadline> {
        self(request)
    }
}
