//! Facts: accounts, products, prices and credit.

use canonical_model::{
    AccountId, CompanyId, Currency, ShipToId, UnitOfMeasure,
    account::{Account, AccountStatus, Address, PartyIdentifier, PartyScheme, ShipTo},
    credit::CreditFact,
    item::{ItemIdentifier, ItemScheme},
    price::{PriceLevel, PriceRecord, PromotionRule},
    product::Product,
};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{super::wire, Implausible, Row, Units, present};
use crate::erp::{
    connector::{AccountRecord, PriceEntry},
    connectors::tryton::config::TrytonErp,
};

const SECONDS_OF_A_DAY: i64 = 86_400;
/// The category above those that are classes of UNSPSC.
const UNSPSC: &str = "UNSPSC";

pub(in super::super) fn account(
    company: &CompanyId,
    row: &wire::Party,
    settings: &TrytonErp,
    as_of: Timestamp,
) -> Result<(AccountId, AccountRecord), Implausible> {
    let of = Row(&row.code);
    let number: AccountId = of.parse("code", Some(&row.code))?;
    let mut parents = row
        .relations
        .iter()
        .filter(|relation| relation.kind.name.as_deref() == Some(&settings.parent_relation));
    let parent = match (parents.next(), parents.next()) {
        (None, _) => None,
        (Some(one), None) => Some(of.parse("relations", one.to.code.as_deref())?),
        (Some(_), Some(_)) => {
            return Err(of.refuse(
                "relations",
                &settings.parent_relation,
                "leads to several accounts",
            ));
        }
    };
    let ship_tos = row.addresses.iter().filter_map(|address| {
        let number = ship_to_number(row, address.id, &settings.ship_to_prefix)?;
        Some(ship_to(&of, row, address, number))
    });
    let currency = row.customer_currency.as_ref().or(row.currency.as_ref());
    let account = Account {
        company: company.clone(),
        account: number.clone(),
        name: row.name.clone().unwrap_or_default(),
        status: if row.active {
            AccountStatus::Active
        } else {
            AccountStatus::Closed
        },
        ancestors: Vec::new(),
        // Which of several it is priced with nobody can say.
        price_group: match row.categories.as_slice() {
            [one] => present(one.name.as_deref()),
            _none_or_several => None,
        },
        currency: of.currency(currency)?,
        ship_tos: ship_tos.collect::<Result<_, _>>()?,
        as_of,
    };
    Ok((number, AccountRecord { account, parent }))
}

/// The number of a delivery address, which stands among the identifiers of its party.
fn ship_to_number<'a>(party: &'a wire::Party, address: i64, prefix: &str) -> Option<&'a str> {
    let mut names = party.identifiers.iter();
    names.find_map(|name| {
        let of_it = name.address == Some(address);
        name.code.strip_prefix(prefix).filter(|_| of_it)
    })
}

/// The id of the delivery address with this number.
pub(in super::super) fn ship_to_address(
    party: &wire::Party,
    ship_to: &ShipToId,
    prefix: &str,
) -> Option<i64> {
    let mut addresses = party.addresses.iter().map(|address| address.id);
    addresses.find(|address| ship_to_number(party, *address, prefix) == Some(ship_to.as_str()))
}

fn ship_to(
    of: &Row<'_>,
    party: &wire::Party,
    row: &wire::Address,
    number: &str,
) -> Result<ShipTo, Implausible> {
    let identifiers = party.identifiers.iter().filter_map(|name| {
        let (scheme, value) = name.code.split_once(':')?;
        let scheme = match scheme {
            "GLN" => PartyScheme::Gln,
            "DUNS" => PartyScheme::Duns,
            "LOC" => PartyScheme::Buyer,
            _other => return None,
        };
        (name.address == Some(row.id)).then(|| PartyIdentifier {
            scheme,
            value: value.to_owned(),
        })
    });
    let country = row
        .country
        .as_ref()
        .and_then(|country| country.code.clone());
    let country = country.unwrap_or_default();
    // ISO 3166-2 repeats the country: `US-OH`.
    let region = row
        .subdivision
        .as_ref()
        .and_then(|place| place.code.as_deref());
    let region = region.map(|code| match code.split_once('-') {
        Some((of, region)) if of == country => region,
        _ => code,
    });
    let lines = row.street.as_deref().unwrap_or_default().lines();
    Ok(ShipTo {
        ship_to: of.parse("identifiers", Some(number))?,
        name: present(row.party_name.as_deref())
            .or_else(|| party.name.clone())
            .unwrap_or_default(),
        address: Address {
            lines: lines
                .filter_map(|line| present(Some(line)))
                .take(4)
                .collect(),
            city: row.city.clone().unwrap_or_default(),
            region: present(region),
            postal_code: present(row.postal_code.as_deref()),
            country,
        },
        identifiers: identifiers.collect(),
    })
}

pub(in super::super) fn credit(
    company: &CompanyId,
    row: &wire::Credit,
    as_of: Timestamp,
) -> Result<(AccountId, CreditFact), Implausible> {
    let of = Row(&row.code);
    let account: AccountId = of.parse("code", Some(&row.code))?;
    let limit = row.credit_limit_amount.map(|limit| limit.0);
    let receivable = row.receivable.0;
    // Tryton adds to what is posted what is confirmed and not yet posted; it does not tell how far each of that is.
    let open_orders = row
        .credit_amount
        .0
        .checked_sub(receivable)
        .ok_or_else(|| of.refuse("credit_amount", row.credit_amount.0, "is too large"))?;
    let fact = CreditFact {
        company: company.clone(),
        account: account.clone(),
        currency: of.currency(row.currency.as_ref())?,
        limit,
        open_orders,
        delivered_not_invoiced: Decimal::ZERO,
        invoiced_not_posted: Decimal::ZERO,
        open_receivables: receivable.max(Decimal::ZERO),
        unapplied_credits: (-receivable).max(Decimal::ZERO),
        blocked: limit.is_some_and(|limit| limit.is_zero()),
        as_of,
    };
    Ok((account, fact))
}

/// A trade item number in its longest form.
fn gtin14(value: &str) -> String {
    format!("{value:0>14}")
}

/// The forms in which a trade item number may be kept: with and without its leading zeros.
pub(in super::super) fn gtins(value: &str) -> Vec<String> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    let bare = value.trim_start_matches('0');
    let mut forms: Vec<String> = [8, 12, 13, 14]
        .into_iter()
        .map(|length| format!("{bare:0>length$}"))
        .collect();
    forms.dedup();
    forms
}

/// Whether the product is what the identifier names.
pub(in super::super) fn is_named(
    row: &wire::Product,
    account: &AccountId,
    item: &ItemIdentifier,
) -> bool {
    match item.scheme {
        ItemScheme::SellerPartNumber => row.code.as_deref() == Some(item.value.as_str()),
        ItemScheme::BuyerPartNumber => part_numbers(row, account).any(|code| code == item.value),
        ItemScheme::Gtin => {
            let wanted = gtin14(&item.value);
            row.identifiers.iter().any(|name| {
                // A pack's number stands behind its unit.
                let number = name
                    .code
                    .split_once(':')
                    .map_or(&*name.code, |(_, number)| number);
                gtin14(number) == wanted
            })
        }
    }
}

/// What an account calls a product.
fn part_numbers<'a>(
    row: &'a wire::Product,
    account: &'a AccountId,
) -> impl Iterator<Item = &'a str> {
    row.customers
        .iter()
        .filter(|customer| customer.party.code.as_deref() == Some(account.as_str()))
        .filter_map(|customer| customer.code.as_deref())
}

pub(in super::super) fn product(
    company: &CompanyId,
    row: &wire::Product,
    account: Option<&AccountId>,
    units: &Units,
    as_of: Timestamp,
) -> Result<Product, Implausible> {
    let of = Row(row.code.as_deref().unwrap_or_default());
    let base_unit = units.base(row)?.code;
    let gtin = row
        .identifiers
        .iter()
        .find(|name| name.kind.as_deref() == Some("ean"));
    let class = row.categories.iter().find(|category| {
        let above = category
            .parent
            .as_ref()
            .and_then(|parent| parent.code.as_deref());
        above == Some(UNSPSC)
    });
    let days = row.suppliers.iter().filter_map(|supplier| {
        let seconds = supplier.lead_time?.0;
        let days = seconds.checked_add(SECONDS_OF_A_DAY - 1)? / SECONDS_OF_A_DAY;
        u16::try_from(days).ok()
    });
    Ok(Product {
        company: company.clone(),
        item: of.parse("code", row.code.as_deref())?,
        description: row.name.clone().unwrap_or_default(),
        base_unit,
        sales_unit: row
            .sale_uom
            .and_then(|unit| units.code_of(unit))
            .unwrap_or(base_unit),
        conversions: units.conversions(row)?,
        gtin: gtin.map(|name| name.code.clone()),
        unspsc: class.and_then(|class| class.code.clone()),
        orderable: row.active && row.salable,
        replenishment_days: days.min(),
        buyer_part_number: account
            .and_then(|account| part_numbers(row, account).next())
            .map(str::to_owned),
        as_of,
    })
}

/// What Tryton says that a quantity costs; nothing where it has no price.
pub(in super::super) fn price(
    list: &str,
    row: &wire::Price,
    quantity: (Decimal, UnitOfMeasure),
    currency: Currency,
) -> Result<Option<PriceEntry>, Implausible> {
    let unit_price = row.sale_price_uom.map_or(Decimal::ZERO, |price| price.0);
    if unit_price.is_sign_negative() && !unit_price.is_zero() {
        return Err(Row(&row.code).refuse("sale_price_uom", unit_price, "must not be negative"));
    }
    let (break_quantity, unit) = quantity;
    let record = PriceRecord {
        record: format!("{list}/{}/{}/{break_quantity}", row.code, unit.code()),
        level: PriceLevel::Resolved,
        priority: 0,
        contract: None,
        unit_price: unit_price.normalize(),
        currency,
        unit,
        break_quantity,
        valid_from: None,
        valid_to: None,
        // It is the last word of a source that resolves prices itself.
        promotions: PromotionRule::Excluded,
        floor: None,
    };
    Ok((!unit_price.is_zero()).then_some(PriceEntry {
        ship_to: None,
        record,
    }))
}
