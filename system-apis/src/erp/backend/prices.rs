//! Prices of an ERP: which asks a question becomes, and what their answers are together.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use canonical_model::{
    CompanyId, ItemNumber, Quantity, ShipToId,
    capabilities::PriceSource,
    price::{PriceQuery, PriceSchedule, WantedQuantity},
};

use super::{Buyer, ErpBackend, Facts};
use crate::{
    erp::connector::{PriceAsk, PriceEntry},
    guard::{Fact, GuardError, Provenance, Terms},
};

/// What the source said to an ask.
type PriceFact = (PriceAsk, Arc<Fact<Vec<PriceEntry>>>);

impl ErpBackend {
    /// Price schedules in the order asked; records for other delivery addresses are left out. While the ERP does not
    /// answer, items whose prices are not kept are absent.
    pub async fn prices(
        &self,
        company: &CompanyId,
        query: PriceQuery,
        terms: Terms,
    ) -> Result<Facts<Vec<PriceSchedule>>, GuardError> {
        let buyer = Buyer {
            company: company.clone(),
            account: query.account,
        };
        let can = self.connector.capabilities();
        let each = can.prices_each_quantity;
        let mut asked = price_asks(query.items, if each { &query.quantities } else { &[] });
        let (mut told, mut provenance) = self.price_facts(&buyer, &asked, terms).await?;
        if can.price_source == PriceSource::Resolved && !each {
            let further = in_other_units(&query.quantities, &told);
            let (more, from) = match self.price_facts(&buyer, &further, terms).await {
                Err(error) if error.allows_stale() => {
                    (Vec::new(), Provenance::untold(further.len()))
                }
                more => more?,
            };
            told.extend(more);
            provenance = provenance.and(from);
            asked.extend(further);
        }
        leave_out_half_told(&asked, &mut told);
        let schedules = schedules(&buyer, query.ship_to.as_ref(), &told);
        Ok((schedules, provenance))
    }

    async fn price_facts(
        &self,
        buyer: &Buyer,
        asks: &[PriceAsk],
        terms: Terms,
    ) -> Result<Facts<Vec<PriceFact>>, GuardError> {
        if asks.is_empty() {
            return Ok(Facts::default());
        }
        let answer = self.prices.get_known(buyer, asks.to_vec(), terms).await?;
        let told = asks.iter().filter_map(|ask| {
            let fact = answer.facts.get(ask)?;
            Some((ask.clone(), Arc::clone(fact)))
        });
        Ok((told.collect(), answer.provenance))
    }
}

/// One ask an item, and none for a quantity that is not told apart; of an item of which quantities are, one for each.
fn price_asks(items: Vec<ItemNumber>, wanted: &[WantedQuantity]) -> Vec<PriceAsk> {
    let mut quantities: HashMap<&ItemNumber, Vec<Quantity>> = HashMap::new();
    for of in wanted {
        quantities.entry(&of.item).or_default().push(of.quantity);
    }
    let mut asks = Vec::with_capacity(items.len());
    let mut seen = HashSet::new();
    for item in items.into_iter().filter(|item| seen.insert(item.clone())) {
        let of_it = quantities.remove(&item).unwrap_or_default();
        let whatever = of_it.is_empty().then_some(None);
        let each = of_it.into_iter().map(Some).chain(whatever);
        asks.extend(each.map(|quantity| PriceAsk {
            item: item.clone(),
            quantity,
        }));
    }
    asks
}

/// The quantities in a unit in which no record of their item is.
fn in_other_units(wanted: &[WantedQuantity], told: &[PriceFact]) -> Vec<PriceAsk> {
    let records: HashMap<&ItemNumber, &[PriceEntry]> = told
        .iter()
        .map(|(ask, fact)| (&ask.item, fact.value.as_slice()))
        .collect();
    let is_other = |of: &&WantedQuantity| {
        let records = records.get(&of.item).copied().unwrap_or_default();
        let in_unit = |entry: &PriceEntry| entry.record.unit == of.quantity.unit;
        !records.is_empty() && !records.iter().any(in_unit)
    };
    wanted
        .iter()
        .filter(is_other)
        .map(|of| PriceAsk {
            item: of.item.clone(),
            quantity: Some(of.quantity),
        })
        .collect()
}

/// Leaves out items of which the price of some quantity that was asked for is not there: that of another quantity, or of another
/// unit, is not what the source would say of this one.
fn leave_out_half_told(asked: &[PriceAsk], told: &mut Vec<PriceFact>) {
    let has_price: HashSet<&PriceAsk> = told
        .iter()
        .filter(|(_, fact)| !fact.value.is_empty())
        .map(|(ask, _)| ask)
        .collect();
    let by_quantity = asked.iter().filter(|ask| ask.quantity.is_some());
    let missing: HashSet<ItemNumber> = by_quantity
        .filter(|ask| !has_price.contains(ask))
        .map(|ask| ask.item.clone())
        .collect();
    told.retain(|(ask, _)| !missing.contains(&ask.item));
}

/// What is known of each item, in the order in which they come first; it is as old as its oldest record.
fn schedules(buyer: &Buyer, ship_to: Option<&ShipToId>, told: &[PriceFact]) -> Vec<PriceSchedule> {
    let mut schedules: Vec<PriceSchedule> = Vec::new();
    let mut places: HashMap<&ItemNumber, usize> = HashMap::new();
    for (ask, fact) in told {
        let as_of = fact.started.as_of;
        let records = fact.value.iter();
        let records = records
            .filter(|entry| entry.ship_to.is_none() || entry.ship_to.as_ref() == ship_to)
            .map(|entry| entry.record.clone());
        let place = *places.entry(&ask.item).or_insert(schedules.len());
        match schedules.get_mut(place) {
            Some(schedule) => {
                schedule.records.extend(records);
                schedule.as_of = schedule.as_of.min(as_of);
            }
            None => schedules.push(PriceSchedule {
                company: buyer.company.clone(),
                account: buyer.account.clone(),
                item: ask.item.clone(),
                records: records.collect(),
                as_of,
            }),
        }
    }
    schedules
}

#[cfg(test)]
mod tests {
    use canonical_model::{
        Currency, UnitOfMeasure,
        price::{PriceLevel, PriceRecord, PromotionRule},
    };
    use rust_decimal::{Decimal, dec};
    use tokio::time::Instant;

    use super::*;
    use crate::guard::Started;

    fn item() -> ItemNumber {
        ItemNumber::new("SKU-0001").unwrap()
    }

    fn unit(code: &str) -> UnitOfMeasure {
        UnitOfMeasure::from_code(code).unwrap()
    }

    fn ask(quantity: Option<(Decimal, &str)>) -> PriceAsk {
        PriceAsk {
            item: item(),
            quantity: quantity.map(|(value, code)| Quantity::new(value, unit(code))),
        }
    }

    /// With a record of 5 in this unit from 0 on, or none.
    fn told(ask: PriceAsk, code: Option<&str>) -> PriceFact {
        let entry = |code| PriceEntry {
            ship_to: None,
            record: PriceRecord {
                record: "1".to_owned(),
                level: PriceLevel::Resolved,
                priority: 0,
                contract: None,
                unit_price: dec!(5),
                currency: Currency::USD,
                unit: unit(code),
                break_quantity: Decimal::ZERO,
                valid_from: None,
                valid_to: None,
                promotions: PromotionRule::Excluded,
                floor: None,
            },
        };
        let started = Started {
            as_of: "2026-11-20T12:00:00Z".parse().unwrap(),
            at: Instant::now(),
        };
        let records = code.map(entry).into_iter().collect();
        (ask, Arc::new(Fact::new(records, started)))
    }

    fn wanted(value: Decimal, code: &str) -> WantedQuantity {
        WantedQuantity {
            item: item(),
            quantity: Quantity::new(value, unit(code)),
        }
    }

    #[test]
    fn only_quantities_in_another_unit_than_the_records_are_asked_for() {
        let known = [told(ask(None), Some("EA"))];
        let of_both = [wanted(dec!(7), "EA"), wanted(dec!(2), "XCT")];
        assert_eq!(
            in_other_units(&of_both, &known),
            [ask(Some((dec!(2), "XCT")))]
        );
        let none = [told(ask(None), None)];
        assert_eq!(in_other_units(&of_both, &none), []);
        assert_eq!(in_other_units(&of_both, &[]), []);
    }

    #[test]
    fn the_price_of_one_quantity_is_not_told_for_another() {
        let (five, hundred) = (ask(Some((dec!(5), "EA"))), ask(Some((dec!(100), "EA"))));
        let asked = [five.clone(), hundred.clone()];
        let mut whole = vec![
            told(five.clone(), Some("EA")),
            told(hundred.clone(), Some("EA")),
        ];
        leave_out_half_told(&asked, &mut whole);
        assert_eq!(whole.len(), 2);
        let mut unknown = vec![told(five.clone(), Some("EA"))];
        leave_out_half_told(&asked, &mut unknown);
        assert!(unknown.is_empty());
        let mut unpriced = vec![told(five, Some("EA")), told(hundred, None)];
        leave_out_half_told(&asked, &mut unpriced);
        assert!(unpriced.is_empty());
        // Whatever the quantity: the records say so.
        let mut shown = vec![told(ask(None), Some("EA"))];
        leave_out_half_told(&[ask(None)], &mut shown);
        assert_eq!(shown.len(), 1);
    }
}
