//! The delivery places of an account, found by what a partner's document calls them, or by their address. Pure.

use canonical_model::{
    ShipToId,
    account::{Account, PartyScheme, ShipTo},
};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// No place of the account.
    Nothing,
    /// This one.
    Place(ShipToId),
    /// It could mean more than one.
    Several,
}

/// The place with this code in a numbering; without one, in any, ours among them.
pub(crate) fn called(account: &Account, id: &str, scheme: Option<PartyScheme>) -> Found {
    one(account, |place| {
        let ours =
            matches!(scheme, Some(PartyScheme::Seller) | None) && place.ship_to.as_str() == id;
        ours || place
            .identifiers
            .iter()
            .any(|known| known.value == id && scheme.is_none_or(|scheme| scheme == known.scheme))
    })
}

/// The place in this street with this postal code, whatever their case and punctuation.
pub(crate) fn at(
    account: &Account,
    streets: &[impl AsRef<str>],
    postal_code: Option<&str>,
) -> Found {
    let streets: String = streets.iter().map(AsRef::as_ref).collect();
    let streets = plain(&streets);
    let postal = |code: Option<&str>| code.map(plain).unwrap_or_default();
    one(account, |place| {
        !streets.is_empty()
            && streets == plain(&place.address.lines.concat())
            && postal(postal_code) == postal(place.address.postal_code.as_deref())
    })
}

/// The place all of whose street lines, and whose postal code, are among these lines of an address.
pub(crate) fn among(account: &Account, lines: &[String]) -> Found {
    let lines: Vec<String> = lines.iter().map(|line| plain(line)).collect();
    one(account, |place| {
        let address = &place.address;
        let mut needed = address.lines.iter().chain(&address.postal_code);
        !address.lines.is_empty() && needed.all(|line| lines.contains(&plain(line)))
    })
}

fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect()
}

fn one(account: &Account, is_meant: impl Fn(&ShipTo) -> bool) -> Found {
    let mut found = account.ship_tos.iter().filter(|place| is_meant(place));
    match (found.next(), found.next()) {
        (None, _) => Found::Nothing,
        (Some(only), None) => Found::Place(only.ship_to.clone()),
        (Some(_), Some(_)) => Found::Several,
    }
}
