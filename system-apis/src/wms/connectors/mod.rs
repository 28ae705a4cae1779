//! One folder a WMS.

pub mod sandbox;
