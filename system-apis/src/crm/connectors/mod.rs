//! One folder a CRM.

pub mod sandbox;
pub mod tryton;
