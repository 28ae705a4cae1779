//! HTTP clients: [`HopClient`] between the layers, [`backend_client`] towards backends, [`OutboundClient`] towards
//! addresses that somebody else has named.

mod backend;
mod hop;
mod outbound;
mod target;

pub use backend::{BackendClientConfig, backend_client};
pub use hop::{HopClient, HopConfig, HopError, HopRequest, HopResponse, read_json};
pub use outbound::{OutboundClient, OutboundConfig, OutboundError, OutboundReply, retry_after};
pub use target::{MOST_URL, TargetRefused, Targets, is_public};
