//! What a WMS connector has to do. Each method is one call to the WMS at most, without caching, retrying or waiting.

use async_trait::async_trait;
use canonical_model::fulfilment::{CreateWarehouseRelease, WarehouseRelease};

use crate::connector::ConnectorError;

/// What a WMS can do, as its connector states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it refuses a second release with the same reference; if not, it is searched before each create.
    pub unique_reference: bool,
}

/// A connector to a WMS.
#[async_trait]
pub trait WmsConnector: Send + Sync + 'static {
    /// What this WMS can do.
    fn capabilities(&self) -> Capabilities;

    /// Releases lines to be picked.
    async fn create_release(
        &self,
        release: &CreateWarehouseRelease,
    ) -> Result<WarehouseRelease, ConnectorError>;

    /// The releases that carry a reference, lowest number first.
    async fn find_releases(
        &self,
        release_reference: &str,
    ) -> Result<Vec<WarehouseRelease>, ConnectorError>;
}
