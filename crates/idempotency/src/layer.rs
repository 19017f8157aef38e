/// Sends one idempotency key for all attempts of an operation.
///
/// One name for both sides of a call, told apart by the type: `Outbound` is the sender's, and with
/// the feature `inbound` `Inbound` is the receiver's, which executes a request with a key once.
#[derive(Clone, Debug)]
pub struct IdempotencyKeyLayer<Side> {
    pub(crate) side: Side,
}
