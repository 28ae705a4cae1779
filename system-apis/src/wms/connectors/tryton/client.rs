//! Calls Tryton as a warehouse.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use canonical_model::{
    ShipmentNumber, SiteId,
    capabilities::ReleaseClass,
    fulfilment::{CreateWarehouseRelease, WarehouseRelease},
    shipment::ShipmentNews,
};
use rust_decimal::Decimal;
use serde_json::json;

use super::{config::TrytonWms, mapping, wire};
use crate::{
    connector::ConnectorError,
    intake::feed::ChangeFeed,
    transport::Effect,
    tryton::{
        CallError, Context, Search, Tryton,
        client::Record,
        values::{Amount, Count, Day},
    },
    wms::connector::{Capabilities, NewsPath, ReleaseRecord, WmsConnector},
};

/// As many shipments of one reference are looked at; a person would not make more by mistake.
const MOST_FOUND: u32 = 100;

/// The connector.
#[derive(Debug)]
pub struct TrytonWmsConnector {
    pub(super) tryton: Tryton,
    ship_to_prefix: String,
    quiet_period: Duration,
}

fn rejected(message: String) -> ConnectorError {
    ConnectorError::Rejected { message }
}

/// Goods without a sale behind them: Tryton asks whether that is meant.
fn is_without_origin(warning: &str) -> bool {
    warning.ends_with(".done")
}

/// A place of delivery.
struct Place {
    customer: i64,
    address: i64,
    location: i64,
}

impl TrytonWmsConnector {
    /// Ready to call; nothing is sent yet.
    pub fn new(config: &TrytonWms) -> Result<Self, reqwest::Error> {
        Ok(Self {
            tryton: Tryton::new(&config.server)?,
            ship_to_prefix: config.ship_to_prefix.clone(),
            quiet_period: config.quiet_period.get(),
        })
    }

    /// The shipments that a domain finds, by id.
    pub(super) async fn shipments(
        &self,
        domain: serde_json::Value,
        limit: u32,
        context: &Context,
    ) -> Result<Vec<wire::Shipment>, CallError> {
        let search = Search::of(domain, limit, &wire::SHIPMENT_FIELDS);
        self.tryton
            .search_read(wire::SHIPMENT, &search, context)
            .await
    }

    async fn warehouse(
        &self,
        site: &SiteId,
        context: &Context,
    ) -> Result<(i64, i64, i64), ConnectorError> {
        let domain = json!([["type", "=", "warehouse"], ["code", "=", site]]);
        let search = Search::of(domain, 2, &["output_location", "storage_location"]);
        let found: Vec<wire::Warehouse> = self
            .tryton
            .search_read("stock.location", &search, context)
            .await?;
        let only = match found.as_slice() {
            [only] => only
                .output_location
                .zip(only.storage_location)
                .map(|(output, storage)| (only.id, output, storage)),
            _ => None,
        };
        only.ok_or_else(|| {
            rejected(format!(
                "There is no one warehouse with zones by the code {site}."
            ))
        })
    }

    async fn place(
        &self,
        release: &CreateWarehouseRelease,
        context: &Context,
    ) -> Result<Place, ConnectorError> {
        let name = format!("{}{}", self.ship_to_prefix, release.ship_to_id);
        let domain = json!([["code", "=", name]]);
        let search = Search::of(domain, 2, &["party", "address", "party.customer_location"]);
        let found: Vec<wire::Identifier> = self
            .tryton
            .search_read("party.identifier", &search, context)
            .await?;
        let only = match found.as_slice() {
            [only] => only
                .address
                .zip(only.of.customer_location)
                .map(|(address, location)| Place {
                    customer: only.party,
                    address,
                    location,
                }),
            _ => None,
        };
        only.ok_or_else(|| rejected(format!("There is no one address by the identifier {name}.")))
    }

    async fn moves(
        &self,
        release: &CreateWarehouseRelease,
        (from_location, to_location): (i64, i64),
        context: &Context,
    ) -> Result<Vec<wire::NewMove>, ConnectorError> {
        let codes: Vec<&str> = release
            .lines
            .iter()
            .map(|line| line.item.as_str())
            .collect();
        let domain = json!([["code", "in", codes]]);
        let limit = u32::try_from(codes.len()).unwrap_or(u32::MAX);
        let fields = ["code", "default_uom", "default_uom.symbol"];
        let search = Search::of(domain, limit, &fields);
        let found: Vec<wire::Product> = self
            .tryton
            .search_read("product.product", &search, context)
            .await?;
        let products: HashMap<&str, &wire::Product> = found
            .iter()
            .map(|product| (product.code.as_str(), product))
            .collect();
        let companies: Vec<wire::Company> = self
            .tryton
            .read(
                "company.company",
                &[context.company()],
                &["currency"],
                context,
            )
            .await?;
        let company = companies.first();
        let company = company.ok_or_else(|| ConnectorError::protocol("the company is gone"))?;
        let lines = release.lines.iter().map(|line| {
            let item = line.item.as_str();
            let product = products.get(item);
            let product =
                product.ok_or_else(|| rejected(format!("There is no product {item}.")))?;
            let unit = line.quantity.unit.code();
            if wire::rec20_unit(&product.unit.symbol) != Some(unit) {
                let kept = &product.unit.symbol;
                return Err(rejected(format!(
                    "{item} is kept in {kept} there, not in {unit}."
                )));
            }
            Ok(wire::NewMove {
                product: product.id,
                quantity: Count(line.quantity.value),
                unit: product.default_uom,
                from_location,
                to_location,
                unit_price: Amount(Decimal::ZERO),
                currency: company.currency,
            })
        });
        lines.collect()
    }

    /// A draft with this text on it: one that a crash left, or a new one.
    async fn draft(
        &self,
        release: &CreateWarehouseRelease,
        reference: String,
        context: &Context,
    ) -> Result<i64, ConnectorError> {
        let domain = json!([["reference", "=", reference], ["state", "=", "draft"]]);
        let search = Search::of(domain, 1, &["reference"]);
        let drafts: Vec<Record> = self
            .tryton
            .search_read(wire::SHIPMENT, &search, context)
            .await?;
        if let Some(draft) = drafts.first() {
            return Ok(draft.id);
        }
        let (warehouse, output, storage) = self.warehouse(&release.site, context).await?;
        let place = self.place(release, context).await?;
        let moves = self
            .moves(release, (output, place.location), context)
            .await?;
        let planned = release.lines.iter().map(|line| line.ship_date).min();
        let planned = planned.ok_or_else(|| rejected("A release needs a line.".to_owned()))?;
        let draft = wire::NewShipment {
            customer: place.customer,
            delivery_address: place.address,
            warehouse,
            warehouse_output: output,
            warehouse_storage: storage,
            planned_date: Day(planned),
            reference,
            outgoing_moves: [("create", moves)],
        };
        let made = self
            .tryton
            .create(wire::SHIPMENT, &[draft], context)
            .await?;
        let made = made.first().copied();
        made.ok_or_else(|| Effect::Changes.nonsense("Tryton created nothing"))
    }
}

#[async_trait]
impl WmsConnector for TrytonWmsConnector {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            release_class: ReleaseClass::Searchable,
            quiet_period: self.quiet_period,
            news: NewsPath::ChangeFeed,
        }
    }

    /// Nobody works on a draft, so making it is no release: that is when it is told to wait for goods.
    async fn create_release(
        &self,
        release: &CreateWarehouseRelease,
    ) -> Result<WarehouseRelease, ConnectorError> {
        let reference = mapping::reference(release)?;
        let context = self.tryton.context().await?;
        let draft = self.draft(release, reference, &context).await?;
        self.tryton
            .press(
                wire::SHIPMENT,
                "wait",
                draft,
                &context,
                (2, is_without_origin),
            )
            .await?;
        let read = self
            .shipments(json!([["id", "=", draft]]), 1, &context)
            .await;
        let read = read.map_err(|error| Effect::Changes.nonsense(error))?;
        let row = read.first();
        let row = row.ok_or_else(|| Effect::Changes.nonsense("the shipment is not found"))?;
        mapping::release(row, release.release_reference.clone())
            .map_err(|error| Effect::Changes.nonsense(error))
    }

    async fn find_releases(
        &self,
        release_reference: &str,
    ) -> Result<Vec<ReleaseRecord>, ConnectorError> {
        let context = self.tryton.context().await?;
        let begins = format!("{release_reference} | %");
        let domain = json!([["reference", "like", begins], ["state", "!=", "draft"]]);
        let rows = self.shipments(domain, MOST_FOUND, &context).await?;
        if u32::try_from(rows.len()).is_ok_and(|found| found >= MOST_FOUND) {
            return Err(ConnectorError::protocol(
                "more shipments carry this reference than a person would make by mistake",
            ));
        }
        let mut found = Vec::new();
        for row in &rows {
            found.extend(mapping::record(row, release_reference)?);
        }
        found.sort_by(|one, other| one.release.number.cmp(&other.release.number));
        Ok(found)
    }

    async fn shipment(&self, shipment: &ShipmentNumber) -> Result<ShipmentNews, ConnectorError> {
        let context = self.tryton.context().await?;
        let domain = json!([["number", "=", shipment]]);
        let rows = self.shipments(domain, 2, &context).await?;
        let row = match rows.as_slice() {
            [] => return Err(ConnectorError::NotFound),
            [only] => only.clone(),
            _ => return Err(ConnectorError::protocol("two shipments have this number")),
        };
        if row.number.as_deref() != Some(shipment.as_str()) {
            return Err(ConnectorError::protocol(
                "Tryton answered for another shipment than it was asked for",
            ));
        }
        let (moves, packages) = self.goods(std::slice::from_ref(&row), &context).await?;
        mapping::shipment(&row, &moves, &packages).map_err(ConnectorError::protocol)
    }

    fn change_feed(self: Arc<Self>) -> Option<Arc<dyn ChangeFeed>> {
        Some(self)
    }
}
