//! A WMS instance behind its guard.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::HeaderMap;
use canonical_model::{
    CompanyId, ShipmentNumber, SiteId,
    capabilities::{ReleaseClass, WarehouseCapabilities},
    fulfilment::{CreateWarehouseRelease, WarehouseRelease, WarehouseReleaseState},
    shipment::ShipmentNews,
};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    config::WmsInstance,
    connector::{ReleaseRecord, WmsConnector},
};
use crate::{
    connector::ConnectorError,
    crash_points::WMS_CREATE,
    guard::{Guard, GuardError, Kind, Lane, Operation, Terms},
    intake::{
        NewsConfig, NewsError, Posted, ReadNews,
        feed::{ChangeFeed, From, Page},
        poll::{PollConfig, Source},
    },
    systems::{OperationStatus, SystemKind, SystemStatus},
};

/// For a page of changes, if the operation's own time is longer.
const READING: Duration = Duration::from_secs(60);

/// The WMS of one or more sites. Nothing of it is cached.
pub struct WmsBackend {
    guard: Arc<Guard>,
    connector: Arc<dyn WmsConnector>,
    create_release: Arc<Operation>,
    find_releases: Arc<Operation>,
    shipment: Arc<Operation>,
    changes: Arc<Operation>,
    missing: Arc<Operation>,
    news: Option<NewsConfig>,
    feed: Option<(Arc<dyn ChangeFeed>, PollConfig)>,
}

/// A release, and whether this call made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// As the warehouse has it.
    pub release: WarehouseRelease,
    /// Whether it was not there before.
    pub created: bool,
}

impl WmsBackend {
    /// Puts the guard before a connector.
    pub fn new(
        guard: Arc<Guard>,
        connector: Arc<dyn WmsConnector>,
        instance: &WmsInstance,
    ) -> Self {
        let read = instance.read_timeout.get();
        let write = instance.write_timeout.get();
        let feed = Arc::clone(&connector).change_feed();
        Self {
            feed: feed.map(|feed| (feed, instance.poll)),
            changes: guard.operation("changes", Kind::Read, read),
            missing: guard.operation("missing_shipments", Kind::Read, read),
            create_release: guard.operation("create_release", Kind::Mutation, write),
            find_releases: guard.operation("find_releases", Kind::Read, read),
            shipment: guard.operation("shipment", Kind::Read, read),
            news: instance.news.clone(),
            guard,
            connector,
        }
    }

    /// What it can do for a site.
    pub fn capabilities(&self, site: SiteId) -> WarehouseCapabilities {
        let can = self.connector.capabilities();
        WarehouseCapabilities {
            site,
            release_class: can.release_class,
            quiet_period_ms: u64::try_from(can.quiet_period.as_millis()).unwrap_or(u64::MAX),
        }
    }

    async fn call<T, F, Fut>(
        &self,
        operation: &Arc<Operation>,
        terms: Terms,
        call: F,
    ) -> Result<T, GuardError>
    where
        T: Send + 'static,
        F: Fn(Arc<dyn WmsConnector>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, ConnectorError>> + Send + 'static,
    {
        let connector = Arc::clone(&self.connector);
        let answer = operation
            .run(terms, move |_started| call(Arc::clone(&connector)))
            .await;
        answer.map(|(value, _started)| value)
    }

    /// Releases lines to be picked. A release with this reference that is there already is found, not made again, if it
    /// picks the same at the same site; another is a conflict, and a cancelled one is none.
    pub async fn create_release(
        &self,
        wanted: CreateWarehouseRelease,
        terms: Terms,
    ) -> Result<Released, GuardError> {
        if self.connector.capabilities().release_class == ReleaseClass::Searchable
            && let Some(release) = self.standing(&wanted, terms).await?
        {
            return Ok(Released {
                release,
                created: false,
            });
        }
        let wanted = Arc::new(wanted);
        let asked = Arc::clone(&wanted);
        let created = self
            .call(&self.create_release, terms, move |wms| {
                let release = Arc::clone(&asked);
                async move { WMS_CREATE.run(wms.create_release(&release)).await }
            })
            .await;
        match created {
            Ok(release) => Ok(Released {
                release,
                created: true,
            }),
            Err(error) if is_conflict(&error) => {
                let found = self.standing(&wanted, terms).await?;
                let release = found.ok_or(error)?;
                Ok(Released {
                    release,
                    created: false,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// The release that was asked for, where the warehouse has it already and means to pick it.
    async fn standing(
        &self,
        wanted: &CreateWarehouseRelease,
        terms: Terms,
    ) -> Result<Option<WarehouseRelease>, GuardError> {
        let records = self
            .records(wanted.release_reference.clone(), terms)
            .await?;
        let mut live = records
            .into_iter()
            .filter(|record| record.release.state != WarehouseReleaseState::Cancelled);
        match live.next() {
            None => Ok(None),
            Some(record) if record.is_for(wanted) => Ok(Some(record.release)),
            Some(other) => Err(GuardError::Connector(Arc::new(ConnectorError::Conflict {
                existing: other.release.number,
            }))),
        }
    }

    async fn records(
        &self,
        release_reference: String,
        terms: Terms,
    ) -> Result<Vec<ReleaseRecord>, GuardError> {
        self.call(&self.find_releases, terms, move |wms| {
            let reference = release_reference.clone();
            async move { wms.find_releases(&reference).await }
        })
        .await
    }

    /// The releases of a reference at a site, lowest number first.
    pub async fn find_releases(
        &self,
        release_reference: String,
        site: &SiteId,
        terms: Terms,
    ) -> Result<Vec<WarehouseRelease>, GuardError> {
        let records = self.records(release_reference, terms).await?;
        let releases = records.into_iter().map(|record| record.release);
        Ok(releases.filter(|release| release.site == *site).collect())
    }

    /// A shipment as it is now; one that leaves another site looks like none.
    pub async fn shipment(
        &self,
        number: ShipmentNumber,
        site: &SiteId,
        terms: Terms,
    ) -> Result<ShipmentNews, GuardError> {
        let told = self
            .call(&self.shipment, terms, move |wms| {
                let number = number.clone();
                async move { wms.shipment(&number).await }
            })
            .await?;
        if told.site == *site {
            Ok(told)
        } else {
            Err(GuardError::Connector(Arc::new(ConnectorError::NotFound)))
        }
    }

    /// Whether it posts its news.
    pub fn posts_news(&self) -> bool {
        self.news.is_some()
    }

    /// How its changes are read; None = they are not.
    pub fn polled(&self) -> Option<PollConfig> {
        self.feed.as_ref().map(|(_, config)| *config)
    }

    async fn read_feed<T, F, Fut>(
        &self,
        operation: &Arc<Operation>,
        call: F,
    ) -> Result<T, GuardError>
    where
        T: Send + 'static,
        F: Fn(Arc<dyn ChangeFeed>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, ConnectorError>> + Send + 'static,
    {
        let terms = Terms {
            deadline: Instant::now() + READING,
            lane: Lane::Order,
            oldest: None,
            oldest_stale: None,
        };
        let feed = self.feed.as_ref().map(|(feed, _)| Arc::clone(feed));
        let feed = feed.ok_or(GuardError::Broken)?;
        let answer = operation.run(terms, move |_started| call(Arc::clone(&feed)));
        answer.await.map(|(value, _started)| value)
    }

    /// The news in something that was posted in its name.
    pub fn read_news(&self, headers: &HeaderMap, body: &[u8], at: Timestamp) -> ReadNews {
        let config = self.news.as_ref().ok_or(NewsError::Unsigned)?;
        self.connector.read_news(&Posted {
            headers,
            body,
            at,
            config,
        })
    }

    /// The state of its guard.
    pub fn status(&self, companies: Vec<CompanyId>) -> SystemStatus {
        let mut operations = vec![&self.create_release, &self.find_releases, &self.shipment];
        if self.feed.is_some() {
            operations.extend([&self.changes, &self.missing]);
        }
        SystemStatus::new(
            &self.guard,
            SystemKind::Wms,
            companies,
            operations
                .into_iter()
                .map(|operation| OperationStatus::of(operation))
                .collect(),
        )
    }
}

#[async_trait]
impl Source for Arc<WmsBackend> {
    async fn changes(&self, from: From) -> Result<Page, GuardError> {
        let from = Arc::new(from);
        self.read_feed(&self.changes, move |feed| {
            let from = Arc::clone(&from);
            async move { feed.changes(&from).await }
        })
        .await
    }

    async fn missing(
        &self,
        shipments: Vec<ShipmentNumber>,
    ) -> Result<Vec<ShipmentNumber>, GuardError> {
        let shipments: Arc<[ShipmentNumber]> = shipments.into();
        self.read_feed(&self.missing, move |feed| {
            let shipments = Arc::clone(&shipments);
            async move { feed.missing(&shipments).await }
        })
        .await
    }
}

fn is_conflict(error: &GuardError) -> bool {
    matches!(error, GuardError::Connector(cause) if matches!(**cause, ConnectorError::Conflict { .. }))
}
