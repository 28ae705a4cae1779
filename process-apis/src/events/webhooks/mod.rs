//! Webhooks: what happens to an account's orders, posted to whoever subscribed, from the log by a cursor each.
//!
//! Each event is sent at least once, under one id, an order's events in their order. What a receiver does not take is
//! tried again for 72 hours and then listed as a dead letter; one that fails delays no other. The addresses are given
//! by subscribers: nothing inside is ever called (`service_runtime::http_client::OutboundClient`).

pub mod config;
mod read;
mod round;
mod routes;
mod schedule;
pub mod secret;
pub mod send;
mod service;
mod types;
pub mod worker;

pub use config::WebhooksConfig;
pub use routes::router;
pub use send::Sender;
pub use worker::WebhookWorker;
