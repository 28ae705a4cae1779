//! Tryton's JSON-RPC, which its connectors share: one session a user, the envelope, its values and its errors.
//!
//! What the records mean is for the connectors. docs/backends/tryton.md tells the protocol's traps.

pub mod client;
pub mod config;
pub mod error;
pub mod session;
pub mod values;

#[cfg(test)]
pub(crate) mod live;
#[cfg(test)]
mod tests;

pub use client::{Context, Search, Tryton};
pub use config::TrytonServer;
pub use error::CallError;
