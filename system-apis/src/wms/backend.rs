//! A WMS instance behind its guard.

use std::{future::Future, sync::Arc};

use canonical_model::{
    CompanyId, SiteId,
    fulfilment::{CreateWarehouseRelease, WarehouseRelease},
};

use super::{config::WmsInstance, connector::WmsConnector};
use crate::{
    connector::ConnectorError,
    guard::{Guard, GuardError, Kind, Operation, Terms},
    systems::{OperationStatus, SystemKind, SystemStatus},
};

/// The WMS of one or more sites. Nothing of it is cached.
pub struct WmsBackend {
    guard: Arc<Guard>,
    connector: Arc<dyn WmsConnector>,
    create_release: Arc<Operation>,
    find_releases: Arc<Operation>,
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
        Self {
            create_release: guard.operation("create_release", Kind::Mutation, write),
            find_releases: guard.operation("find_releases", Kind::Read, read),
            guard,
            connector,
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

    /// Releases lines to be picked; a release with this reference that is there already is found, not made again.
    pub async fn create_release(
        &self,
        wanted: CreateWarehouseRelease,
        terms: Terms,
    ) -> Result<Released, GuardError> {
        if !self.connector.capabilities().unique_reference
            && let Some(release) = self.first_of(&wanted, terms).await?
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
                async move { wms.create_release(&release).await }
            })
            .await;
        match created {
            Ok(release) => Ok(Released {
                release,
                created: true,
            }),
            Err(error) if is_conflict(&error) => {
                let found = self.first_of(&wanted, terms).await?;
                let release = found.ok_or(error)?;
                Ok(Released {
                    release,
                    created: false,
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn first_of(
        &self,
        wanted: &CreateWarehouseRelease,
        terms: Terms,
    ) -> Result<Option<WarehouseRelease>, GuardError> {
        let releases = self
            .find_releases(wanted.release_reference.clone(), &wanted.site, terms)
            .await?;
        Ok(releases.into_iter().next())
    }

    /// The releases of a reference at a site, lowest number first.
    pub async fn find_releases(
        &self,
        release_reference: String,
        site: &SiteId,
        terms: Terms,
    ) -> Result<Vec<WarehouseRelease>, GuardError> {
        let mut releases = self
            .call(&self.find_releases, terms, move |wms| {
                let reference = release_reference.clone();
                async move { wms.find_releases(&reference).await }
            })
            .await?;
        releases.retain(|release| release.site == *site);
        Ok(releases)
    }

    /// The state of its guard.
    pub fn status(&self, companies: Vec<CompanyId>) -> SystemStatus {
        let operations = [&self.create_release, &self.find_releases];
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

fn is_conflict(error: &GuardError) -> bool {
    matches!(error, GuardError::Connector(cause) if matches!(**cause, ConnectorError::Conflict { .. }))
}
