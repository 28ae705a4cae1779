//! What the numbers of others are called in this database: ids differ between databases, so each is looked up by its code,
//! and remembered for a while. Identifiers alone are remembered, never a fact.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;

use super::{mapping::Units, wire};
use crate::tryton::{CallError, Context, Search, Tryton};

/// How long an identifier is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Units and places at most: a company with more of them needs another way.
const MOST: u32 = 10_000;

/// One thing that is remembered for a while.
#[derive(Debug)]
struct Memory<T>(Mutex<Option<(Instant, Arc<T>)>>);

impl<T> Memory<T> {
    const fn empty() -> Self {
        Self(Mutex::new(None))
    }

    fn get(&self) -> Option<Arc<T>> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, known) = memory.as_ref()?;
        (at.elapsed() < REMEMBERED).then(|| Arc::clone(known))
    }

    fn set(&self, known: T) -> Arc<T> {
        let known = Arc::new(known);
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *memory = Some((Instant::now(), Arc::clone(&known)));
        known
    }
}

/// The warehouses, and which place lies in which.
#[derive(Debug, Default)]
pub(super) struct Places {
    warehouses: HashMap<String, i64>,
    within: HashMap<i64, i64>,
}

impl Places {
    /// From all places of the warehouses.
    pub(super) fn of(places: &[wire::Place]) -> Self {
        let by_id: HashMap<i64, &wire::Place> =
            places.iter().map(|place| (place.id, place)).collect();
        let is_warehouse = |place: &wire::Place| place.kind == "warehouse";
        let mut found = Self::default();
        for place in places {
            if let Some(code) = place.code.as_ref().filter(|_| is_warehouse(place)) {
                found.warehouses.insert(code.clone(), place.id);
            }
            // Upwards to the nearest warehouse; a tree is never this deep.
            let above =
                std::iter::successors(Some(place), |place| by_id.get(&place.parent?).copied());
            if let Some(warehouse) = above.take(100).find(|place| is_warehouse(place)) {
                found.within.insert(place.id, warehouse.id);
            }
        }
        found
    }

    /// The warehouse of a site.
    pub(super) fn warehouse(&self, site: &str) -> Option<i64> {
        self.warehouses.get(site).copied()
    }

    /// The warehouse in which a place lies.
    pub(super) fn around(&self, place: i64) -> Option<i64> {
        self.within.get(&place).copied()
    }

    /// The places of these warehouses.
    pub(super) fn inside(&self, warehouses: &[i64]) -> Vec<i64> {
        let mut places: Vec<i64> = self
            .within
            .iter()
            .filter(|(_, warehouse)| warehouses.contains(warehouse))
            .map(|(place, _)| *place)
            .collect();
        places.sort_unstable();
        places
    }
}

/// What is remembered.
#[derive(Debug)]
pub(super) struct Codes {
    units: Memory<Units>,
    places: Memory<Places>,
    currencies: Memory<HashMap<String, i64>>,
}

impl Codes {
    pub(super) const fn new() -> Self {
        Self {
            units: Memory::empty(),
            places: Memory::empty(),
            currencies: Memory::empty(),
        }
    }

    /// Every unit.
    pub(super) async fn units(
        &self,
        tryton: &Tryton,
        context: &Context,
    ) -> Result<Arc<Units>, CallError> {
        if let Some(known) = self.units.get() {
            return Ok(known);
        }
        let search = Search::of(json!([]), MOST, wire::UNIT);
        let units = tryton.search_read("product.uom", &search, context).await?;
        Ok(self.units.set(Units::of(whole(units)?)))
    }

    /// Every warehouse with its places.
    pub(super) async fn places(
        &self,
        tryton: &Tryton,
        context: &Context,
    ) -> Result<Arc<Places>, CallError> {
        if let Some(known) = self.places.get() {
            return Ok(known);
        }
        let search = Search::of(
            json!([["type", "in", ["warehouse", "storage", "view"]]]),
            MOST,
            wire::PLACE,
        );
        let places: Vec<wire::Place> = tryton
            .search_read("stock.location", &search, context)
            .await?;
        Ok(self.places.set(Places::of(&whole(places)?)))
    }

    /// The id of a currency by its ISO 4217 code.
    pub(super) async fn currency(
        &self,
        tryton: &Tryton,
        context: &Context,
        code: &str,
    ) -> Result<Option<i64>, CallError> {
        if let Some(known) = self.currencies.get() {
            return Ok(known.get(code).copied());
        }
        let search = Search::of(json!([]), MOST, &["code"]);
        let found: Vec<wire::Coded> = tryton
            .search_read("currency.currency", &search, context)
            .await?;
        let by_code = whole(found)?
            .into_iter()
            .filter_map(|currency| Some((currency.code?, currency.id)))
            .collect();
        Ok(self.currencies.set(by_code).get(code).copied())
    }
}

/// All there is, or an error: what is cut off would look like what does not exist.
pub(super) fn whole<T>(rows: Vec<T>) -> Result<Vec<T>, CallError> {
    if u32::try_from(rows.len()).is_ok_and(|count| count < MOST) {
        return Ok(rows);
    }
    Err(CallError::protocol(format!(
        "Tryton has {MOST} records or more of one kind, which is more than is read at once"
    )))
}

/// The most records that [`whole`] takes.
pub(super) const MOST_ROWS: u32 = MOST;
