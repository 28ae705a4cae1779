//! Clients of other layers.

pub mod documents;
pub mod events;
pub mod process;
pub mod sessions;
pub mod subscriptions;
