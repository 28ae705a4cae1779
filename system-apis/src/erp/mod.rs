//! Systems of record: accounts, products, prices, stock, credit and sales orders.

pub mod backend;
pub mod config;
pub mod connector;
pub mod connectors;
#[cfg(test)]
pub(crate) mod contract;
pub mod feed;
mod questions;
pub mod registry;
pub mod routes;
