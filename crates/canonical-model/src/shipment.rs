//! Shipments: what has been picked, packed and shipped together, by the warehouse's own number and version.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use utoipa::ToSchema;

use crate::{
    decimal,
    ids::{ErpOrderNumber, ItemNumber, OrderReference, ShipmentNumber, SiteId},
    quantity::UnitOfMeasure,
};

/// A serial shipping container code: 18 digits on the label of a carton or pallet, the last one a check digit (GS1
/// General Specifications, application identifier 00).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 18, max_length = 18, example = "106141411234567897")]
pub struct Sscc(String);

/// Why a text is no SSCC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an SSCC has 18 digits, the last one a check digit: read the label again")]
pub struct InvalidSscc;

impl Sscc {
    /// Takes 18 digits whose last is the check digit of the others.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidSscc> {
        let text = text.into();
        if text.len() != 18 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidSscc);
        }
        // GS1: from the right, weights 3 and 1 in turn before the check digit; all together a multiple of ten.
        let weighted = text.bytes().rev().zip([1_u32, 3].into_iter().cycle());
        let sum: u32 = weighted
            .map(|(byte, weight)| u32::from(byte.saturating_sub(b'0')).saturating_mul(weight))
            .sum();
        if sum.is_multiple_of(10) {
            Ok(Self(text))
        } else {
            Err(InvalidSscc)
        }
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sscc {
    type Err = InvalidSscc;

    fn from_str(text: &str) -> Result<Self, InvalidSscc> {
        Self::new(text)
    }
}

impl fmt::Display for Sscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sscc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// What a warehouse says of a shipment: the whole of it as it is, never what changed.
///
/// Its version rises by one with each change, from 1. What came before, or came twice, says nothing new; and where
/// versions are missing, the newest still says everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShipmentNews {
    /// The warehouse's number of the shipment.
    pub shipment: ShipmentNumber,
    /// The warehouse's own version of it.
    #[schema(minimum = 1)]
    pub version: u64,
    /// The order it is for.
    pub order_reference: OrderReference,
    /// The ERP's number of that order, where the warehouse keeps it: compared with ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_order_number: Option<ErpOrderNumber>,
    /// The warehouse's number of the release that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 60)]
    pub release_number: Option<String>,
    /// The site it leaves.
    pub site: SiteId,
    /// What it holds. A line that is not named holds nothing; one that is named more than once holds the sum.
    #[schema(max_items = 5000)]
    pub lines: Vec<ShipmentNewsLine>,
    /// Who carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 60)]
    pub carrier: Option<String>,
    /// The carrier's numbers to follow it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 500)]
    pub tracking_numbers: Vec<String>,
    /// Its cartons and pallets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 5000)]
    pub ssccs: Vec<Sscc>,
    /// When it became so, by the warehouse's clock.
    pub occurred_at: Timestamp,
}

/// A line of a shipment, in the item's base unit. What is packed was picked, and what is shipped was packed:
/// `shipped ≤ packed ≤ picked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShipmentNewsLine {
    /// The order line.
    pub line: u32,
    /// The product.
    pub item: ItemNumber,
    /// The unit of the quantities: the item's base unit.
    pub unit: UnitOfMeasure,
    /// Picked for this shipment so far.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub picked: Decimal,
    /// Of that, packed.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub packed: Decimal,
    /// Of that, gone.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub shipped: Decimal,
}

/// How far a shipment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShipmentStatus {
    /// Being picked.
    Picking,
    /// All that was picked for it is packed.
    Packed,
    /// All that was picked for it has left.
    Shipped,
}

/// A shipment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shipment {
    /// The warehouse's number of it.
    pub shipment: ShipmentNumber,
    /// The site it leaves.
    pub site: SiteId,
    /// How far it has come.
    pub status: ShipmentStatus,
    /// The newest version of it that is known.
    pub version: u64,
    /// What it holds.
    pub lines: Vec<ShipmentLine>,
    /// Who carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// The carrier's numbers to follow it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracking_numbers: Vec<String>,
    /// Its cartons and pallets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssccs: Vec<Sscc>,
    /// When it became so, by the warehouse's clock.
    pub updated_at: Timestamp,
}

/// A line of a shipment, in the unit ordered. What is packed was picked, and what is shipped was packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShipmentLine {
    /// The order line.
    pub line: u32,
    /// Picked for this shipment so far.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub picked: Decimal,
    /// Of that, packed.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub packed: Decimal,
    /// Of that, gone.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub shipped: Decimal,
}

impl ShipmentStatus {
    /// That of a shipment with these lines.
    pub fn of(lines: &[ShipmentLine]) -> Self {
        let all = |part: fn(&ShipmentLine) -> Decimal| {
            lines.iter().all(|line| part(line) == line.picked)
                && lines.iter().any(|line| !part(line).is_zero())
        };
        if all(|line| line.shipped) {
            Self::Shipped
        } else if all(|line| line.packed) {
            Self::Packed
        } else {
            Self::Picking
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use rust_decimal::dec;

    use super::*;

    #[rstest]
    #[case("106141411234567897", true)]
    #[case("340123450000000000", true)]
    #[case("106141411234567890", false)]
    #[case("10614141123456789", false)]
    #[case("1061414112345678970", false)]
    #[case("10614141123456789X", false)]
    #[case("１０6141411234567", false)]
    fn an_sscc_has_its_check_digit(#[case] text: &str, #[case] sound: bool) {
        assert_eq!(Sscc::new(text).is_ok(), sound);
    }

    fn line(picked: Decimal, packed: Decimal, shipped: Decimal) -> ShipmentLine {
        ShipmentLine {
            line: 1,
            picked,
            packed,
            shipped,
        }
    }

    #[test]
    fn a_shipment_is_as_far_as_all_of_it() {
        let of = |lines: &[ShipmentLine]| ShipmentStatus::of(lines);
        let nothing = line(dec!(0), dec!(0), dec!(0));
        let gone = line(dec!(5), dec!(5), dec!(5));
        let packed = line(dec!(5), dec!(5.0), dec!(2));
        assert_eq!(of(&[]), ShipmentStatus::Picking);
        assert_eq!(of(std::slice::from_ref(&nothing)), ShipmentStatus::Picking);
        assert_eq!(of(&[gone.clone(), nothing]), ShipmentStatus::Shipped);
        assert_eq!(of(&[gone.clone(), packed]), ShipmentStatus::Packed);
        let picking = line(dec!(5), dec!(4), dec!(0));
        assert_eq!(of(&[gone, picking]), ShipmentStatus::Picking);
    }
}
