//! Where an order goes: the table of what was agreed first, then the account's own identifiers, then its addresses. Pure.

use canonical_model::{ShipToId, account::Account};

use super::Ordered;
use crate::{
    places::{self, Found},
    punchout::{
        cxml::item::Place,
        profile::{Profile, UnknownPlace},
    },
};

/// The delivery address; `None` = the account's first. An error is a sentence for the partner.
pub(super) fn find(
    profile: &Profile,
    ordered: &Ordered,
    account: &Account,
) -> Result<Option<ShipToId>, String> {
    let heading = ordered.ship_to.as_ref();
    let named = heading
        .map(|place| one(profile, place, account))
        .transpose()?;
    let mut of_lines = Vec::new();
    for line in &ordered.lines {
        let place = match &line.ship_to {
            None => named.clone(),
            Some(place) => Some(one(profile, place, account)?),
        };
        if !of_lines.contains(&place) {
            of_lines.push(place);
        }
    }
    let mut of_lines = of_lines.into_iter();
    match (of_lines.next(), of_lines.next()) {
        (Some(_), Some(_)) => Err(
            "One order goes to one place, and its lines name several (ShipTo): send one order for each."
                .to_owned(),
        ),
        (Some(Some(only)), None) => Ok(only),
        _ => Ok(named.unwrap_or_else(|| profile.ship_to.default.clone())),
    }
}

/// The delivery address that a document names; `None` = the account's first. An error is a sentence for the partner.
pub(in crate::punchout) fn one(
    profile: &Profile,
    place: &Place,
    account: &Account,
) -> Result<Option<ShipToId>, String> {
    let found = match place.address_id.as_deref() {
        Some(id) => by_code(profile, id, account),
        None if place.lines.is_empty() => return Ok(profile.ship_to.default.clone()),
        None => Found::Nothing,
    };
    let found = match found {
        // The code may be one that only the buyer's system knows.
        Found::Nothing => places::among(account, &place.lines),
        found => found,
    };
    match (found, profile.ship_to.unknown) {
        (Found::Place(only), _) => Ok(Some(only)),
        (Found::Nothing | Found::Several, UnknownPlace::UseDefault) => {
            Ok(profile.ship_to.default.clone())
        }
        (Found::Nothing | Found::Several, UnknownPlace::Reject) => {
            let named = place.address_id.as_deref().or(place.name.as_deref());
            Err(format!(
                "The delivery place {} (ShipTo/Address) is none of the account's: correct its addressID, or have it added to the agreement.",
                named.unwrap_or("without addressID")
            ))
        }
    }
}

fn by_code(profile: &Profile, id: &str, account: &Account) -> Found {
    let listed = profile.ship_to.places.iter().find(|place| place.id == id);
    match listed {
        Some(place) => Found::Place(place.ship_to.clone()),
        None => places::called(account, id, None),
    }
}
