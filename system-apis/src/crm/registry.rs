//! From configuration to connector: one arm a kind.

use std::sync::Arc;

use super::{
    config::CrmConnectorConfig,
    connector::CrmConnector,
    connectors::{sandbox::client::SandboxCrmConnector, tryton::client::TrytonCrmConnector},
};

/// Makes the connector of a CRM instance.
pub fn connect(config: &CrmConnectorConfig) -> Result<Arc<dyn CrmConnector>, reqwest::Error> {
    match config {
        CrmConnectorConfig::Sandbox(sandbox) => Ok(Arc::new(SandboxCrmConnector::new(sandbox)?)),
        CrmConnectorConfig::Tryton(tryton) => Ok(Arc::new(TrytonCrmConnector::new(tryton)?)),
    }
}
