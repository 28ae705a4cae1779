//! Tables of the transaction sets this crate can check.

pub mod po850;
