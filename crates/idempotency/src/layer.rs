/// Sends one idempotency key for all attempts of an operation.
///
/// One name for both sides of a call, told apart by the type: `Outbound` is the sender's.
#[derive(Clone, Debug)]
pub struct IdempotencyKeyLayer<Side> {
    pub(crate) side: Side,
}
