//! The layers below, as this layer calls them.

mod exchange;
#[cfg(test)]
pub mod fake;
pub mod hop;
pub mod questions;
pub mod system;

pub use hop::SystemClient;
pub use questions::{Answers, Questions};
pub use system::{Call, Lane, SystemApis, SystemError};
