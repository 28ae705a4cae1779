//! Prices: which record of the system of record wins, what promotions may take off it, and what a buyer sees of both
//! while browsing.

mod breaks;
mod page;
pub mod promotion;
mod ratio;
pub mod resolve;
mod routes;

pub(crate) use page::{of_page, queries};
pub use ratio::Ratio;
pub use routes::router;
