//! Prices, which Tryton resolves: it is asked what each quantity costs at which the account's list may change its price, with
//! one call for all items of one quantity and unit.
//!
//! The lines of a list begin at quantities in the base unit, or in the unit of sale where the list says so. In that unit what
//! holds at a break holds up to the next; in another one Tryton converts, in binary numbers, and is asked for the quantity.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use canonical_model::{AccountId, CompanyId, Currency, ItemNumber, UnitOfMeasure};
use rust_decimal::Decimal;
use serde_json::json;
use tracing::warn;

use super::{
    client::{TrytonErpConnector, active_or_not, only_asked},
    mapping::{self, Unit, Units},
    wire,
};
use crate::{
    connector::{Batch, ConnectorError},
    erp::connector::{PriceAsk, PriceEntry},
    tryton::{Context, values::Count},
};

/// Whose prices are asked, and what answers.
struct Buyer {
    list: Option<i64>,
    list_name: String,
    /// Whether the lines of the list begin at quantities in the unit of sale.
    breaks_in_sales_unit: bool,
    currency: Currency,
    context: Context,
}

/// A quantity whose price is part of the answer to an ask.
struct Part {
    unit_id: i64,
    unit: UnitOfMeasure,
    quantity: Decimal,
}

impl Part {
    fn of(unit: &Unit, quantity: Decimal) -> Self {
        Self {
            unit_id: unit.id,
            unit: unit.code,
            quantity: quantity.normalize(),
        }
    }
}

/// Prices by item, unit and quantity.
type Priced = BTreeMap<(String, i64, Decimal), wire::Price>;

impl TrytonErpConnector {
    pub(super) async fn read_prices(
        &self,
        company: &CompanyId,
        account: &AccountId,
        asks: &[PriceAsk],
    ) -> Result<Batch<PriceAsk, Vec<PriceEntry>>, ConnectorError> {
        let context = self.context(company).await?;
        let units = self.codes.units(&self.tryton, &context).await?;
        let buyer = self.buyer(account, context).await?;
        let codes: BTreeSet<&str> = asks.iter().map(|ask| ask.item.as_str()).collect();
        let products = self
            .products_by_code(&codes, wire::SOLD_PRODUCT, &buyer.context)
            .await?;
        let whatever = asks.iter().filter(|ask| ask.quantity.is_none());
        let whatever: BTreeSet<&str> = whatever.map(|ask| ask.item.as_str()).collect();
        let breaks = self.breaks(&buyer, &whatever).await?;

        let mut wanted: BTreeMap<(i64, Decimal), Vec<&wire::Product>> = BTreeMap::new();
        let mut parts: Vec<(&PriceAsk, Vec<Part>)> = Vec::new();
        let mut batch = Batch::default();
        for ask in asks {
            let code = ask.item.as_str();
            let Some(product) = products
                .iter()
                .find(|row| row.code.as_deref() == Some(code))
            else {
                continue;
            };
            match parts_of(ask, product, &units, (&buyer, breaks.get(code))) {
                Ok(of_it) => {
                    for part in &of_it {
                        let group = wanted.entry((part.unit_id, part.quantity)).or_default();
                        if !group.iter().any(|known| known.id == product.id) {
                            group.push(product);
                        }
                    }
                    parts.push((ask, of_it));
                }
                Err(reason) => batch.found.push((ask.clone(), no_price(&reason))),
            }
        }
        let priced = self.priced(wanted, &buyer.context).await?;
        for (ask, of_it) in parts {
            batch.take(entries(ask, &of_it, &priced, &buyer).map(|entries| (ask.clone(), entries)));
        }
        Ok(batch)
    }

    async fn buyer(&self, account: &AccountId, context: Context) -> Result<Buyer, ConnectorError> {
        let code = account.as_str();
        let parties: Vec<wire::Party> = self.parties(&[code], wire::PARTY, &context).await?;
        only_asked(
            parties.iter().map(|party| party.code.as_str()),
            &HashSet::from([code]),
        )?;
        let party = parties.into_iter().next().ok_or(ConnectorError::NotFound)?;
        let currency = party.customer_currency.as_ref().or(party.currency.as_ref());
        let currency_code = currency.and_then(|currency| currency.code.as_deref());
        let currency = currency_code.and_then(Currency::from_code);
        let currency =
            currency.ok_or_else(|| ConnectorError::protocol("an account has no currency"))?;
        let id = self
            .codes
            .currency(&self.tryton, &context, currency.code())
            .await?;
        let mut context = context.with("customer", party.id).with("currency", id);
        if let Some(list) = party.sale_price_list {
            context = context.with("price_list", list);
        }
        let list = party.list.unwrap_or_default();
        if list.tax_included {
            return Err(ConnectorError::protocol(
                "the account's price list is of gross prices, which Orderway does not follow: give it a net one",
            ));
        }
        Ok(Buyer {
            list: party.sale_price_list,
            list_name: list.name.unwrap_or_else(|| "list price".to_owned()),
            breaks_in_sales_unit: list.unit.as_deref() == Some("product_sale"),
            currency,
            context,
        })
    }

    /// From which quantities on an item may cost something else: 0, and the breaks of the list, in the list's unit.
    async fn breaks(
        &self,
        buyer: &Buyer,
        items: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, BTreeSet<Decimal>>, ConnectorError> {
        let mut breaks: BTreeMap<String, BTreeSet<Decimal>> = items
            .iter()
            .map(|item| ((*item).to_owned(), BTreeSet::from([Decimal::ZERO])))
            .collect();
        let (Some(list), false) = (buyer.list, items.is_empty()) else {
            return Ok(breaks);
        };
        let domain = json!([
            ["price_list", "=", list],
            ["quantity", ">", 0],
            ["OR", ["product.code", "in", items], ["product", "=", null]]
        ]);
        let model = "product.price_list.line";
        let lines: Vec<wire::ListLine> = self
            .search(model, domain, wire::LIST_LINE, &buyer.context)
            .await?;
        for line in lines {
            let Some(Count(quantity)) = line.quantity else {
                continue;
            };
            let code = line.product.map(|product| product.code.unwrap_or_default());
            for (item, of_it) in &mut breaks {
                if code.as_ref().is_none_or(|code| code == item) {
                    of_it.insert(quantity);
                }
            }
        }
        Ok(breaks)
    }

    /// What each quantity costs, with one call for all items of one quantity.
    async fn priced(
        &self,
        wanted: BTreeMap<(i64, Decimal), Vec<&wire::Product>>,
        context: &Context,
    ) -> Result<Priced, ConnectorError> {
        let mut priced = Priced::new();
        for ((unit, quantity), products) in wanted {
            let context = context
                .clone()
                .with("uom", unit)
                .with("quantity", json!(Count(quantity)));
            let ids: Vec<i64> = products.iter().map(|product| product.id).collect();
            let domain = json!([["id", "in", ids], active_or_not()]);
            let prices: Vec<wire::Price> = self
                .search("product.product", domain, wire::PRICE, &context)
                .await?;
            for price in prices {
                priced.insert((price.code.clone(), unit, quantity), price);
            }
        }
        Ok(priced)
    }
}

/// The quantity asked for, or each at which the price may change.
fn parts_of(
    ask: &PriceAsk,
    product: &wire::Product,
    units: &Units,
    (buyer, breaks): (&Buyer, Option<&BTreeSet<Decimal>>),
) -> Result<Vec<Part>, String> {
    if let Some(asked) = ask.quantity {
        let unit = units.find(product, asked.unit).ok_or_else(|| {
            let (item, unit) = (&ask.item, asked.unit.code());
            format!("{item} is asked for by {unit}, which Tryton does not sell it by")
        })?;
        return Ok(vec![Part::of(unit, asked.value)]);
    }
    let counted = if buyer.breaks_in_sales_unit {
        units.sold_by(product)
    } else {
        units.base(product)
    };
    let counted = counted.map_err(|error| error.to_string())?;
    // Orders name packs by code: where that means another one, the price would be that of another pack.
    if let Some(meant) = units.find(product, counted.code)
        && meant.id != counted.id
    {
        let (item, by, ordered) = (&ask.item, &counted.symbol, &meant.symbol);
        return Err(format!("{item} is priced by {by} and ordered by {ordered}"));
    }
    let breaks = breaks.into_iter().flatten();
    Ok(breaks.map(|at| Part::of(counted, *at)).collect())
}

/// An item whose prices cannot be told whole has none: kept as any answer, so that Tryton is not asked again for each page.
fn no_price(reason: &str) -> Vec<PriceEntry> {
    warn!(reason, "an item of Tryton has no price here");
    Vec::new()
}

/// The records of an ask; a break that changes nothing is left out.
fn entries(
    ask: &PriceAsk,
    parts: &[Part],
    priced: &Priced,
    buyer: &Buyer,
) -> Result<Vec<PriceEntry>, String> {
    let item: &ItemNumber = &ask.item;
    let mut entries: Vec<PriceEntry> = Vec::new();
    for part in parts {
        let row = priced.get(&(item.to_string(), part.unit_id, part.quantity));
        let row = row.ok_or_else(|| format!("Tryton told no price of {item}"))?;
        let at = (part.quantity, part.unit);
        let entry = mapping::price(&buyer.list_name, row, at, buyer.currency);
        let before = entries.last().map(|last| last.record.unit_price);
        match entry.map_err(|error| error.to_string())? {
            Some(entry) if before != Some(entry.record.unit_price) => entries.push(entry),
            // What is sold below must not be sold at that price above.
            None if before.is_some() => {
                let (from, unit) = (part.quantity, part.unit.code());
                return Ok(no_price(&format!("{item} has none from {from} {unit} on")));
            }
            Some(_) | None => {}
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use canonical_model::Quantity;
    use rust_decimal::dec;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    /// By its text, as it comes: quantities are read from theirs.
    fn read<T: DeserializeOwned>(value: Value) -> T {
        serde_json::from_str(&value.to_string()).unwrap()
    }

    /// The price points of bearings that are sold by the box of 12, as text: `EA 0`.
    fn points(asked: Option<Quantity>, breaks_in_sales_unit: bool) -> Vec<String> {
        points_of(asked, breaks_in_sales_unit, &[]).unwrap()
    }

    /// The same of bearings that have these further numbers.
    fn points_of(
        asked: Option<Quantity>,
        breaks_in_sales_unit: bool,
        numbers: &[&str],
    ) -> Result<Vec<String>, String> {
        let unit = |id: i64, symbol: &str, factor: f64| json!({"id": id, "symbol": symbol, "category": 1, "factor": factor, "digits": 0});
        let mut units = vec![unit(1, "u", 1.0), unit(2, "XCT-12", 12.0)];
        if !numbers.is_empty() {
            units.push(unit(3, "XCT-10", 10.0));
        }
        let numbers: Vec<Value> = numbers.iter().map(|code| json!({"code": code})).collect();
        let product: wire::Product = read(
            json!({"id": 7, "code": "SKU-0001", "name": null, "active": true, "salable": true,
            "default_uom": 1, "sale_uom": 2, "template.": {}, "identifiers.": numbers}),
        );
        let ask = PriceAsk {
            item: ItemNumber::new("SKU-0001").unwrap(),
            quantity: asked,
        };
        let breaks = BTreeSet::from([dec!(0), dec!(30)]);
        let units = Units::of(read(Value::Array(units)));
        let parts = parts_of(
            &ask,
            &product,
            &units,
            (&buyer(breaks_in_sales_unit), Some(&breaks)),
        );
        let told = parts?.into_iter();
        let told = told.map(|part| format!("{} {}", part.unit.code(), part.quantity));
        Ok(told.collect())
    }

    fn buyer(breaks_in_sales_unit: bool) -> Buyer {
        Buyer {
            list: Some(1),
            list_name: "Retail".to_owned(),
            breaks_in_sales_unit,
            currency: Currency::USD,
            context: Context::default(),
        }
    }

    #[test]
    fn a_price_may_change_at_the_breaks_in_the_unit_of_the_list() {
        assert_eq!(points(None, false), ["EA 0", "EA 30"]);
        assert_eq!(points(None, true), ["XCT 0", "XCT 30"]);
    }

    /// Orders of an `XCT` get the pack of which the product has a number.
    #[test]
    fn the_breaks_of_another_pack_than_orders_mean_are_none() {
        let ten = points_of(None, true, &["XCT-10:4006381333931"]);
        assert!(ten.unwrap_err().contains("ordered by XCT-10"));
        assert_eq!(
            points_of(None, false, &["XCT-10:4006381333931"])
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn a_quantity_that_is_asked_for_is_the_only_one() {
        let boxes = Quantity::new(dec!(4), UnitOfMeasure::from_code("XCT").unwrap());
        assert_eq!(points(Some(boxes), true), ["XCT 4"]);
    }

    /// The records at 0, 10 and 20, with these prices.
    fn told(prices: [Option<&str>; 3]) -> Result<Vec<Decimal>, String> {
        let ask = PriceAsk {
            item: ItemNumber::new("SKU-0001").unwrap(),
            quantity: None,
        };
        let each = UnitOfMeasure::from_code("EA").unwrap();
        let mut priced = Priced::new();
        let mut parts = Vec::new();
        for (at, price) in [dec!(0), dec!(10), dec!(20)].into_iter().zip(prices) {
            let amount = price.map(|price| json!({"__class__": "Decimal", "decimal": price}));
            let row = json!({"code": "SKU-0001", "sale_price_uom": amount});
            priced.insert(("SKU-0001".to_owned(), 1, at), read(row));
            parts.push(Part {
                unit_id: 1,
                unit: each,
                quantity: at,
            });
        }
        let entries = entries(&ask, &parts, &priced, &buyer(false))?;
        let breaks = entries.iter().map(|entry| entry.record.break_quantity);
        Ok(breaks.collect())
    }

    #[test]
    fn a_break_that_changes_nothing_is_left_out_and_one_without_a_price_is_no_price_of_before() {
        assert_eq!(
            told([Some("5"), Some("5"), Some("4")]),
            Ok(vec![dec!(0), dec!(20)])
        );
        assert_eq!(
            told([None, Some("5"), Some("4")]),
            Ok(vec![dec!(10), dec!(20)])
        );
        assert_eq!(told([None, None, None]), Ok(vec![]));
        assert_eq!(told([Some("5"), None, Some("5")]), Ok(vec![]));
    }
}
