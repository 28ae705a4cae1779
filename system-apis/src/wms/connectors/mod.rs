//! One folder a WMS.

pub mod sandbox;
pub mod tryton;
