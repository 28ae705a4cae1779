//! Promises: what can be had when and from where, and stock held for a time.

pub mod atp;
mod availability;
pub mod calendar;
pub mod reservations;
mod routes;
pub mod sourcing;

pub(crate) use availability::{of_page, queries};
pub use routes::router;
