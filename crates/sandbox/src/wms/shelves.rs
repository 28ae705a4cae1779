//! What the WMS keeps: stock on shelves and pick requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::floor::Floor;
use super::records::{PickLine, PickRequest, PickStatus, ShipTo, WmsError, WmsStockChange};
use crate::clock::Clock;
use crate::seed::Seed;
use crate::units::wms_word;

/// Requests kept at most; one beyond is refused.
const MAX_REQUESTS: usize = 500_000;
const MAX_LINES: usize = 1000;
const MAX_TEXT: usize = 64;
const FIRST_REQUEST: u64 = 100_001;

/// A new pick request as it comes in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewPickRequest {
    client_ref: String,
    order_ref: String,
    site_code: String,
    #[serde(default)]
    ship_date: Option<Date>,
    #[serde(default)]
    ship_to: Option<ShipTo>,
    lines: Vec<PickLine>,
}

/// Figures of one SKU at one site.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shelf {
    pub(super) on_hand: Decimal,
    pub(super) picking: Decimal,
    pub(super) quarantine: Decimal,
}

#[derive(Debug)]
pub(super) struct Shelves {
    pub(super) requests: BTreeMap<u64, PickRequest>,
    pub(super) calls: BTreeMap<&'static str, u64>,
    pub(super) sites: BTreeSet<String>,
    /// SKU → unit word.
    pub(super) skus: BTreeMap<String, String>,
    stock: HashMap<(String, String), Shelf>,
    by_client_ref: HashMap<String, Vec<u64>>,
    unique_client_ref: bool,
    pub(super) floor: Floor,
    pub(super) clock: Clock,
    next: u64,
}

impl Shelves {
    pub(super) fn new(seed: &Seed, unique_client_ref: bool, clock: Clock) -> Self {
        let stock = seed.stock.iter().map(|row| {
            let shelf = Shelf {
                on_hand: row.on_hand,
                picking: Decimal::ZERO,
                quarantine: row.quality,
            };
            ((row.item.clone(), row.site.clone()), shelf)
        });
        let skus = seed
            .items
            .iter()
            .map(|item| (item.id.clone(), wms_word(&item.base_unit).to_owned()));
        Self {
            requests: BTreeMap::new(),
            calls: BTreeMap::new(),
            sites: seed.sites.iter().map(|site| site.id.clone()).collect(),
            skus: skus.collect(),
            stock: stock.collect(),
            by_client_ref: HashMap::new(),
            unique_client_ref,
            floor: Floor::default(),
            clock,
            next: FIRST_REQUEST,
        }
    }

    pub(super) fn count_call(&mut self, operation: &'static str) {
        let calls = self.calls.entry(operation).or_default();
        *calls = calls.saturating_add(1);
    }

    pub(super) fn shelf(&self, sku: &str, site: &str) -> Shelf {
        let key = (sku.to_owned(), site.to_owned());
        self.stock.get(&key).copied().unwrap_or_default()
    }

    pub(super) fn create(&mut self, request: NewPickRequest) -> Result<PickRequest, WmsError> {
        self.check(&request)?;
        let known = self.by_client_ref.get(&request.client_ref);
        let first = known.and_then(|ids| ids.first());
        if let (true, Some(first)) = (self.unique_client_ref, first) {
            return Err(WmsError::DuplicateClientRef {
                client_ref: request.client_ref,
                pick_request_id: public_id(*first),
            });
        }
        let id = self.next;
        self.next = self.next.saturating_add(1);
        for line in &request.lines {
            let key = (line.sku_code.clone(), request.site_code.clone());
            self.stock.entry(key).or_default().picking += line.qty;
        }
        let created = PickRequest {
            pick_request_id: public_id(id),
            client_ref: request.client_ref,
            order_ref: request.order_ref,
            site_code: request.site_code,
            ship_date: request.ship_date,
            ship_to: request.ship_to,
            lines: request.lines,
            status: PickStatus::New,
            created_at: self.clock.now(),
        };
        let ids = self
            .by_client_ref
            .entry(created.client_ref.clone())
            .or_default();
        ids.push(id);
        self.requests.insert(id, created.clone());
        self.opened(id);
        Ok(created)
    }

    fn check(&self, request: &NewPickRequest) -> Result<(), WmsError> {
        let invalid = |text: &str| Err(WmsError::InvalidRequest(text.to_owned()));
        if self.requests.len() >= MAX_REQUESTS {
            return invalid("the floor is full: no more pick requests are taken");
        }
        for (name, text) in [
            ("clientRef", &request.client_ref),
            ("orderRef", &request.order_ref),
        ] {
            if text.is_empty() || text.chars().count() > MAX_TEXT {
                return invalid(&format!("{name} has 1 to {MAX_TEXT} characters"));
            }
        }
        if request.lines.is_empty() || request.lines.len() > MAX_LINES {
            return invalid(&format!("lines has 1 to {MAX_LINES} entries"));
        }
        if !self.sites.contains(&request.site_code) {
            return Err(WmsError::UnknownSite(request.site_code.clone()));
        }
        let most = Decimal::from(1_000_000_000_u32);
        for line in &request.lines {
            let unit = self
                .skus
                .get(&line.sku_code)
                .ok_or_else(|| WmsError::UnknownSku(line.sku_code.clone()))?;
            if *unit != line.unit {
                return Err(WmsError::WrongUnit {
                    sku: line.sku_code.clone(),
                    unit: unit.clone(),
                });
            }
            if line.qty <= Decimal::ZERO || line.qty > most {
                return Err(WmsError::InvalidQty(line.line_ref.clone()));
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, id: &str) -> Result<PickRequest, WmsError> {
        let found = key_of(id).and_then(|key| self.requests.get(&key));
        found
            .cloned()
            .ok_or_else(|| WmsError::NotFound(id.to_owned()))
    }

    pub(super) fn cancel(&mut self, id: &str) -> Result<PickRequest, WmsError> {
        let key = key_of(id).ok_or_else(|| WmsError::NotFound(id.to_owned()))?;
        let found = self.requests.get_mut(&key);
        let request = found.ok_or_else(|| WmsError::NotFound(id.to_owned()))?;
        if request.status == PickStatus::New {
            request.status = PickStatus::Cancelled;
            for line in &request.lines {
                let key = (line.sku_code.clone(), request.site_code.clone());
                self.stock.entry(key).or_default().picking -= line.qty;
            }
        }
        let request = request.clone();
        if request.status == PickStatus::Cancelled {
            self.closed(key);
        }
        Ok(request)
    }

    /// Goods leave: they are no longer on the shelf, and no longer being picked.
    pub(super) fn leave(&mut self, sku: &str, site: &str, quantity: Decimal) {
        let shelf = self
            .stock
            .entry((sku.to_owned(), site.to_owned()))
            .or_default();
        shelf.on_hand -= quantity;
        shelf.picking -= quantity;
    }

    pub(super) fn by_client_ref(&self, client_ref: &str) -> impl Iterator<Item = &PickRequest> {
        let ids = self.by_client_ref.get(client_ref).into_iter().flatten();
        ids.filter_map(|id| self.requests.get(id))
    }

    pub(super) fn set_stock(
        &mut self,
        sku: &str,
        site: &str,
        change: &WmsStockChange,
    ) -> Result<(), WmsError> {
        if !self.skus.contains_key(sku) {
            return Err(WmsError::UnknownSku(sku.to_owned()));
        }
        if !self.sites.contains(site) {
            return Err(WmsError::UnknownSite(site.to_owned()));
        }
        let key = (sku.to_owned(), site.to_owned());
        let shelf = self.stock.entry(key).or_default();
        shelf.on_hand = change.qty_on_hand.unwrap_or(shelf.on_hand);
        shelf.quarantine = change.qty_quarantine.unwrap_or(shelf.quarantine);
        Ok(())
    }
}

pub(super) fn public_id(id: u64) -> String {
    format!("PR-{id}")
}

pub(super) fn key_of(id: &str) -> Option<u64> {
    id.strip_prefix("PR-")?.parse().ok()
}
