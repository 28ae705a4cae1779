//! Tryton's shipments in the order of their last change: by the instant at which the transaction began that wrote them.

use async_trait::async_trait;
use canonical_model::ShipmentNumber;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{client::TrytonWmsConnector, mapping, wire};
use crate::{
    connector::ConnectorError,
    intake::feed::{Change, ChangeFeed, From, Page, Position, Stamp, Told, Unread},
    tryton::{Context, Search, values::Instant},
};

/// Shipments read at once: their goods take another call.
const PAGE: u32 = 50;
/// Goods and packages read at once; more than a page of shipments can have by the length of a reference.
const MOST_GOODS: u32 = 20_000;

impl TrytonWmsConnector {
    /// The goods of some shipments that leave, and the packages that they are in.
    pub(super) async fn goods(
        &self,
        shipments: &[wire::Shipment],
        context: &Context,
    ) -> Result<(Vec<wire::Move>, Vec<wire::Package>), ConnectorError> {
        let holding = shipments
            .iter()
            .filter(|row| matches!(row.state.as_str(), "picked" | "packed" | "shipped" | "done"));
        let names: Vec<String> = holding
            .map(|row| format!("{},{}", wire::SHIPMENT, row.id))
            .collect();
        if names.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let domain = json!([
            ["shipment", "in", names],
            ["to_location.type", "=", "customer"],
            ["state", "!=", "cancelled"],
        ]);
        let search = Search::of(domain, MOST_GOODS, &wire::MOVE_FIELDS);
        let moves: Vec<wire::Move> = self
            .tryton
            .search_read("stock.move", &search, context)
            .await?;
        let domain = json!([["shipment", "in", names]]);
        let search = Search::of(domain, MOST_GOODS, &["number", "shipment"]);
        let packages: Vec<wire::Package> = self
            .tryton
            .search_read("stock.package", &search, context)
            .await?;
        let full = |count: usize| u32::try_from(count).is_ok_and(|count| count >= MOST_GOODS);
        if full(moves.len()) || full(packages.len()) {
            return Err(ConnectorError::protocol(
                "shipments hold more than can be read",
            ));
        }
        Ok((moves, packages))
    }
}

fn instant(stamp: Stamp) -> Result<Instant, ConnectorError> {
    let at = Timestamp::from_microsecond(stamp.0);
    at.map(Instant)
        .map_err(|error| ConnectorError::Protocol(error.into()))
}

/// Ours, which nobody makes drafts of for long, from there on.
fn domain(from: &From) -> Result<Value, ConnectorError> {
    let mut domain = vec![
        json!(["reference", "like", "% | %"]),
        json!(["state", "!=", "draft"]),
    ];
    match from {
        From::Beginning => {}
        From::Since(stamp) => {
            domain.push(json!(["last_modified_at", ">=", instant(*stamp)?]));
        }
        From::After(at) => {
            let stamp = instant(at.stamp)?;
            let id: i64 = at
                .id
                .parse()
                .map_err(|_text| ConnectorError::protocol("no id"))?;
            domain.push(json!([
                "OR",
                [["last_modified_at", ">", stamp]],
                [["last_modified_at", "=", stamp], ["id", ">", id]],
            ]));
        }
    }
    Ok(Value::Array(domain))
}

#[async_trait]
impl ChangeFeed for TrytonWmsConnector {
    async fn changes(&self, from: &From) -> Result<Page, ConnectorError> {
        let context = self.tryton.context().await?;
        let search = Search {
            order: json!([["last_modified_at", "ASC"], ["id", "ASC"]]),
            ..Search::of(domain(from)?, PAGE, &wire::SHIPMENT_FIELDS)
        };
        let rows: Vec<wire::Shipment> = self
            .tryton
            .search_read(wire::SHIPMENT, &search, &context)
            .await?;
        let (moves, packages) = self.goods(&rows, &context).await?;
        let of = |row: &wire::Shipment, named: &Option<crate::tryton::values::Reference>| {
            named
                .as_ref()
                .is_some_and(|named| named.model == wire::SHIPMENT && named.id == row.id)
        };
        let changes = rows.iter().map(|row| {
            let moves: Vec<_> = moves
                .iter()
                .filter(|one| of(row, &one.shipment))
                .cloned()
                .collect();
            let packages: Vec<_> = packages
                .iter()
                .filter(|one| of(row, &one.shipment))
                .cloned()
                .collect();
            Change {
                at: Position {
                    stamp: Stamp(row.last_modified_at.0.as_microsecond()),
                    id: row.id.to_string(),
                },
                told: told(row, &moves, &packages),
            }
        });
        Ok(Page {
            changes: changes.collect(),
            more: u32::try_from(rows.len()).is_ok_and(|read| read >= PAGE),
        })
    }

    async fn missing(
        &self,
        shipments: &[ShipmentNumber],
    ) -> Result<Vec<ShipmentNumber>, ConnectorError> {
        #[derive(Deserialize)]
        struct Numbered {
            number: Option<String>,
        }
        let context = self.tryton.context().await?;
        let limit = u32::try_from(shipments.len()).unwrap_or(u32::MAX);
        let search = Search::of(json!([["number", "in", shipments]]), limit, &["number"]);
        let found: Vec<Numbered> = self
            .tryton
            .search_read(wire::SHIPMENT, &search, &context)
            .await?;
        let is_there = |number: &ShipmentNumber| {
            found
                .iter()
                .any(|row| row.number.as_deref() == Some(number.as_str()))
        };
        Ok(shipments
            .iter()
            .filter(|number| !is_there(number))
            .cloned()
            .collect())
    }
}

/// One that only looks like ours by its text is nobody's.
fn told(row: &wire::Shipment, moves: &[wire::Move], packages: &[wire::Package]) -> Told {
    let reference = row.reference.as_deref().unwrap_or_default();
    // What was cancelled as a draft has no number, and nobody ever had it to work on.
    if mapping::asked(reference).is_none() || row.number.is_none() {
        return Told::NotOurs;
    }
    match mapping::shipment(row, moves, packages) {
        Ok(news) => Told::Shipment(Box::new(news)),
        Err(detail) => {
            let (id, state, changed) = (row.id, &row.state, row.last_modified_at.0);
            let raw = json!({"id": id, "number": row.number, "state": state, "reference": reference,
                "last_modified_at": changed.to_string()});
            Told::Unreadable(Unread {
                detail,
                raw: raw.to_string(),
            })
        }
    }
}
