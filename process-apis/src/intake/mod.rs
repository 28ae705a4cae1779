//! News of backends come in by this one door: applied to the orders they are about, parked while something before them is
//! missing, or kept for a person where they fit no order.
//!
//! News are absolute facts under their source's own version, so a delivery may come twice, late or out of order, and
//! whoever sent it may send it again. What is parked is asked for at its source before long.

pub mod config;
mod draft;
pub mod pull;
mod quarantine;
mod routes;
mod take;
#[cfg(test)]
mod tests;

pub use config::IntakeConfig;
pub use quarantine::router as quarantine_router;
pub use routes::router;
