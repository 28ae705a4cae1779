//! The cart on its way back: the form that the browser posts to `HOOK_URL`.

use canonical_model::{basket::CheckedLine, product::Product};
use jiff::{civil::Date, tz::TimeZone};

use super::{
    call::agreed_charset,
    charset::Charset,
    fields::{self, Item, Manner, Unwritable},
    params,
    units::Units,
};
use crate::punchout::{
    lock::Lock,
    profile::{Oci, Profile},
    visit::{CannotLeave, LeavingCart, OciVisit, Protocol, ReturnForm},
};

/// By the book.
const TARGET: &str = "_top";
const CALLER: &str = "CTLG";

/// The form of a cart that leaves.
pub(in crate::punchout) fn form(cart: &LeavingCart<'_>) -> Result<ReturnForm, CannotLeave> {
    let (oci, visit) = spoken(cart)?;
    let charset = charset_of(visit, oci);
    let today = TimeZone::UTC.to_datetime(cart.now).date();
    let lines = cart.quote.map_or(&[][..], |quote| &quote.lines);
    let items: Result<Vec<Item<'_>>, CannotLeave> = lines
        .iter()
        .zip(cart.products)
        .map(|(line, product)| {
            let lock = cart.quote.map(|quote| Lock {
                quote: quote.quote_id,
                line: line.line,
            });
            item(line, product, cart.profile, lock, today)
        })
        .collect();
    let items = items?;
    if items.len() != lines.len() {
        return Err(cannot(None, "A product of the cart is missing; try again."));
    }
    let manner = manner(cart.profile, oci, charset);
    let fields = fields::write(&items, &manner).map_err(|unwritable| refused(&unwritable))?;
    Ok(frame(&cart.visit.return_url, visit, charset, fields))
}

/// The form of a buyer that leaves without a cart: OCI knows no other word for it than a cart without items.
pub(in crate::punchout) fn cancelled(cart: &LeavingCart<'_>) -> Result<ReturnForm, CannotLeave> {
    form(&LeavingCart {
        quote: None,
        products: &[],
        ..*cart
    })
}

/// How this partner wants items written.
pub(super) fn manner<'a>(profile: &'a Profile, oci: &'a Oci, charset: Charset) -> Manner<'a> {
    Manner {
        charset,
        units: units(profile, oci),
        price_decimals: oci.price_decimals,
        material_group: oci.material_group.as_deref(),
        vendor: oci.vendor.as_deref(),
    }
}

/// The partner's units.
pub(super) fn units<'a>(profile: &'a Profile, oci: &'a Oci) -> Units<'a> {
    Units {
        theirs: &profile.units,
        iso: &oci.units,
    }
}

/// The class of a product, or what stands for one.
pub(super) fn class<'a>(product: &'a Product, profile: &'a Profile) -> &'a str {
    let own = product.unspsc.as_deref();
    own.unwrap_or(profile.default_unspsc.as_str())
}

/// The charset of a visit.
pub(super) fn charset_of(visit: &OciVisit, oci: &Oci) -> Charset {
    Charset::named(&visit.charset).unwrap_or_else(|| agreed_charset(oci))
}

/// Puts the fields of the call around those of the items: the query of `HOOK_URL` as fields, since a browser that posts a
/// form may drop a query, and every field once, whatever the case of its name.
pub(super) fn frame(
    return_url: &str,
    visit: &OciVisit,
    charset: Charset,
    items: Vec<(String, String)>,
) -> ReturnForm {
    let (action, query) = return_url.split_once('?').unwrap_or((return_url, ""));
    let mut fields = params::read(query.as_bytes(), charset).fields().to_vec();
    let target = visit.target.as_deref().unwrap_or(TARGET);
    let caller = visit.caller.as_deref().unwrap_or(CALLER);
    let of_call = visit
        .hook_fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain([("~TARGET", target), ("~CALLER", caller)]);
    for (name, value) in of_call {
        let there = |field: &(String, String)| field.0.eq_ignore_ascii_case(name);
        if !fields.iter().any(there) {
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    fields.extend(items);
    ReturnForm {
        action: action.to_owned(),
        charset: charset.name().to_owned(),
        fields,
        target: Some(target.to_owned()),
    }
}

fn item<'a>(
    line: &'a CheckedLine,
    product: &'a Product,
    profile: &'a Profile,
    lock: Option<Lock>,
    today: Date,
) -> Result<Item<'a>, CannotLeave> {
    let incomplete = || {
        cannot(
            Some(line.line),
            "This line has no price at the moment; take it out, or try again.",
        )
    };
    let price = &line.price.as_ref().ok_or_else(incomplete)?.unit_price;
    let quantity = line
        .quantity
        .filter(|quantity| quantity.unit == price.unit)
        .ok_or_else(incomplete)?;
    let arrival = line
        .schedule
        .iter()
        .map(|part| part.promised_delivery_date)
        .max();
    let lead_time = arrival.and_then(|date| u32::try_from((date - today).get_days().max(0)).ok());
    Ok(Item {
        description: &product.description,
        buyer_part_number: product.buyer_part_number.as_deref(),
        part_number: product.item.as_str(),
        quantity: quantity.value,
        unit: quantity.unit,
        unit_price: price.amount,
        currency: price.currency,
        lead_time,
        unspsc: class(product, profile),
        lock,
    })
}

fn spoken<'a>(cart: &LeavingCart<'a>) -> Result<(&'a Oci, &'a OciVisit), CannotLeave> {
    match (&cart.profile.oci, &cart.visit.protocol) {
        (Some(oci), Protocol::Oci(visit)) => Ok((oci, visit)),
        _ => Err(cannot(
            None,
            "The cart cannot go back: OCI is no longer agreed with your company.",
        )),
    }
}

fn refused(unwritable: &Unwritable) -> CannotLeave {
    let line = u32::try_from(unwritable.index).ok();
    cannot(
        line,
        &format!("{unwritable}. Take the line out, or have it put right by us."),
    )
}

fn cannot(line: Option<u32>, detail: &str) -> CannotLeave {
    CannotLeave {
        line,
        detail: detail.to_owned(),
    }
}
