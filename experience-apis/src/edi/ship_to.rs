//! Where a purchase order goes: one place an order, found by code, by the account's identifiers, or by address.

use std::collections::BTreeSet;

use canonical_model::{
    ShipToId,
    account::{Account, PartyScheme},
};
use edi::x12::purchase_order::{Line, Party, PurchaseOrder};

use super::profile::{Profile, SeveralPlaces, UnknownAddress};
use crate::places::{self, Found};

/// A place as a document names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Code {
    qualifier: String,
    id: String,
}

/// The delivery address; `None` = the account's first. An error is a sentence for the partner.
pub(super) fn find(
    profile: &Profile,
    order: &PurchaseOrder,
    account: &Account,
) -> Result<Option<ShipToId>, String> {
    let heading = order.party("ST");
    let places: BTreeSet<Code> = order.lines.iter().flat_map(codes_of_line).collect();
    let whole = order
        .lines
        .iter()
        .all(|line| !codes_of_line(line).is_empty());
    let by_heading = || match heading {
        Some(party) => by_party(profile, party, account),
        None => unnamed(profile),
    };
    let mut places = places.into_iter();
    match (places.next(), places.next()) {
        (Some(_), several)
            if (several.is_some() || !whole)
                && profile.ship_to.several_places == SeveralPlaces::UseHeading =>
        {
            by_heading()
        }
        (Some(_), Some(_)) => Err(
            "One order goes to one place: send one 850 for each (SDQ, or N1 ST at the lines)."
                .to_owned(),
        ),
        (Some(_), None) if !whole => Err(
            "Some lines name a place (SDQ, or N1 ST) and some do not: send one 850 for each place."
                .to_owned(),
        ),
        (Some(only), _) => by_code(profile, &only, account).map(Some),
        (None, _) => by_heading(),
    }
}

fn codes_of_line(line: &Line) -> Vec<Code> {
    let code = |qualifier: &str, id: &str| Code {
        qualifier: qualifier.to_owned(),
        id: id.to_owned(),
    };
    let split = line.schedules.iter().filter_map(|part| part.place.as_ref());
    let mut codes: Vec<Code> = split.map(|(qualifier, id)| code(qualifier, id)).collect();
    let parties = line.parties.iter().filter(|party| party.code == "ST");
    codes.extend(parties.filter_map(|party| {
        let id = party.id.as_deref()?;
        Some(code(party.id_qualifier.as_deref().unwrap_or_default(), id))
    }));
    codes
}

fn unnamed(profile: &Profile) -> Result<Option<ShipToId>, String> {
    if profile.ship_to.required {
        Err("The order names no delivery place: send N1 ST with its code.".to_owned())
    } else {
        Ok(profile.ship_to.default.clone())
    }
}

fn by_party(
    profile: &Profile,
    party: &Party,
    account: &Account,
) -> Result<Option<ShipToId>, String> {
    if let Some(id) = party.id.as_deref() {
        let qualifier = party.id_qualifier.as_deref().unwrap_or_default().to_owned();
        return by_code(
            profile,
            &Code {
                qualifier,
                id: id.to_owned(),
            },
            account,
        )
        .map(Some);
    }
    if party.streets.is_empty() && party.postal_code.is_none() {
        return unnamed(profile);
    }
    let found = places::at(account, &party.streets, party.postal_code.as_deref());
    match (found, profile.ship_to.unknown_address) {
        (Found::Place(only), _) => Ok(Some(only)),
        (Found::Nothing | Found::Several, UnknownAddress::UseDefault) => unnamed(profile),
        (Found::Nothing | Found::Several, UnknownAddress::Reject) => {
            Err("The address in N1 ST is no delivery address of the account: send its code in N103 and N104.".to_owned())
        }
    }
}

fn by_code(profile: &Profile, code: &Code, account: &Account) -> Result<ShipToId, String> {
    let listed = profile.ship_to.places.iter().find(|place| {
        place.id == code.id
            && place
                .qualifier
                .as_ref()
                .is_none_or(|qualifier| *qualifier == code.qualifier)
    });
    if let Some(place) = listed {
        return Ok(place.ship_to.clone());
    }
    match places::called(account, &code.id, scheme(&code.qualifier)) {
        Found::Place(only) => Ok(only),
        Found::Nothing => Err(format!(
            "Delivery place {} {} is not known: correct N103 and N104 of N1 ST, or have it added to the agreement.",
            code.qualifier, code.id
        )),
        Found::Several => Err(format!(
            "Delivery place {} {} has several meanings: send its code with qualifier 92.",
            code.qualifier, code.id
        )),
    }
}

/// Whose numbering element 66 means; `None` = any.
fn scheme(qualifier: &str) -> Option<PartyScheme> {
    match qualifier {
        "92" => Some(PartyScheme::Buyer),
        "91" => Some(PartyScheme::Seller),
        "1" | "9" => Some(PartyScheme::Duns),
        "UL" => Some(PartyScheme::Gln),
        _ => None,
    }
}
