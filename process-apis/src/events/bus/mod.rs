//! The bus: the public events, published to NATS `JetStream` in feed order.
//!
//! The log is the outbox: what is published has been committed, and nothing waits for the bus. One instance publishes at
//! a time; the cursor that it moves, and holds its lease by, stands in the store. NATS away: the cursor stands still.

mod config;
mod cursor;
mod publisher;
#[cfg(test)]
mod tests;

pub use config::BusConfig;
pub use publisher::{Publisher, subject};
