//! The event feed, and the time line of one order. Reading on is asking for what is after a position; who has read all
//! there is waits for the next commit, not for a timer.

pub mod bus;
pub mod poll;
pub mod public;
pub mod published;
pub mod reach;
pub mod routes;
pub mod webhooks;

#[cfg(test)]
pub(crate) mod harness;
#[cfg(test)]
pub(crate) mod published_tests;
#[cfg(test)]
mod tests;

pub use routes::router;
