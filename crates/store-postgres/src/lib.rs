#![doc = include_str!("../README.md")]

#[cfg(feature = "axum")]
mod extract;
mod failure;
mod hub;
#[cfg(feature = "layer")]
mod layer;
mod listener;
mod open;
mod records;
mod row;
mod sql;
mod statement;
mod store;
mod telemetry;
mod transactions;
mod within;

#[cfg(feature = "axum")]
pub use self::extract::NoTransaction;
#[cfg(feature = "layer")]
pub use self::layer::{InTransaction, TransactionAccess, TransactionFuture, TransactionLayer};
pub use self::{
    listener::Listener, open::OpenTransaction, store::PostgresStore, transactions::Transactions,
};
