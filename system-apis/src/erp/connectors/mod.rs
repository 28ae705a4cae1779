//! One folder an ERP.

pub mod sandbox;
pub mod tryton;
