//! What waits for a person: orders that are held, and what a person can do about them.

mod commands;
mod routes;

pub use routes::router;
