//! Warehouses: releases to pick and ship.

pub mod backend;
pub mod config;
pub mod connector;
pub mod connectors;
#[cfg(test)]
pub(crate) mod contract;
pub mod registry;
pub mod routes;
