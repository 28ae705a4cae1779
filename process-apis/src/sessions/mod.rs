//! Channel sessions: what a channel keeps of a partner's buyer between two requests.
//!
//! Any instance of the channel carries a session on: what it holds stands here, as opaque JSON, and changes only for who
//! has read its newest version. A session ends by the clock; what has ended is not there.

pub mod config;
pub mod routes;
mod service;

#[cfg(test)]
mod tests;

pub use config::SessionsConfig;
pub use routes::router;
