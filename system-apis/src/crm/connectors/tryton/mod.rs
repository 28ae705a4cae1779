//! Tryton as a CRM: parties, their contact mechanisms, and opportunities as the tasks of people.
//!
//! An opportunity is what fits a task best: it has a reference that can be searched, a line, a text, a last day, and it ends by
//! what people do. It cannot be completed from outside: only a sale makes it won.

pub mod client;
pub mod config;
mod mapping;
mod wire;

#[cfg(test)]
mod tests;
