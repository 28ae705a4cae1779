//! A page of the portal as a type: what every layer has to read and write of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

type Text<'a> = Cow<'a, str>;

/// `GET /portal/v1/products`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page<'a> {
    #[serde(borrow)]
    items: Vec<Product<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Text<'a>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Product<'a> {
    #[serde(borrow)]
    item: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buyer_part_number: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gtin: Option<Text<'a>>,
    description: Text<'a>,
    base_unit: Text<'a>,
    sales_unit: Text<'a>,
    conversions: Vec<Conversion<'a>>,
    orderable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price<'a>>,
    price_on_request: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    availability: Option<Availability<'a>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Conversion<'a> {
    #[serde(borrow)]
    unit: Text<'a>,
    numerator: u32,
    denominator: u32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Price<'a> {
    #[serde(borrow)]
    breaks: Vec<Break<'a>>,
    as_of: Text<'a>,
    degraded: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Break<'a> {
    #[serde(borrow)]
    from_quantity: Text<'a>,
    unit_price: UnitPrice<'a>,
    source: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    promotion: Option<Promotion<'a>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Promotion<'a> {
    #[serde(borrow)]
    promotion: Text<'a>,
    description: Text<'a>,
    instead_of: UnitPrice<'a>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct UnitPrice<'a> {
    #[serde(borrow)]
    amount: Text<'a>,
    currency: Text<'a>,
    unit: Text<'a>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Availability<'a> {
    #[serde(borrow)]
    unit: Text<'a>,
    available_now: Text<'a>,
    sites: Vec<Site<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replenishment_days: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Text<'a>>,
    degraded: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Site<'a> {
    #[serde(borrow)]
    site: Text<'a>,
    available_now: Text<'a>,
    later: Vec<Later<'a>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Later<'a> {
    #[serde(borrow)]
    date: Text<'a>,
    available: Text<'a>,
}
