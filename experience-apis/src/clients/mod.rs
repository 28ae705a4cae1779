//! Clients of other layers.

pub mod documents;
pub mod process;
pub mod sessions;
