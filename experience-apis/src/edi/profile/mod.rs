//! Partner profiles: what was agreed with each trading partner, one file a partner.

mod check;
mod load;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use canonical_model::{
    AccountId, CompanyId, ShipToId, UnitOfMeasure, item::ItemScheme, order::LinePolicy,
};
use edi::x12::{Delimiters, PartyId};
use serde::{Deserialize, Serialize};

pub use load::{ProfilesError, load};

/// A trading partner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its id: the user of its credential, its place in the address, and the name of its file.
    pub id: String,
    /// Who it is, for people.
    pub name: String,
    /// The company that sells to it.
    pub company: CompanyId,
    /// The account it orders for.
    pub account: AccountId,
    /// Its secrets; two while one replaces the other.
    pub credentials: Vec<Credential>,
    /// What we are called in its interchanges.
    pub us: Party,
    /// What it calls itself; the first is whom answers without an interchange of its own would go to.
    pub theirs: Vec<Party>,
    /// Beginnings of GS08 that were agreed, such as `004010`.
    pub versions: Vec<String>,
    /// Transaction sets that were agreed.
    #[serde(default = "purchase_orders")]
    pub sets: Vec<String>,
    /// Delimiters of what we send.
    #[serde(default)]
    pub delimiters: OutboundDelimiters,
    /// Qualifiers of product numbers (element 235), in the order in which they are tried.
    pub products: Vec<ProductRule>,
    /// How its delivery places are found.
    #[serde(default)]
    pub ship_to: ShipToRules,
    /// Units that mean something else than the standard list says: X12 code = UN/ECE code.
    #[serde(default)]
    pub units: BTreeMap<String, UnitOfMeasure>,
    /// Price bases (PO105) beside the standard list: X12 code = how many of the ordered unit a price is for.
    #[serde(default)]
    pub price_bases: BTreeMap<String, u32>,
    /// A line without a unit (PO103).
    #[serde(default)]
    pub unit_absent: UnitAbsent,
    /// What happens to an order in which a line is wrong.
    #[serde(default)]
    pub line_policy: LinePolicy,
    /// Take an ISA that is not 106 bytes long.
    #[serde(default)]
    pub allow_unpadded_isa: bool,
    /// Send an 855 with BAK02 AH while an order is held.
    #[serde(default)]
    pub acknowledge_holds: bool,
    /// The partner is being set up: nothing of it books, and production interchanges are refused.
    #[serde(default)]
    pub test_mode: bool,
    /// An order that contradicts itself (CTT, SCH, SDQ, doubled numbers).
    #[serde(default)]
    pub on_warning: OnWarning,
    /// A requested date that lies in the past.
    #[serde(default)]
    pub past_dates: PastDates,
    /// Order types (BEG02) that are never taken as an order.
    #[serde(default = "refused_order_types")]
    pub refused_order_types: Vec<String>,
}

/// A secret, as its hash.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Which one it is, for people.
    pub label: String,
    /// `pbkdf2-sha256$…`; never the secret itself.
    pub hash: String,
    /// Its secret is published: only development mode starts with it.
    #[serde(default)]
    pub development_only: bool,
}

/// A party as interchanges name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// ISA05 or ISA07.
    pub qualifier: String,
    /// ISA06 or ISA08.
    pub id: String,
    /// GS02 or GS03.
    pub application: String,
}

impl Party {
    /// As the envelope writes it.
    pub fn party_id(&self) -> PartyId {
        PartyId {
            qualifier: self.qualifier.as_str().into(),
            id: self.id.as_str().into(),
        }
    }
}

/// Delimiters of what we send, one character each.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundDelimiters {
    /// Between elements.
    pub element: char,
    /// Within an element (ISA16).
    pub component: char,
    /// After a segment.
    pub segment: char,
    /// Between repetitions (ISA11, from 00402 on).
    pub repetition: char,
}

impl Default for OutboundDelimiters {
    fn default() -> Self {
        Self {
            element: '*',
            component: '>',
            segment: '~',
            repetition: '^',
        }
    }
}

impl OutboundDelimiters {
    /// As bytes; what is no single byte becomes 0, which no writer takes.
    pub fn bytes(self) -> Delimiters {
        let byte = |character: char| u8::try_from(character).unwrap_or(0);
        Delimiters {
            element: byte(self.element),
            component: byte(self.component),
            segment: byte(self.segment),
            repetition: Some(byte(self.repetition)),
        }
    }
}

/// Whose product number stands under a qualifier.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductRule {
    /// Element 235.
    pub qualifier: String,
    /// Whose number.
    pub scheme: ItemScheme,
}

/// How delivery places are found: the table first, then the account's own identifiers, then its addresses.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShipToRules {
    /// Where an order goes that names no place; absent = the account's first address.
    pub default: Option<ShipToId>,
    /// Refuse an order that names no place.
    pub required: bool,
    /// A place that is named by name and address only, and matches no address of the account.
    pub unknown_address: UnknownAddress,
    /// An order whose lines go to several places (SDQ, or N1 ST at the lines).
    pub several_places: SeveralPlaces,
    /// Places by their code in the partner's documents.
    pub places: Vec<Place>,
}

/// A place by its code.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Element 66; absent = any.
    #[serde(default)]
    pub qualifier: Option<String>,
    /// Element 67.
    pub id: String,
    /// Our delivery address.
    pub ship_to: ShipToId,
}

/// What becomes of an address that is not the account's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownAddress {
    /// The order is refused.
    #[default]
    Reject,
    /// The order goes where one goes that names no place.
    UseDefault,
}

/// What becomes of an order for several places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeveralPlaces {
    /// It is refused: one order goes to one place.
    #[default]
    Reject,
    /// It goes to the place of the heading, whole, as to a distribution centre that sends it on.
    UseHeading,
}

/// What becomes of a line without a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitAbsent {
    /// The line is refused.
    #[default]
    Reject,
    /// The product's sales unit is meant.
    SalesUnit,
}

/// What becomes of an order that contradicts itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnWarning {
    /// It is refused with the reason.
    #[default]
    Reject,
    /// It is taken by its lines.
    Accept,
}

/// What becomes of a date in the past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PastDates {
    /// It is refused.
    #[default]
    Reject,
    /// As soon as possible is meant.
    AsSoonAsPossible,
}

fn purchase_orders() -> Vec<String> {
    vec!["850".to_owned()]
}

/// Estimated blanket orders, changes and information copies ask for nothing to be shipped.
fn refused_order_types() -> Vec<String> {
    ["BE", "CP", "IN"].map(str::to_owned).to_vec()
}
