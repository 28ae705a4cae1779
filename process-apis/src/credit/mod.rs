//! Credit: whether an order fits the limits of its account and of all above it.

pub mod exposure;
mod routes;

pub use routes::router;

#[cfg(test)]
mod tests;
