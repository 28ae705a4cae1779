//! The sandbox's CRM: a cloud service with ids of its own; accounts carry their number in the ERP, pages go by cursor.

pub mod client;
pub mod config;
mod mapping;
mod wire;

#[cfg(test)]
mod tests;
