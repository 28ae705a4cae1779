//! An OCI cart as buyers' systems post it: grouped by index, read leniently where there is no doubt, and with every doubt
//! named by field and index.

use std::collections::BTreeMap;

use canonical_model::{Currency, UnitOfMeasure};
use rust_decimal::Decimal;

use super::{
    fields::{Kind, in_book},
    name::{Named, named},
    number,
    units::Units,
};

/// Items of one cart.
const MOST_ITEMS: usize = 5_000;
/// Fields of one form.
pub(super) const MOST_FIELDS: usize = 200_000;
/// Characters of a name that are repeated in what is said of it: more than any of the book has.
const MOST_NAME: usize = 40;
/// Bytes of all names and values.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// A form of more than may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMuch {
    #[error("a cart may have {MOST_ITEMS} items: send several orders")]
    Items,
    #[error("a form may have {MOST_FIELDS} fields")]
    Fields,
    #[error("the names and values of a form may have {MOST_BYTES} bytes")]
    Bytes,
}

/// A field that cannot be acted on, or a remark about one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    /// As the book writes its name, with the index.
    pub(super) field: String,
    /// What about it.
    pub(super) what: String,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.field, self.what)
    }
}

/// A cart.
#[derive(Debug, Clone, Default)]
pub(super) struct Cart {
    /// In the order of their index.
    pub(super) items: Vec<Item>,
    /// What makes it no order; empty = nothing.
    pub(super) faults: Vec<Remark>,
    /// What was read past.
    pub(super) notes: Vec<Remark>,
}

/// An item.
#[derive(Debug, Clone, Default)]
pub(super) struct Item {
    pub(super) index: u32,
    pub(super) quantity: Option<Decimal>,
    /// Absent where MATNR says it.
    pub(super) unit: Option<UnitOfMeasure>,
    pub(super) price: Option<Decimal>,
    /// For how many units the price is.
    pub(super) price_unit: u32,
    pub(super) currency: Option<Currency>,
    pub(super) long_text: Option<String>,
    /// All other fields as they came, without blanks around them; extensions among them.
    pub(super) fields: BTreeMap<String, String>,
}

impl Item {
    /// A field by its name in capitals; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// What one unit costs; rounded where a division leaves no end.
    #[cfg(test)]
    pub(super) fn unit_price(&self) -> Option<Decimal> {
        let each = self.price?.checked_div(self.price_unit.into())?;
        Some(each.round_dp(9).normalize())
    }
}

/// Reads a cart from a form.
pub(super) fn read(fields: &[(String, String)], units: Units<'_>) -> Result<Cart, TooMuch> {
    let bytes = fields
        .iter()
        .map(|(name, value)| name.len().saturating_add(value.len()))
        .fold(0_usize, usize::saturating_add);
    if fields.len() > MOST_FIELDS {
        return Err(TooMuch::Fields);
    }
    if bytes > MOST_BYTES {
        return Err(TooMuch::Bytes);
    }
    let mut reading = Reading::default();
    for (name, value) in fields {
        reading.take(name, value)?;
    }
    Ok(reading.finish(units))
}

#[derive(Default)]
struct Reading {
    items: BTreeMap<u32, Item>,
    homeless: Vec<String>,
    cart: Cart,
}

impl Reading {
    fn take(&mut self, name: &str, value: &str) -> Result<(), TooMuch> {
        match named(name) {
            Named::Other => {}
            Named::Unplaced(field) => self.cart.faults.push(Remark {
                field: format!("NEW_ITEM-{}", shown(&field)),
                what: "has no index that could be read: write NEW_ITEM-QUANTITY[1]".to_owned(),
            }),
            Named::LongText(None) => self.homeless.push(value.trim().to_owned()),
            Named::LongText(Some(index)) => {
                let item = self.item(index)?;
                add_text(&mut item.long_text, value);
            }
            Named::Item(field, index) => {
                let value = value.trim();
                let item = self.item(index)?;
                match item.fields.get(&field) {
                    // An empty field says nothing, and so nothing else.
                    _ if value.is_empty() => {}
                    Some(before) if before != value => {
                        let what = "came twice, with two values: send it once".to_owned();
                        self.cart.faults.push(remark(&field, index, what));
                    }
                    _ => {
                        item.fields.insert(field, value.to_owned());
                    }
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, index: u32) -> Result<&mut Item, TooMuch> {
        if self.items.len() >= MOST_ITEMS && !self.items.contains_key(&index) {
            return Err(TooMuch::Items);
        }
        Ok(self.items.entry(index).or_insert_with(|| Item {
            index,
            price_unit: 1,
            ..Item::default()
        }))
    }

    fn finish(mut self, units: Units<'_>) -> Cart {
        let mut cart = std::mem::take(&mut self.cart);
        for (index, mut item) in self.items {
            if item.fields.is_empty() {
                let what = "no field says anything of it: it was passed over".to_owned();
                cart.notes.push(remark("*", index, what));
                continue;
            }
            settle(&mut item, units, &mut cart);
            cart.items.push(item);
        }
        match cart.items.as_mut_slice() {
            [only] => {
                for text in &self.homeless {
                    add_text(&mut only.long_text, text);
                }
            }
            _ if self.homeless.is_empty() => {}
            _ => cart.notes.push(Remark {
                field: "NEW_ITEM-LONGTEXT".to_owned(),
                what: "does not say which item it is of: it was passed over".to_owned(),
            }),
        }
        cart
    }
}

/// Makes of an item's fields what they mean.
fn settle(item: &mut Item, units: Units<'_>, cart: &mut Cart) {
    let index = item.index;
    let mut fault = |field: &str, what: String| cart.faults.push(remark(field, index, what));
    let fields = &item.fields;
    let text = |name: &str| fields.get(name).map(String::as_str);
    let material = text("MATNR");
    if material.or_else(|| text("DESCRIPTION")).is_none() {
        fault(
            "DESCRIPTION",
            "is missing, and so is MATNR: send one of the two".to_owned(),
        );
    }
    match text("QUANTITY").map(number::read) {
        None => fault("QUANTITY", "is missing".to_owned()),
        Some(Err(why)) => fault("QUANTITY", why.to_string()),
        Some(Ok(quantity)) if quantity <= Decimal::ZERO => {
            fault("QUANTITY", "must be more than zero".to_owned());
        }
        Some(Ok(quantity)) => item.quantity = Some(quantity),
    }
    match text("UNIT") {
        None if material.is_none() => fault("UNIT", "is missing: send an ISO code".to_owned()),
        None => {}
        Some(code) => {
            item.unit = units.read(code);
            if item.unit.is_none() {
                let what =
                    "is not known: send a listed ISO code, or have it added to the agreement";
                fault("UNIT", what.to_owned());
            }
        }
    }
    match text("PRICE").map(number::read) {
        None => {}
        Some(Err(why)) => fault("PRICE", why.to_string()),
        Some(Ok(price)) if price < Decimal::ZERO => {
            fault("PRICE", "must not be less than zero".to_owned());
        }
        Some(Ok(price)) => item.price = Some(price),
    }
    match text("PRICEUNIT").map(number::count) {
        None => {}
        Some(Some(count)) => item.price_unit = count,
        Some(None) => fault("PRICEUNIT", "must be a whole number above zero".to_owned()),
    }
    match text("CURRENCY") {
        None if text("PRICE").is_some() => {
            fault("CURRENCY", "is missing, and there is a PRICE".to_owned());
        }
        None => {}
        Some(code) => {
            item.currency = Currency::from_code(&code.to_ascii_uppercase());
            if item.currency.is_none() {
                let what = "is no ISO 4217 code, such as EUR".to_owned();
                fault("CURRENCY", what);
            }
        }
    }
    lengths(item, cart);
}

/// Numbers of somebody's that are longer than the book allows would be looked up in vain, or cut on the way.
fn lengths(item: &Item, cart: &mut Cart) {
    for (name, value) in &item.fields {
        let Some(field) = in_book(name).filter(|field| value.chars().count() > field.most) else {
            continue;
        };
        let what = format!("is longer than {} characters", field.most);
        match field.kind {
            // UNIT has said so already.
            Kind::Identifier if name != "UNIT" && name != "CURRENCY" => {
                cart.faults.push(remark(name, item.index, what));
            }
            _ => cart.notes.push(remark(name, item.index, what)),
        }
    }
}

fn remark(field: &str, index: u32, what: String) -> Remark {
    let field = format!("NEW_ITEM-{}[{index}]", shown(field));
    Remark { field, what }
}

fn shown(name: &str) -> String {
    name.chars().take(MOST_NAME).collect()
}

/// A long text may come in several lines.
fn add_text(text: &mut Option<String>, value: &str) {
    let value = value.trim();
    if value.is_empty() {
        return;
    }
    match text {
        None => *text = Some(value.to_owned()),
        Some(text) => {
            text.push('\n');
            text.push_str(value);
        }
    }
}
