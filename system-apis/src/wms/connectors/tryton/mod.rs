//! Tryton as a warehouse system: a release is an outgoing shipment without a sale, what people do with it on the floor is
//! read from its change feed.

pub mod client;
pub mod config;
mod feed;
mod mapping;
mod wire;

#[cfg(test)]
mod tests;
