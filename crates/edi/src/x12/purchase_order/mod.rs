//! The 850 as a purchase order: what was said, with no opinion about products, prices or partners.

mod reading;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::fault::SegmentFault;
use super::interchange::TransactionSet;
use super::schema;
use super::segment::Position;
use super::sets::po850;

/// What an 850 says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurchaseOrder {
    /// BEG01, element 353: 00 original, 01 cancellation, 04 change, 05 replace, 06 confirmation, 07 duplicate.
    /// Only 00 is surely a new order.
    pub purpose: SmolStr,
    /// BEG02, element 92: SA stand-alone, NE new, DS dropship, RL release and so on.
    pub order_type: SmolStr,
    /// BEG03.
    pub purchase_order_number: SmolStr,
    /// BEG04.
    pub release_number: Option<SmolStr>,
    /// BEG05.
    pub date: Option<Date>,
    /// CUR02.
    pub currency: Option<SmolStr>,
    pub references: Vec<Reference>,
    pub dates: Vec<QualifiedDate>,
    pub parties: Vec<Party>,
    pub messages: Vec<SmolStr>,
    pub lines: Vec<Line>,
    pub totals: Option<Totals>,
    /// AMT at heading and summary level.
    pub amounts: Vec<Amount>,
    pub position: Position,
}

/// PO1 and what follows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// PO101; often empty, and then an answer must leave it empty too.
    pub assigned_id: Option<SmolStr>,
    pub quantity: Decimal,
    /// PO103, element 355.
    pub unit: Option<SmolStr>,
    pub unit_price: Option<Decimal>,
    /// PO105, element 639; see [`super::unit::price_basis`].
    pub price_basis: Option<SmolStr>,
    /// PO106 to PO125.
    pub product_ids: Vec<ProductId>,
    pub descriptions: Vec<SmolStr>,
    pub references: Vec<Reference>,
    pub dates: Vec<QualifiedDate>,
    pub parties: Vec<Party>,
    pub messages: Vec<SmolStr>,
    pub schedules: Vec<Schedule>,
    /// Number of the PO1 within the set (AK302), for a caller who finds fault with the line.
    pub segment_number: usize,
    pub position: Position,
}

impl Line {
    /// The first value with this qualifier (element 235).
    #[must_use]
    pub fn product_id(&self, qualifier: &str) -> Option<&str> {
        self.product_ids
            .iter()
            .find(|id| id.qualifier == qualifier)
            .map(|id| id.value.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductId {
    pub qualifier: SmolStr,
    pub value: SmolStr,
}

/// A part of a line's quantity for a date (SCH) or a place (SDQ).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub quantity: Decimal,
    pub unit: Option<SmolStr>,
    pub date: Option<QualifiedDate>,
    /// SDQ: id code qualifier (66) and id of the place.
    pub place: Option<(SmolStr, SmolStr)>,
    pub position: Position,
}

/// REF, and N9 without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub qualifier: SmolStr,
    pub value: SmolStr,
    pub description: Option<SmolStr>,
}

/// DTM: 002 delivery requested, 010 requested ship, 063 and 064 not after and not before, 106 required by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedDate {
    pub qualifier: SmolStr,
    pub date: Date,
}

/// N1 loop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// N101, element 98: BY buyer, ST ship to, BT bill to and so on.
    pub code: SmolStr,
    pub name: Option<SmolStr>,
    /// N103, element 66: 1 and 9 DUNS, 91 by seller, 92 by buyer, UL GLN.
    pub id_qualifier: Option<SmolStr>,
    pub id: Option<SmolStr>,
    /// N2.
    pub additional_names: Vec<SmolStr>,
    /// N3.
    pub streets: Vec<SmolStr>,
    pub city: Option<SmolStr>,
    pub region: Option<SmolStr>,
    pub postal_code: Option<SmolStr>,
    pub country: Option<SmolStr>,
    pub position: Position,
}

/// AMT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    pub qualifier: SmolStr,
    pub amount: Decimal,
}

/// CTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub lines: Option<u64>,
    pub hash: Option<Decimal>,
    pub position: Position,
}

/// The order contradicts itself, though every segment is well formed. By policy: hold, or pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub kind: WarningKind,
    pub position: Position,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// CTT01 is not the number of PO1.
    LineCount,
    /// CTT02 is not the sum of PO102.
    HashTotal,
    /// SCH or SDQ do not add up to PO102.
    ScheduleQuantity,
    /// Two values for one product id qualifier in a line.
    AmbiguousProduct,
    /// Two lines with one PO101.
    RepeatedLineId,
}

/// What reading an 850 gave.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Absent when the set must be rejected.
    pub order: Option<PurchaseOrder>,
    /// For the 997: AK3 and AK4.
    pub faults: Vec<SegmentFault>,
    pub warnings: Vec<Warning>,
}

impl PurchaseOrder {
    /// The first party with this code (element 98).
    #[must_use]
    pub fn party(&self, code: &str) -> Option<&Party> {
        self.parties.iter().find(|party| party.code == code)
    }
}

/// The first date with this qualifier (element 374).
#[must_use]
pub fn date_of(dates: &[QualifiedDate], qualifier: &str) -> Option<Date> {
    dates
        .iter()
        .find(|date| date.qualifier == qualifier)
        .map(|date| date.date)
}

/// Reads an 850 of the given GS08 version; `fault_limit` bounds the lists of the result.
///
/// It looks at the set's content only: an order may be acted on when the set's own envelope, its group's and its
/// interchange's are not rejected either (see [`super::Verdict`]).
#[must_use]
pub fn read(set: &TransactionSet<'_>, version: &str, fault_limit: usize) -> Reading {
    let faults = schema::check(set, &po850::SCHEMA, version, fault_limit);
    reading::read(set, faults, fault_limit)
}
