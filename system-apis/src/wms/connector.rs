//! What a WMS connector has to do. Each method is one call to the WMS at most, without caching, retrying or waiting.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use canonical_model::{
    ItemNumber, Quantity, ShipmentNumber,
    capabilities::ReleaseClass,
    fulfilment::{CreateWarehouseRelease, WarehouseRelease},
    shipment::ShipmentNews,
};
use rust_decimal::Decimal;

use crate::{
    connector::ConnectorError,
    intake::{NewsError, Posted, ReadNews, feed::ChangeFeed},
};

/// What a WMS can do, as its connector states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What a second release with the same reference does. Where it is made, the WMS is searched before each create.
    pub release_class: ReleaseClass,
    /// How long its search may miss a release.
    pub quiet_period: Duration,
    /// How its news come.
    pub news: NewsPath,
}

/// How what happens in a warehouse is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewsPath {
    /// It posts them, signed.
    Webhook,
    /// Its changes are read: the connector has a change feed.
    ChangeFeed,
}

/// A release as the WMS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRecord {
    /// The release.
    pub release: WarehouseRelease,
    /// What is picked for it.
    pub lines: Vec<ReleasedLine>,
}

/// A line that is picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedLine {
    /// The order line, as the WMS has it.
    pub order_line: String,
    /// What.
    pub item: ItemNumber,
    /// How much; the WMS may write its decimals otherwise than we do.
    pub quantity: Quantity,
}

impl ReleasedLine {
    /// The lines of a release as they are to be picked, in one order.
    pub fn wanted(release: &CreateWarehouseRelease) -> Vec<Self> {
        let mut lines: Vec<Self> = release
            .lines
            .iter()
            .map(|line| Self {
                order_line: line.order_line.to_string(),
                item: line.item.clone(),
                quantity: line.quantity,
            })
            .collect();
        lines.sort_by(|one, other| one.key().cmp(&other.key()));
        lines
    }

    fn key(&self) -> (&str, &str, &str, Decimal) {
        let Quantity { value, unit } = &self.quantity;
        (&self.order_line, self.item.as_str(), unit.code(), *value)
    }
}

impl ReleaseRecord {
    /// Whether exactly this is picked for it.
    pub fn is_for(&self, wanted: &CreateWarehouseRelease) -> bool {
        let mut lines = self.lines.clone();
        lines.sort_by(|one, other| one.key().cmp(&other.key()));
        self.release.site == wanted.site && lines == ReleasedLine::wanted(wanted)
    }
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
    ) -> Result<Vec<ReleaseRecord>, ConnectorError>;

    /// A shipment as it is now.
    async fn shipment(&self, shipment: &ShipmentNumber) -> Result<ShipmentNews, ConnectorError>;

    /// The news in something that was posted: whether the WMS signed it first, then what it says. Calls nobody. For a WMS
    /// that posts its news.
    fn read_news(&self, _posted: &Posted<'_>) -> ReadNews {
        Err(NewsError::Unsigned)
    }

    /// The feed of a WMS whose changes are read.
    fn change_feed(self: Arc<Self>) -> Option<Arc<dyn ChangeFeed>> {
        None
    }
}
