//! Prices: which record of the system of record wins, and what a buyer sees of it while browsing.

mod breaks;
mod ratio;
pub mod resolve;
mod routes;

pub use ratio::Ratio;
pub use routes::router;
