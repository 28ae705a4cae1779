//! Calls the sandbox's WMS.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use canonical_model::{
    ShipmentNumber,
    capabilities::ReleaseClass,
    fulfilment::{CreateWarehouseRelease, WarehouseRelease},
    shipment::ShipmentNews,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use service_runtime::{config::Secret, http_client::backend_client};

use super::{config::SandboxWms, mapping, news, wire};
use crate::{
    connector::ConnectorError,
    intake::{
        Posted, ReadNews,
        feed::{ChangeFeed, From, Page},
    },
    transport::{self, Answer, Effect},
    wms::connector::{Capabilities, NewsPath, ReleaseRecord, WmsConnector},
};

/// The connector.
#[derive(Debug)]
pub struct SandboxWmsConnector {
    http: reqwest::Client,
    pick_requests: String,
    shipments: String,
    token: Secret,
    release_class: ReleaseClass,
    quiet_period: Duration,
    change_feed: bool,
}

impl SandboxWmsConnector {
    /// Ready to call; nothing is sent yet.
    pub fn new(config: &SandboxWms) -> Result<Self, reqwest::Error> {
        let base_url = config.base_url.trim_end_matches('/');
        Ok(Self {
            http: backend_client(&config.http)?,
            pick_requests: format!("{base_url}/wms/v2/pickRequests"),
            shipments: format!("{base_url}/wms/v2/shipments"),
            token: config.token.clone(),
            release_class: config.release_class,
            quiet_period: config.quiet_period.get(),
            change_feed: config.change_feed,
        })
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        effect: Effect,
    ) -> Result<T, ConnectorError> {
        let request = request.bearer_auth(self.token.expose());
        let answer = transport::send(request, effect).await?;
        if answer.status.is_success() {
            serde_json::from_slice(&answer.body).map_err(|error| effect.nonsense(error))
        } else {
            Err(refusal(&answer))
        }
    }
}

/// A refusal is an answer: nothing was done.
fn refusal(answer: &Answer) -> ConnectorError {
    let Ok(refusal) = serde_json::from_slice::<wire::Refusal>(&answer.body) else {
        return ConnectorError::protocol(format!("the WMS answered {}", answer.status));
    };
    match (refusal.code.as_str(), refusal.pick_request_id) {
        ("NOT_FOUND", _) => ConnectorError::NotFound,
        ("DUPLICATE_CLIENT_REF", Some(existing)) => ConnectorError::Conflict { existing },
        _ => ConnectorError::Rejected {
            message: refusal.message,
        },
    }
}

#[async_trait]
impl WmsConnector for SandboxWmsConnector {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            release_class: self.release_class,
            quiet_period: self.quiet_period,
            news: if self.change_feed {
                NewsPath::ChangeFeed
            } else {
                NewsPath::Webhook
            },
        }
    }

    async fn create_release(
        &self,
        release: &CreateWarehouseRelease,
    ) -> Result<WarehouseRelease, ConnectorError> {
        let body = mapping::new_pick_request(release)?;
        let request = self.http.post(&self.pick_requests).json(&body);
        let made: wire::PickRequest = self.send(request, Effect::Changes).await?;
        mapping::release(made).map_err(|error| Effect::Changes.nonsense(error))
    }

    async fn find_releases(
        &self,
        release_reference: &str,
    ) -> Result<Vec<ReleaseRecord>, ConnectorError> {
        let request = self
            .http
            .get(&self.pick_requests)
            .query(&[("clientRef", release_reference), ("pageSize", "500")]);
        let answer: wire::PickRequests = self.send(request, Effect::Reads).await?;
        if usize::try_from(answer.total).is_ok_and(|total| total > answer.items.len()) {
            return Err(ConnectorError::protocol(
                "more releases carry this reference than a person would make by mistake",
            ));
        }
        if answer
            .items
            .iter()
            .any(|row| row.client_ref != release_reference)
        {
            return Err(ConnectorError::protocol(
                "the WMS answered for another reference than it was asked for",
            ));
        }
        let mut releases = answer
            .items
            .into_iter()
            .map(mapping::record)
            .collect::<Result<Vec<_>, _>>()?;
        releases.sort_by(|one, other| one.release.number.cmp(&other.release.number));
        Ok(releases)
    }

    async fn shipment(&self, shipment: &ShipmentNumber) -> Result<ShipmentNews, ConnectorError> {
        let mut url = reqwest::Url::parse(&self.shipments)
            .map_err(|error| ConnectorError::Unavailable(error.into()))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(shipment.as_str());
        }
        let row: wire::Shipment = self.send(self.http.get(url), Effect::Reads).await?;
        let told = mapping::shipment(row).map_err(|error| Effect::Reads.nonsense(error))?;
        if told.shipment == *shipment {
            return Ok(told);
        }
        Err(ConnectorError::protocol(
            "the WMS answered for another shipment than it was asked for",
        ))
    }

    fn read_news(&self, posted: &Posted<'_>) -> ReadNews {
        news::read(posted)
    }

    fn change_feed(self: Arc<Self>) -> Option<Arc<dyn ChangeFeed>> {
        if self.change_feed { Some(self) } else { None }
    }
}

#[async_trait]
impl ChangeFeed for SandboxWmsConnector {
    async fn changes(&self, from: &From) -> Result<Page, ConnectorError> {
        let (stamp, after) = match from {
            From::Beginning => (0, ""),
            From::Since(stamp) => (stamp.0, ""),
            From::After(at) => (at.stamp.0, at.id.as_str()),
        };
        let query = [
            ("changedFrom", stamp.to_string()),
            ("afterId", after.to_owned()),
        ];
        let request = self
            .http
            .get(format!("{}/changes", self.shipments))
            .query(&query);
        let page: wire::ShipmentChanges = self.send(request, Effect::Reads).await?;
        let changes = page.items.into_iter().map(mapping::change);
        Ok(Page {
            changes: changes.collect::<Result<_, _>>()?,
            more: page.more,
        })
    }

    async fn missing(
        &self,
        shipments: &[ShipmentNumber],
    ) -> Result<Vec<ShipmentNumber>, ConnectorError> {
        let ids = json!({ "shipmentIds": shipments });
        let request = self
            .http
            .post(format!("{}/missing", self.shipments))
            .json(&ids);
        let missing: wire::MissingShipments = self.send(request, Effect::Reads).await?;
        let sought = shipments.iter();
        let is_missing =
            |number: &&ShipmentNumber| missing.shipment_ids.iter().any(|id| *id == number.as_str());
        Ok(sought.filter(is_missing).cloned().collect())
    }
}
