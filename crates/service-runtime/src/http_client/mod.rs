//! HTTP clients: [`HopClient`] between the layers, [`backend_client`] towards backends.

mod backend;
mod hop;

pub use backend::{BackendClientConfig, backend_client};
pub use hop::{HopClient, HopConfig, HopError, HopRequest, HopResponse};
