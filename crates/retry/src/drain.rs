use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

/// A longer body costs more to read than a new connection does.
const BYTES: u64 = 64 * 1024;

/// A body that takes longer than this is not about to end.
const TIME: Duration = Duration::from_millis(50);

/// Longer waits count as thirty years, for no instant can be much further away.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

pin_project! {
    /// A wait, in whose first part a rejected body is read, so that its connection can be used again.
    pub(crate) struct Wait<RB> {
        // `None` when there is nothing to wait for: no timer is made then.
        #[pin]
        alarm: Option<Sleep>,
        until: Instant,
        #[pin]
        rejected: Option<RB>,
        bytes: u64,
    }
}

impl<RB: Body> Wait<RB> {
    pub(crate) fn new(now: Instant, delay: Duration, rejected: Option<RB>) -> Self {
        let delay = delay.min(FAR);
        let rejected = rejected.filter(|body| body.size_hint().lower() <= BYTES);
        let first = match rejected {
            Some(_) => delay.min(TIME),
            None => delay,
        };
        Self {
            alarm: (!delay.is_zero()).then(|| sleep_until(now + first)),
            until: now + delay,
            rejected,
            bytes: 0,
        }
    }
}

impl<RB: Body> Future for Wait<RB> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(body) = this.rejected.as_mut().as_pin_mut()
            && poll_drained(body, this.bytes, cx).is_ready()
        {
            this.rejected.set(None);
        }
        while let Some(mut alarm) = this.alarm.as_mut().as_pin_mut() {
            ready!(alarm.as_mut().poll(cx));
            if alarm.deadline() >= *this.until {
                break;
            }
            alarm.reset(*this.until);
            this.rejected.set(None);
        }
        Poll::Ready(())
    }
}

/// Ready when there is no more to read, or too much.
fn poll_drained<RB: Body>(
    mut body: Pin<&mut RB>,
    bytes: &mut u64,
    cx: &mut Context<'_>,
) -> Poll<()> {
    while *bytes <= BYTES {
        match ready!(body.as_mut().poll_frame(cx)) {
            // An empty frame counts too, or a stream of them would never end.
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Buf::remaining);
                *bytes = bytes.saturating_add(length.max(1) as u64);
            }
            Some(Err(_)) | None => break,
        }
    }
    Poll::Ready(())
}
