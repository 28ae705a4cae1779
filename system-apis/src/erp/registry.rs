//! From configuration to connector: one arm a kind.

use std::sync::Arc;

use super::{
    config::ErpConnectorConfig,
    connector::ErpConnector,
    connectors::{sandbox::client::SandboxErpConnector, tryton::client::TrytonErpConnector},
};

/// Makes the connector of an ERP instance.
pub fn connect(config: &ErpConnectorConfig) -> Result<Arc<dyn ErpConnector>, reqwest::Error> {
    match config {
        ErpConnectorConfig::Sandbox(sandbox) => Ok(Arc::new(SandboxErpConnector::new(sandbox)?)),
        ErpConnectorConfig::Tryton(tryton) => Ok(Arc::new(TrytonErpConnector::new(tryton)?)),
    }
}
