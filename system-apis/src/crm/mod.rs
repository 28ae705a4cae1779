//! CRMs: how accounts stand, whom to talk to, and tasks for people.

pub mod backend;
pub mod config;
pub mod connector;
pub mod connectors;
#[cfg(test)]
pub(crate) mod contract;
pub mod registry;
pub mod routes;

#[cfg(test)]
mod tests;
