//! The sandbox's ERP: function calls whose answers say success with status 200 and failure in a list of messages.

pub mod client;
pub mod config;
mod mapping;
mod wire;

#[cfg(test)]
mod tests;
