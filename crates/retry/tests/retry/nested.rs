//! A retry layer around another.

use std::time::Duration;

use buttress_backoff::Backoff;
use buttress_classify::Sent;
use buttress_key::Profile;
use buttress_retry::{Exhausted, Reason, RetryLayer};
use tower::{Layer, ServiceExt};

use crate::peer::{Peer, get, keyed, refused, reset, status, story};

fn immediate() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::constant(Duration::ZERO))
}

#[tokio::test(start_paused = true)]
async fn two_layers_multiply_their_attempts() {
    let peer = Peer::new(std::iter::repeat_n(status(503), 100));
    let service = immediate().layer(immediate().layer(peer.clone()));
    let answered = service.oneshot(get()).await;

    assert_eq!(peer.calls(), 9);
    assert_eq!(story(&answered).unwrap().count.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_inner_layer_sent_is_not_unsent_to_the_outer() {
    // The inner layer knows the provider; its last error alone would look like "never sent".
    let peer = Peer::new([reset(), refused(), refused()]);
    let inner = immediate().profile(Profile::stripe_v1());
    let service = immediate().layer(inner.layer(peer.clone()));
    let error = service.oneshot(keyed()).await.unwrap_err();

    assert_eq!(peer.calls(), 3);
    let exhausted = error.downcast_ref::<Exhausted>().unwrap();
    assert_eq!(exhausted.attempts().stopped, Reason::Attempts);
    assert_eq!(exhausted.attempts().sent, Sent::Maybe);
}
