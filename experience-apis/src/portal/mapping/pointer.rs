//! JSON Pointers of the canonical request, turned into pointers into what the buyer sent.

use canonical_model::item::{ItemIdentifier, ItemScheme};
use service_runtime::problem::Problem;

/// By which field each line of a request named its product; tells where a fault stands in the buyer's body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named(Vec<&'static str>);

/// The portal's field of a scheme.
pub(super) fn field(scheme: ItemScheme) -> &'static str {
    match scheme {
        ItemScheme::SellerPartNumber => "item",
        ItemScheme::BuyerPartNumber => "buyer_part_number",
        ItemScheme::Gtin => "gtin",
    }
}

impl Named {
    /// From the identifiers of each line, of which the first counts.
    pub fn of<'a>(lines: impl Iterator<Item = &'a [ItemIdentifier]>) -> Self {
        let name = |identifiers: &[ItemIdentifier]| {
            identifiers
                .first()
                .map_or("item", |identifier| field(identifier.scheme))
        };
        Self(lines.map(name).collect())
    }

    /// The place in the buyer's request.
    pub fn pointer(&self, canonical: &str) -> String {
        if canonical == "/account" {
            return "Orderway-Account".to_owned();
        }
        let parts: Vec<&str> = canonical.split('/').collect();
        match parts.as_slice() {
            ["", "lines", line, "identifiers", ..] => {
                let name = line
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| self.0.get(index))
                    .copied();
                format!("/lines/{line}/{}", name.unwrap_or("item"))
            }
            ["", "lines", line, "quantity"] => format!("/lines/{line}/quantity/value"),
            ["", "lines", line, "unit"] => format!("/lines/{line}/quantity/unit"),
            _ => canonical.to_owned(),
        }
    }

    /// A problem whose pointers are the buyer's.
    pub fn repoint(&self, mut problem: Problem) -> Problem {
        for error in &mut problem.errors {
            error.pointer = self.pointer(&error.pointer);
        }
        problem
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/lines/0/identifiers", "/lines/0/item")]
    #[case("/lines/1/identifiers/0/value", "/lines/1/gtin")]
    #[case("/lines/9/identifiers", "/lines/9/item")]
    #[case("/lines/1/quantity", "/lines/1/quantity/value")]
    #[case("/lines/1/unit", "/lines/1/quantity/unit")]
    #[case("/lines/1/requested_delivery_date", "/lines/1/requested_delivery_date")]
    #[case("/account", "Orderway-Account")]
    #[case("/ship_to", "/ship_to")]
    #[case("", "")]
    fn a_fault_stands_where_the_buyer_wrote(#[case] canonical: &str, #[case] portal: &str) {
        let named = Named(vec!["item", "gtin"]);
        assert_eq!(named.pointer(canonical), portal);
    }
}
