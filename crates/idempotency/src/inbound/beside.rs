use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

/// Runs `main` to its end, while `side`, which has none, goes on too.
pub(crate) async fn beside<T>(
    main: impl Future<Output = T>,
    mut side: Pin<&mut impl Future<Output = Infallible>>,
) -> T {
    let mut main = pin!(main);
    poll_fn(|cx| {
        if let Poll::Ready(output) = main.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        match side.as_mut().poll(cx) {
            Poll::Ready(never) => match never {},
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
