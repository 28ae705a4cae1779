//! The sandbox's WMS: plain REST, one unit a product, its own words for units and states.

pub mod client;
pub mod config;
mod mapping;
mod news;
mod wire;

#[cfg(test)]
mod tests;
