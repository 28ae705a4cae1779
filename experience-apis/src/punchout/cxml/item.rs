//! What every line has, wherever it stands: the item's numbers, extrinsics, places.

use super::{
    fields::Faults,
    xml::{Element, inner_xml, is_visible},
};

/// Longest `SupplierPartAuxiliaryID`.
const MOST_AUXILIARY: usize = 100;
/// Longest part number that is passed on.
const MOST_PART: usize = 80;
/// Longest line of free text that is kept.
const MOST_TEXT: usize = 2_000;

/// The numbers of an item.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ItemId {
    /// Ours.
    pub supplier_part_id: String,
    /// What we gave the line when it left the shop: part of its identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auxiliary_id: Option<String>,
    /// The buyer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_part_id: Option<String>,
}

/// Data of the buyer's own: never needed, always kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Extrinsic {
    /// Its name.
    pub name: String,
    /// Its contents as XML.
    pub value: String,
}

/// An address as the buyer writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The buyer's number of it.
    pub address_id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The postal address, line by line: deliver to, street, city, state, postal code.
    pub lines: Vec<String>,
    /// The country, ISO 3166.
    pub country: Option<String>,
}

impl ItemId {
    /// Reads an `ItemID` that must be there.
    pub(super) fn read(holder: &Element, path: &str, faults: &mut Faults) -> Option<Self> {
        let path = format!("{path}/ItemID");
        let Some(id) = holder.first("ItemID") else {
            faults.add(&path, "is missing.");
            return None;
        };
        let part = id.first("SupplierPartID").map(Element::own_text);
        let part = part.unwrap_or_default();
        if !is_visible(&part, MOST_PART) {
            let sentence = format!("must be our item number, 1 to {MOST_PART} visible characters.");
            faults.add(&format!("{path}/SupplierPartID"), &sentence);
            return None;
        }
        let auxiliary = id.first("SupplierPartAuxiliaryID");
        let auxiliary_id = auxiliary.map(contents).filter(|text| !text.is_empty());
        if auxiliary_id
            .as_ref()
            .is_some_and(|text| text.chars().count() > MOST_AUXILIARY)
        {
            let sentence = "must come back as we sent it, at most 100 characters.";
            faults.add(&format!("{path}/SupplierPartAuxiliaryID"), sentence);
        }
        let buyer = id.first("BuyerPartID").map(Element::own_text);
        Some(Self {
            supplier_part_id: part,
            auxiliary_id,
            buyer_part_id: buyer.filter(|text| is_visible(text, MOST_PART)),
        })
    }
}

/// Text as text; anything else as XML.
fn contents(element: &Element) -> String {
    if element.elements().next().is_none() {
        element.own_text()
    } else {
        inner_xml(element).trim().to_owned()
    }
}

/// The Extrinsic elements directly inside an element.
pub(super) fn extrinsics(holder: &Element) -> Vec<Extrinsic> {
    let all = holder.named("Extrinsic").map(|extrinsic| Extrinsic {
        name: extrinsic.attribute("name").unwrap_or_default().to_owned(),
        value: inner_xml(extrinsic),
    });
    all.collect()
}

/// The texts of the Comments directly inside an element.
pub(super) fn comments(holder: &Element) -> Vec<String> {
    let texts = holder.named("Comments").map(Element::own_text);
    texts
        .filter(|text| !text.is_empty())
        .map(|text| text.chars().take(MOST_TEXT).collect())
        .collect()
}

/// The Address inside `ShipTo` or `BillTo`.
pub(super) fn place(holder: &Element, name: &str) -> Option<Place> {
    let address = holder.at(&[name, "Address"])?;
    let text = |element: &Element| Some(element.own_text()).filter(|text| !text.is_empty());
    let id = address.attribute("addressID").unwrap_or_default().trim();
    let postal = address.first("PostalAddress");
    let lines = ["DeliverTo", "Street", "City", "State", "PostalCode"]
        .iter()
        .flat_map(|name| postal.into_iter().flat_map(|postal| postal.named(name)));
    let country = postal.and_then(|postal| postal.first("Country"));
    let country = country.and_then(|country| country.attribute("isoCountryCode"));
    Some(Place {
        address_id: is_visible(id, MOST_PART).then(|| id.to_owned()),
        name: address.first("Name").and_then(text),
        lines: lines.filter_map(text).collect(),
        country: country.map(str::to_owned),
    })
}

/// The one-line description of an item.
pub(super) fn description(detail: &Element) -> Option<String> {
    let description = detail.first("Description")?;
    let short = description.first("ShortName").map(Element::own_text);
    let text = Some(description.own_text()).filter(|text| !text.is_empty());
    text.or(short)
        .map(|text| text.chars().take(MOST_TEXT).collect())
}
