//! Both versions of reqwest have the same methods on different types.

macro_rules! rules_for {
    ($version:ident, $krate:ident) => {
        pub(super) mod $version {
            use $krate::Error;

            use crate::walk::Cause;
            use crate::{Verdict, find, status};

            /// What needs no look at the causes: the request was never built, the redirects never
            /// end, or the error stands for a status.
            pub(in crate::walk) fn settled(error: &Cause) -> Option<Verdict> {
                let error = find::<Error>(error)?;
                if error.is_builder() {
                    Some(Verdict::refused("request"))
                } else if error.is_redirect() {
                    Some(Verdict::permanent("redirect"))
                } else {
                    error.status().map(status::judge)
                }
            }

            /// A limit set in reqwest itself has passed.
            pub(in crate::walk) fn timed_out(error: &Cause) -> Option<Verdict> {
                find::<Error>(error)?
                    .is_timeout()
                    .then_some(Verdict::transient("timeout"))
            }

            /// Asked before the timeout: one that passed while connecting is both.
            pub(in crate::walk) fn unconnected(error: &Cause) -> bool {
                find::<Error>(error).is_some_and(Error::is_connect)
            }
        }
    };
}

#[cfg(feature = "reqwest-0-12")]
rules_for!(v0_12, reqwest_0_12);
#[cfg(feature = "reqwest-0-13")]
rules_for!(v0_13, reqwest_0_13);
