//! Programs that use Buttress as its users do.

pub mod checkout;
