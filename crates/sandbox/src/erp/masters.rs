//! Customers and materials.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::wire::{Message, Outcome, Page, flag, keys};
use crate::seed::{Account, Address, Identifier, IdentifierScheme, Item, ItemStatus, ShipTo};
use crate::units::erp_code;

#[derive(Deserialize)]
pub(super) struct CustomerKeys {
    #[serde(rename = "KUNNR", default)]
    customers: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Customers {
    #[serde(rename = "CUSTOMERS")]
    customers: Vec<Customer>,
    #[serde(rename = "MORE", skip_serializing_if = "Option::is_none")]
    more: Option<&'static str>,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Customer {
    kunnr: String,
    name1: String,
    hkunnr: String,
    konda: String,
    waers: String,
    zterm: String,
    ztage: String,
    status: &'static str,
    aufsd: &'static str,
    #[serde(flatten)]
    address: WireAddress,
    ident: Vec<Ident>,
    shipto: Vec<WireShipTo>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct WireShipTo {
    kunwe: String,
    name1: String,
    #[serde(flatten)]
    address: WireAddress,
    ident: Vec<Ident>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct WireAddress {
    stras: String,
    ort01: String,
    regio: String,
    pstlz: String,
    land1: String,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Ident {
    idtype: &'static str,
    idnumber: String,
}

pub(super) fn customer_getdetail(book: &mut Book, request: CustomerKeys) -> Outcome<Customers> {
    let mut answer = Customers {
        customers: Vec::new(),
        more: None,
        messages: Vec::new(),
    };
    for key in keys(&request.customers, "KUNNR")? {
        match book.accounts.get(key) {
            Some(account) => answer.customers.push(customer(account)),
            None => answer.messages.push(Message::unknown_customer(key)),
        }
    }
    Ok(answer)
}

pub(super) fn customer_getlist(book: &mut Book, page: Page) -> Outcome<Customers> {
    let (customers, more) = page.cut(book.accounts.values().map(customer))?;
    Ok(Customers {
        customers,
        more: Some(more),
        messages: Vec::new(),
    })
}

fn customer(account: &Account) -> Customer {
    Customer {
        kunnr: account.id.clone(),
        name1: account.name.clone(),
        hkunnr: account.parent.clone().unwrap_or_default(),
        konda: account.price_group.clone().unwrap_or_default(),
        waers: account.currency.clone(),
        zterm: account.payment_terms.clone(),
        ztage: account.payment_days.to_string(),
        status: if account.active { "A" } else { "C" },
        aufsd: flag(account.blocked),
        address: address(&account.address),
        ident: idents(&account.identifiers),
        shipto: account.ship_tos.iter().map(ship_to).collect(),
    }
}

fn ship_to(place: &ShipTo) -> WireShipTo {
    WireShipTo {
        kunwe: place.id.clone(),
        name1: place.name.clone(),
        address: address(&place.address),
        ident: idents(&place.identifiers),
    }
}

fn address(address: &Address) -> WireAddress {
    WireAddress {
        stras: address.street.clone(),
        ort01: address.city.clone(),
        regio: address.region.clone(),
        pstlz: address.postal_code.clone(),
        land1: address.country.clone(),
    }
}

fn idents(identifiers: &[Identifier]) -> Vec<Ident> {
    identifiers
        .iter()
        .map(|identifier| Ident {
            idtype: match identifier.scheme {
                IdentifierScheme::Duns => "DUNS",
                IdentifierScheme::Gln => "GLN",
                IdentifierScheme::Location => "LOC",
                IdentifierScheme::Other => "OTH",
            },
            idnumber: identifier.value.clone(),
        })
        .collect()
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub(super) struct MaterialQuery {
    kunnr: String,
    search: String,
    matnr: Vec<String>,
    kdmat: Vec<String>,
    ean11: Vec<String>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
pub(super) struct Materials {
    #[serde(rename = "MATERIALS")]
    materials: Vec<Material>,
    #[serde(rename = "MORE")]
    more: &'static str,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Material {
    matnr: String,
    maktx: String,
    matkl: String,
    unspsc: String,
    meins: String,
    mstae: &'static str,
    ean11: String,
    plifz: String,
    units: Vec<Unit>,
    knmt: Vec<CustomerMaterial>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Unit {
    meinh: String,
    isocode: String,
    umrez: String,
    umren: String,
    ean11: String,
    base: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct CustomerMaterial {
    kunnr: String,
    kdmat: String,
}

pub(super) fn material_getlist(book: &mut Book, request: MaterialQuery) -> Outcome<Materials> {
    let lineage = book.lineage(&request.kunnr);
    if !request.kunnr.is_empty() && lineage.is_empty() {
        return Err(vec![Message::unknown_customer(&request.kunnr)]);
    }
    let numbers = keys(&request.matnr, "MATNR")?;
    let unknown = numbers.iter().filter(|key| !book.items.contains_key(**key));
    let messages = unknown.map(|key| Message::unknown_material(key)).collect();
    let named = named(book, &lineage, &request, numbers)?;
    let candidates: Box<dyn Iterator<Item = &Item>> = match &named {
        Some(ids) => Box::new(ids.iter().filter_map(|id| book.items.get(*id))),
        None => Box::new(book.items.values()),
    };
    let search = request.search.to_lowercase();
    let found = candidates
        .map(|item| (item, part_numbers(book, &lineage, item)))
        .filter(|(item, parts)| search.is_empty() || matches(item, parts, &search))
        .map(|(item, parts)| material(item, &parts));
    let (materials, more) = request.page.cut(found)?;
    Ok(Materials {
        materials,
        more,
        messages,
    })
}

/// The materials the key lists name; none if there are no keys at all.
fn named<'a>(
    book: &'a Book,
    lineage: &[&'a Account],
    request: &'a MaterialQuery,
    numbers: Vec<&'a str>,
) -> Outcome<Option<BTreeSet<&'a str>>> {
    let parts = keys(&request.kdmat, "KDMAT")?;
    let gtins = keys(&request.ean11, "EAN11")?;
    if numbers.is_empty() && parts.is_empty() && gtins.is_empty() {
        return Ok(None);
    }
    let mut named: BTreeSet<&str> = numbers.into_iter().collect();
    if !parts.is_empty() {
        let rows = lineage.iter().flat_map(|account| &account.part_numbers);
        let hits = rows.filter(|row| parts.binary_search(&row.part_number.as_str()).is_ok());
        named.extend(hits.map(|row| row.item.as_str()));
    }
    if !gtins.is_empty() {
        let hit = |item: &&Item| gtins_of(item).any(|gtin| gtins.binary_search(&gtin).is_ok());
        let items = book.items.values().filter(hit);
        named.extend(items.map(|item| item.id.as_str()));
    }
    Ok(Some(named))
}

/// Account and part number of each account in line that has its own for the item.
fn part_numbers<'a>(
    book: &'a Book,
    lineage: &[&'a Account],
    item: &Item,
) -> Vec<(&'a str, &'a str)> {
    let mut parts = Vec::new();
    for account in lineage {
        let own = book.part_numbers_of(&account.id, &item.id);
        parts.extend(own.iter().map(|part| (account.id.as_str(), part.as_str())));
    }
    parts
}

fn gtins_of(item: &Item) -> impl Iterator<Item = &str> {
    let others = item
        .alternate_units
        .iter()
        .filter_map(|unit| unit.gtin.as_deref());
    item.gtin.as_deref().into_iter().chain(others)
}

fn matches(item: &Item, parts: &[(&str, &str)], search: &str) -> bool {
    let hit = |text: &str| text.to_lowercase().contains(search);
    hit(&item.id)
        || hit(&item.description)
        || gtins_of(item).any(hit)
        || parts.iter().any(|(_, part)| hit(part))
}

fn material(item: &Item, parts: &[(&str, &str)]) -> Material {
    Material {
        matnr: item.id.clone(),
        maktx: item.description.clone(),
        matkl: item.family.clone(),
        unspsc: item.unspsc.clone().unwrap_or_default(),
        meins: erp_code(&item.base_unit).to_owned(),
        mstae: match item.status {
            ItemStatus::Active => "",
            ItemStatus::Discontinued => "Z9",
        },
        ean11: item.gtin.clone().unwrap_or_default(),
        plifz: item.lead_time_days.to_string(),
        units: units(item),
        knmt: parts
            .iter()
            .map(|(holder, part)| CustomerMaterial {
                kunnr: (*holder).to_owned(),
                kdmat: (*part).to_owned(),
            })
            .collect(),
    }
}

fn units(item: &Item) -> Vec<Unit> {
    let base = Unit {
        meinh: erp_code(&item.base_unit).to_owned(),
        isocode: item.base_unit.clone(),
        umrez: "1".to_owned(),
        umren: "1".to_owned(),
        ean11: item.gtin.clone().unwrap_or_default(),
        base: "X",
    };
    let others = item.alternate_units.iter().map(|unit| Unit {
        meinh: erp_code(&unit.unit).to_owned(),
        isocode: unit.unit.clone(),
        umrez: unit.numerator.to_string(),
        umren: unit.denominator.to_string(),
        ean11: unit.gtin.clone().unwrap_or_default(),
        base: "",
    });
    std::iter::once(base).chain(others).collect()
}

#[derive(Deserialize)]
pub(super) struct MaterialKeys {
    #[serde(rename = "MATNR", default)]
    materials: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Units {
    #[serde(rename = "UNITS")]
    units: Vec<MaterialUnit>,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
struct MaterialUnit {
    #[serde(rename = "MATNR")]
    material: String,
    #[serde(flatten)]
    unit: Unit,
}

pub(super) fn material_getunits(book: &mut Book, request: MaterialKeys) -> Outcome<Units> {
    let mut answer = Units {
        units: Vec::new(),
        messages: Vec::new(),
    };
    for key in keys(&request.materials, "MATNR")? {
        let Some(item) = book.items.get(key) else {
            answer.messages.push(Message::unknown_material(key));
            continue;
        };
        answer
            .units
            .extend(units(item).into_iter().map(|unit| MaterialUnit {
                material: item.id.clone(),
                unit,
            }));
    }
    Ok(answer)
}
