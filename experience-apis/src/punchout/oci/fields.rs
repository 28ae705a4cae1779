//! The book of `NEW_ITEM` fields, and how an item that leaves is written in them.

use canonical_model::{Currency, UnitOfMeasure, money};
use rust_decimal::Decimal;

use super::{charset::Charset, units::Units};
use crate::punchout::lock::Lock;

/// What stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words for people: cut at the limit.
    Text,
    /// A number of somebody's: never cut.
    Identifier,
    /// A decimal number.
    Decimal,
    /// A whole number.
    Whole,
}

/// A field of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// Behind `NEW_ITEM-`.
    pub(super) name: &'static str,
    /// In characters.
    pub(super) most: usize,
    /// What stands in it.
    pub(super) kind: Kind,
}

const fn field(name: &'static str, most: usize, kind: Kind) -> Field {
    Field { name, most, kind }
}

/// All fields but LONGTEXT, which has no limit. Needed are DESCRIPTION or MATNR, QUANTITY, UNIT where there is no
/// MATNR, and CURRENCY where there is a PRICE.
pub(super) const BOOK: [Field; 30] = [
    field("DESCRIPTION", 40, Kind::Text),
    field("MATNR", 40, Kind::Identifier),
    field("QUANTITY", 15, Kind::Decimal),
    field("UNIT", 3, Kind::Identifier),
    field("PRICE", 15, Kind::Decimal),
    field("CURRENCY", 5, Kind::Identifier),
    field("PRICEUNIT", 5, Kind::Whole),
    field("LEADTIME", 5, Kind::Whole),
    field("VENDOR", 10, Kind::Identifier),
    field("VENDORMAT", 40, Kind::Identifier),
    field("MANUFACTCODE", 10, Kind::Identifier),
    field("MANUFACTMAT", 40, Kind::Identifier),
    field("MATGROUP", 10, Kind::Identifier),
    field("SERVICE", 1, Kind::Identifier),
    field("CONTRACT", 10, Kind::Identifier),
    field("CONTRACT_ITEM", 5, Kind::Identifier),
    field("EXT_QUOTE_ID", 35, Kind::Identifier),
    field("EXT_QUOTE_ITEM", 10, Kind::Identifier),
    field("EXT_PRODUCT_ID", 40, Kind::Identifier),
    field("ATTACHMENT", 255, Kind::Identifier),
    field("EXT_SCHEMA_TYPE", 10, Kind::Identifier),
    field("EXT_CATEGORY_ID", 60, Kind::Identifier),
    field("EXT_CATEGORY", 40, Kind::Text),
    field("CUST_FIELD1", 10, Kind::Text),
    field("CUST_FIELD2", 10, Kind::Text),
    field("CUST_FIELD3", 10, Kind::Text),
    field("CUST_FIELD4", 20, Kind::Text),
    field("CUST_FIELD5", 50, Kind::Text),
    field("ITEM_TYPE", 1, Kind::Identifier),
    field("PARENT_ID", 5, Kind::Identifier),
];

/// A field by its name in capitals.
pub(super) fn in_book(name: &str) -> Option<Field> {
    BOOK.into_iter().find(|field| field.name == name)
}

/// QUANTITY and PRICE are 11.3, in 15 characters; of a price, other decimals may be agreed.
const WHOLE_DIGITS: usize = 11;
const QUANTITY_DECIMALS: u32 = 3;
/// PRICEUNIT has five digits.
const PRICE_UNITS: [u32; 5] = [1, 10, 100, 1_000, 10_000];

/// An item that leaves.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub(super) description: &'a str,
    /// The buyer's own number, where it has one.
    pub(super) buyer_part_number: Option<&'a str>,
    pub(super) part_number: &'a str,
    pub(super) quantity: Decimal,
    pub(super) unit: UnitOfMeasure,
    /// Of one unit.
    pub(super) unit_price: Decimal,
    pub(super) currency: Currency,
    /// Days.
    pub(super) lead_time: Option<u32>,
    /// Eight digits.
    pub(super) unspsc: &'a str,
    /// Quote and line that hold the price.
    pub(super) lock: Option<Lock>,
}

/// How this partner wants items written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner<'a> {
    pub(super) charset: Charset,
    pub(super) units: Units<'a>,
    /// Behind the point in PRICE.
    pub(super) price_decimals: u32,
    /// MATGROUP of every item.
    pub(super) material_group: Option<&'a str>,
    /// The buyer's number for us.
    pub(super) vendor: Option<&'a str>,
}

/// Why an item cannot be written so that it would come back as the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("NEW_ITEM-{field}[{index}]: {why}")]
pub(in crate::punchout) struct Unwritable {
    pub(super) index: usize,
    pub(super) field: &'static str,
    pub(super) why: String,
}

/// Writes the items, from 1 without holes.
pub(super) fn write(
    items: &[Item<'_>],
    manner: &Manner<'_>,
) -> Result<Vec<(String, String)>, Unwritable> {
    let mut fields = Vec::with_capacity(items.len().saturating_mul(15));
    for (item, index) in items.iter().zip(1..) {
        one(item, index, manner, &mut fields).map_err(|(field, why)| Unwritable {
            index,
            field,
            why,
        })?;
    }
    Ok(fields)
}

type Fault = (&'static str, String);

fn one(
    item: &Item<'_>,
    index: usize,
    manner: &Manner<'_>,
    fields: &mut Vec<(String, String)>,
) -> Result<(), Fault> {
    let charset = manner.charset;
    let mut put = |name: &'static str, value: Option<String>| -> Result<(), Fault> {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            fits(name, &value, charset)?;
            fields.push((format!("NEW_ITEM-{name}[{index}]"), value));
        }
        Ok(())
    };
    let own = |text: &str| Some(text.to_owned());
    let (description, whole) = description(item.description, charset);
    put("DESCRIPTION", Some(description))?;
    put("MATNR", item.buyer_part_number.and_then(own))?;
    put("QUANTITY", Some(quantity(item.quantity)?))?;
    let unit = manner.units.write(item.unit).ok_or_else(|| {
        let why = format!(
            "{} has no ISO code of three characters: agree on one under [oci.units]",
            item.unit
        );
        ("UNIT", why)
    })?;
    put("UNIT", Some(unit))?;
    let (price, price_unit) = price(item, manner.price_decimals)?;
    put("PRICE", Some(price))?;
    put("CURRENCY", own(item.currency.code()))?;
    put("PRICEUNIT", Some(price_unit.to_string()))?;
    put("LEADTIME", item.lead_time.map(|days| days.to_string()))?;
    put("VENDOR", manner.vendor.and_then(own))?;
    put("VENDORMAT", own(item.part_number))?;
    put("MATGROUP", manner.material_group.and_then(own))?;
    if let Some(Lock { quote, line }) = item.lock {
        put("EXT_QUOTE_ID", Some(quote.0.simple().to_string()))?;
        put("EXT_QUOTE_ITEM", Some(line.to_string()))?;
    }
    put("EXT_PRODUCT_ID", own(item.part_number))?;
    put("EXT_SCHEMA_TYPE", own("UNSPSC"))?;
    put("EXT_CATEGORY_ID", own(item.unspsc))?;
    if let Some(whole) = whole {
        fields.push((format!("NEW_ITEM-LONGTEXT_{index}:132[]"), whole));
    }
    Ok(())
}

/// What is too long, or would not be the same after it was posted, is not sent.
fn fits(name: &'static str, value: &str, charset: Charset) -> Result<(), Fault> {
    let Some(field) = in_book(name) else {
        return Ok(());
    };
    if value.chars().count() > field.most {
        let why = format!(
            "`{value}` is longer than {} characters, and is not cut",
            field.most
        );
        return Err((name, why));
    }
    let whole = value.split('.').next().map_or(0, str::len);
    if field.kind == Kind::Decimal && whole > WHOLE_DIGITS {
        let why = format!("`{value}` has more than {WHOLE_DIGITS} digits before the point");
        return Err((name, why));
    }
    let lacking = |character: &char| !charset.holds(*character) || character.is_control();
    if field.kind != Kind::Text
        && let Some(character) = value.chars().find(lacking)
    {
        let why = format!(
            "`{value}` has {character:?}, which {} does not have: agree on UTF-8",
            charset.name()
        );
        return Err((name, why));
    }
    Ok(())
}

/// One line of it within the limit, and all of it where that is not enough. References count as they are posted.
fn description(text: &str, charset: Charset) -> (String, Option<String>) {
    let most = in_book("DESCRIPTION").map_or(0, |field| field.most);
    let seen: String = text
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    let words: Vec<&str> = seen.split_whitespace().collect();
    let line = words.join(" ");
    let whole = charset.fit(&line);
    if whole.chars().count() <= most {
        return (whole, None);
    }
    let mut cut = String::new();
    let mut length = 0_usize;
    for character in line.chars() {
        let posted = charset.posted(character);
        length = length.saturating_add(posted.chars().count());
        if length > most {
            break;
        }
        cut.push_str(&posted);
    }
    (cut.trim_end().to_owned(), Some(whole))
}

fn quantity(quantity: Decimal) -> Result<String, Fault> {
    let quantity = quantity.normalize();
    if quantity <= Decimal::ZERO || quantity.scale() > QUANTITY_DECIMALS {
        let why = format!("`{quantity}` is not above zero with at most three decimals");
        return Err(("QUANTITY", why));
    }
    Ok(quantity.to_string())
}

/// PRICE and the least PRICEUNIT under which it is exact.
fn price(item: &Item<'_>, decimals: u32) -> Result<(String, u32), Fault> {
    let exact = PRICE_UNITS.into_iter().find_map(|unit| {
        let price = item.unit_price.checked_mul(unit.into())?.normalize();
        (price.scale() <= decimals).then_some((price, unit))
    });
    let sound = exact.filter(|_| item.unit_price >= Decimal::ZERO);
    let Some((mut price, unit)) = sound else {
        let why = format!(
            "`{}` cannot be written exactly with {decimals} decimals and a PRICEUNIT of five digits",
            item.unit_price
        );
        return Err(("PRICE", why));
    };
    let usual = money::scale(item.currency).min(decimals);
    if price.scale() < usual {
        price.rescale(usual);
    }
    Ok((price.to_string(), unit))
}
