//! The approved cart on its way back, as an order: the fields of `NEW_ITEM` as they left, and a purchase order number. Pure.

use std::collections::BTreeSet;

use canonical_model::{Money, PurchaseOrderNumber};
use jiff::civil::Date;
use rust_decimal::Decimal;
use service_runtime::problem::{FieldError, Problem, codes as generic};

use super::{
    cart::units,
    name::{Named, named},
    params::Params,
    read::{self, Item, Remark},
};
use crate::punchout::{
    cxml::item::Place,
    lock::Lock,
    orders::{Brought, Ordered, OrderedLine, Purpose},
    profile::{Oci, Profile},
};

/// The fields of an order beside those of its items.
const HEADING: [&str; 3] = ["PO_NUMBER", "REQUESTED_DATE", "SHIP_TO"];
/// As many faults as one answer tells.
const MOST_TOLD: usize = 100;
/// As many remarks as one line of the log holds.
const MOST_NOTED: usize = 20;
/// The longest code of a place.
const LONGEST_PLACE: usize = 100;
/// Digits behind the point of a unit price.
const PRICE_DIGITS: u32 = 9;

/// An order that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) ordered: Ordered,
    /// What was read past, for the log.
    pub(super) notes: Vec<String>,
}

/// Reads an order; every fault of every field is told at once.
pub(super) fn read(profile: &Profile, oci: &Oci, params: &Params) -> Result<Read, Problem> {
    let cart = read::read(params.fields(), units(profile, oci));
    let cart = cart.map_err(|much| Problem::new(generic::PAYLOAD_TOO_LARGE, format!("{much}.")))?;
    let mut faults: Vec<FieldError> = cart.faults.iter().map(fault).collect();
    let number = heading(params, "PO_NUMBER", &mut faults).and_then(|text| {
        let number = PurchaseOrderNumber::new(text);
        number
            .map_err(|error| faults.push(wrong("PO_NUMBER", format!("{error}."))))
            .ok()
    });
    if number.is_none() && !faults.iter().any(|fault| fault.pointer == "PO_NUMBER") {
        let what = "Send the number of your purchase order.";
        faults.push(wrong("PO_NUMBER", what));
    }
    let date = heading(params, "REQUESTED_DATE", &mut faults).and_then(|text| {
        let date = date(text);
        if date.is_none() {
            let what = "Send a date as 2026-03-09 or 20260309.";
            faults.push(wrong("REQUESTED_DATE", what));
        }
        date
    });
    let ship_to = heading(params, "SHIP_TO", &mut faults);
    if ship_to.is_some_and(|place| place.chars().count() > LONGEST_PLACE) {
        let what = format!("A place has at most {LONGEST_PLACE} characters.");
        faults.push(wrong("SHIP_TO", what));
    }
    let lines: Vec<OrderedLine> = cart
        .items
        .iter()
        .filter_map(|item| line(item, &mut faults))
        .collect();
    if cart.items.is_empty() && cart.faults.is_empty() {
        let what = "Send the items of the cart, as they left.";
        faults.push(wrong("NEW_ITEM-QUANTITY[1]", what));
    }
    match number {
        Some(number) if faults.is_empty() => Ok(Read {
            ordered: Ordered {
                number,
                purpose: Purpose::New,
                total: None,
                ship_to: ship_to.map(|id| Place {
                    address_id: Some(id.to_owned()),
                    ..Place::default()
                }),
                requested_delivery_date: date,
                ship_complete: false,
                lines,
                unsound: Vec::new(),
            },
            notes: cart
                .notes
                .iter()
                .take(MOST_NOTED)
                .map(ToString::to_string)
                .collect(),
        }),
        _ => {
            faults.truncate(MOST_TOLD);
            Err(Problem::validation(faults))
        }
    }
}

/// The order alone, in one spelling: what is stored, and by which the same once more is known. No login is in it, since
/// no field is but those of items and heading.
pub(super) fn kept_form(params: &Params) -> String {
    let fields: BTreeSet<(String, &str)> = params
        .fields()
        .iter()
        .filter_map(|(name, value)| {
            let name = name.trim().to_ascii_uppercase();
            let kept = HEADING.contains(&name.as_str()) || named(&name) != Named::Other;
            let value = value.trim();
            (kept && !value.is_empty()).then_some((name, value))
        })
        .collect();
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn heading<'a>(
    params: &'a Params,
    name: &'static str,
    faults: &mut Vec<FieldError>,
) -> Option<&'a str> {
    match params.text(name) {
        Ok(text) => text,
        Err(twice) => {
            faults.push(wrong(name, format!("{twice}.")));
            None
        }
    }
}

fn line(item: &Item, faults: &mut Vec<FieldError>) -> Option<OrderedLine> {
    let mut tell = |field: &str, what: &str| {
        faults.push(wrong(&format!("NEW_ITEM-{field}[{}]", item.index), what));
    };
    let (number, product) = (item.get("VENDORMAT"), item.get("EXT_PRODUCT_ID"));
    let Some(part) = number.or(product) else {
        tell("VENDORMAT", "Send our part number, as it left.");
        return None;
    };
    if product.is_some_and(|product| product != part) {
        tell(
            "VENDORMAT",
            "VENDORMAT and EXT_PRODUCT_ID name two products: send both as they left.",
        );
        return None;
    }
    Some(OrderedLine {
        number: item.index,
        part: part.to_owned(),
        buyer_part: item.get("MATNR").map(str::to_owned),
        lock: lock(item),
        // Without one there is a fault already.
        quantity: item.quantity?,
        unit: item.unit,
        unit_price: unit_price(item),
        date: None,
        schedule: Vec::new(),
        ship_to: None,
    })
}

/// Buyers' systems write the one in capitals and put zeros before the other.
fn lock(item: &Item) -> Brought {
    match (item.get("EXT_QUOTE_ID"), item.get("EXT_QUOTE_ITEM")) {
        (None, None) => Brought::Nothing,
        (Some(quote), Some(line)) => {
            let lock = Lock::of_parts(&quote.to_ascii_lowercase(), line.trim_start_matches('0'));
            lock.map_or(Brought::Foreign, Brought::Lock)
        }
        _ => Brought::Foreign,
    }
}

fn unit_price(item: &Item) -> Option<Money> {
    let each = item.price?.checked_div(Decimal::from(item.price_unit))?;
    Some(Money::new(
        each.round_dp(PRICE_DIGITS).normalize(),
        item.currency?,
    ))
}

fn date(text: &str) -> Option<Date> {
    let plain: String = match text.len() {
        8 if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            let (year, rest) = text.split_at_checked(4)?;
            let (month, day) = rest.split_at_checked(2)?;
            format!("{year}-{month}-{day}")
        }
        10 => text.to_owned(),
        _ => return None,
    };
    plain.parse().ok()
}

fn fault(remark: &Remark) -> FieldError {
    let Remark { field, what } = remark;
    wrong(field, format!("{field} {what}."))
}

fn wrong(field: &str, what: impl Into<String>) -> FieldError {
    FieldError::new(field, "invalid-value", what)
}
