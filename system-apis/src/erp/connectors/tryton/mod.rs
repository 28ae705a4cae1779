//! Tryton as an ERP. Several calls make up most methods; docs/backends/tryton.md says which record stands for what.

mod amend;
mod cancel;
mod changes;
pub mod client;
mod codes;
pub mod config;
mod invoices;
mod mapping;
mod orders;
mod prices;
mod wire;

#[cfg(test)]
mod tests;
