//! From configuration to connector: one arm a kind.

use std::sync::Arc;

use super::{
    config::WmsConnectorConfig,
    connector::WmsConnector,
    connectors::{sandbox::client::SandboxWmsConnector, tryton::client::TrytonWmsConnector},
};

/// Makes the connector of a WMS instance.
pub fn connect(config: &WmsConnectorConfig) -> Result<Arc<dyn WmsConnector>, reqwest::Error> {
    match config {
        WmsConnectorConfig::Sandbox(sandbox) => Ok(Arc::new(SandboxWmsConnector::new(sandbox)?)),
        WmsConnectorConfig::Tryton(tryton) => Ok(Arc::new(TrytonWmsConnector::new(tryton)?)),
    }
}
