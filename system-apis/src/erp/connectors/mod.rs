//! One folder an ERP.

pub mod sandbox;
