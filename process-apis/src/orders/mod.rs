//! Sales orders: three pure functions (decide, evolve, react) and the protocol that takes an order once.

pub mod accept;
pub mod acknowledgment;
pub mod change;
pub mod command;
pub mod decide;
pub mod event;
pub mod evolve;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod ledger_properties;
pub mod projection;
pub mod provisional;
pub mod react;
pub mod replace;
pub mod replacement;
pub mod replay;
pub mod revalidate;
pub mod routes;
pub mod shape;
pub mod shipment;
pub mod state;
pub mod take;
pub mod taking;
#[cfg(test)]
pub(crate) mod testing;

pub use command::Command;
pub use event::{OrderEvent, Recorded};
pub use routes::router;
pub use state::OrderState;
