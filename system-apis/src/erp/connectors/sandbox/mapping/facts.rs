//! Facts: accounts, products, prices, stock and credit.

use canonical_model::{
    AccountId, CompanyId, ContractNumber, ItemNumber, ShipToId, SiteId, UnitConversion,
    account::{Account, AccountStatus, Address, PartyIdentifier, PartyScheme, ShipTo},
    credit::CreditFact,
    item::{ItemIdentifier, ItemScheme},
    price::{ContractVersion, PriceLevel, PriceRecord, PromotionRule},
    product::Product,
    stock::{CommittedDemand, PlannedReceipt, StockFact},
};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{super::wire, Implausible, Row, present};
use crate::erp::connector::{AccountRecord, PriceEntry};

/// A date without end.
const NEVER: &str = "99991231";

pub(in super::super) fn account(
    company: &CompanyId,
    row: wire::Customer,
    as_of: Timestamp,
) -> Result<(AccountId, AccountRecord), Implausible> {
    let of = Row(&row.kunnr);
    let number: AccountId = of.parse("KUNNR", &row.kunnr)?;
    let parent = match row.hkunnr.as_str() {
        "" => None,
        parent => Some(of.parse("HKUNNR", parent)?),
    };
    let status = match (row.status.as_str(), row.aufsd.as_str()) {
        ("C", _) => AccountStatus::Closed,
        ("A", "") => AccountStatus::Active,
        ("A", "X") => AccountStatus::Blocked,
        _ => return Err(of.refuse("STATUS", &row.status, "is neither active nor closed")),
    };
    let currency = of.currency(&row.waers)?;
    let ship_tos = row
        .shipto
        .iter()
        .map(|place| ship_to(&of, place))
        .collect::<Result<_, _>>()?;
    let account = Account {
        company: company.clone(),
        account: number.clone(),
        name: row.name1.clone(),
        status,
        ancestors: Vec::new(),
        price_group: present(&row.konda),
        currency,
        ship_tos,
        as_of,
    };
    Ok((number, AccountRecord { account, parent }))
}

fn identifiers(rows: &[wire::Ident]) -> Vec<PartyIdentifier> {
    let known = rows.iter().filter_map(|ident| {
        let scheme = match ident.idtype.as_str() {
            "DUNS" => PartyScheme::Duns,
            "GLN" => PartyScheme::Gln,
            "LOC" => PartyScheme::Buyer,
            _ => return None,
        };
        Some(PartyIdentifier {
            scheme,
            value: ident.idnumber.clone(),
        })
    });
    known
        .filter(|identifier| !identifier.value.is_empty())
        .collect()
}

fn ship_to(of: &Row<'_>, row: &wire::ShipTo) -> Result<ShipTo, Implausible> {
    Ok(ShipTo {
        ship_to: of.parse("KUNWE", &row.kunwe)?,
        name: row.name1.clone(),
        address: Address {
            lines: present(&row.stras).into_iter().collect(),
            city: row.ort01.clone(),
            region: present(&row.regio),
            postal_code: present(&row.pstlz),
            country: row.land1.clone(),
        },
        identifiers: identifiers(&row.ident),
    })
}

pub(in super::super) fn product(
    company: &CompanyId,
    row: &wire::Material,
    for_account: bool,
    as_of: Timestamp,
) -> Result<Product, Implausible> {
    let of = Row(&row.matnr);
    let base_unit = of.unit("MEINS", &row.meins)?;
    let mut conversions = Vec::new();
    for unit in row.units.iter().filter(|unit| unit.base != "X") {
        let (numerator, denominator) = (
            of.parse("UMREZ", &unit.umrez)?,
            of.parse("UMREN", &unit.umren)?,
        );
        if numerator == 0 || denominator == 0 {
            return Err(of.refuse("UMREN", &unit.umren, "makes a unit of nothing"));
        }
        conversions.push(UnitConversion {
            unit: of.unit("MEINH", &unit.meinh)?,
            numerator,
            denominator,
        });
    }
    let replenishment_days = match row.plifz.as_str() {
        "" => None,
        days => Some(of.parse("PLIFZ", days)?),
    };
    let part = row.knmt.first().filter(|_| for_account);
    Ok(Product {
        company: company.clone(),
        item: of.parse("MATNR", &row.matnr)?,
        description: row.maktx.clone(),
        base_unit,
        sales_unit: base_unit,
        conversions,
        gtin: present(&row.ean11),
        unspsc: present(&row.unspsc),
        orderable: row.mstae.is_empty(),
        replenishment_days,
        buyer_part_number: part.map(|part| part.kdmat.clone()),
        as_of,
    })
}

/// A trade item number in its longest form, in which the ERP keeps it.
pub(in super::super) fn gtin14(value: &str) -> String {
    format!("{value:0>14}")
}

/// Whether the material is what the identifier names.
pub(in super::super) fn is_named(row: &wire::Material, item: &ItemIdentifier) -> bool {
    match item.scheme {
        ItemScheme::SellerPartNumber => row.matnr == item.value,
        ItemScheme::BuyerPartNumber => row.knmt.iter().any(|part| part.kdmat == item.value),
        ItemScheme::Gtin => {
            let wanted = gtin14(&item.value);
            std::iter::once(&row.ean11)
                .chain(row.units.iter().map(|unit| &unit.ean11))
                .any(|gtin| !gtin.is_empty() && gtin14(gtin) == wanted)
        }
    }
}

pub(in super::super) fn price(row: &wire::Condition) -> Result<PriceEntry, Implausible> {
    let of = Row(&row.matnr);
    let level = match row.kschl.as_str() {
        "ZK01" => PriceLevel::ContractShipTo,
        "ZK02" => PriceLevel::ContractSoldTo,
        "ZK03" => PriceLevel::ContractParent,
        "ZK04" => PriceLevel::ContractGroup,
        "ZP05" => PriceLevel::AccountList,
        "ZP06" => PriceLevel::GroupList,
        "PR00" => PriceLevel::List,
        other => return Err(of.refuse("KSCHL", other, "is no known kind of price")),
    };
    let ship_to = match level {
        PriceLevel::ContractShipTo => Some(of.parse::<ShipToId>("HOLDER", &row.holder)?),
        PriceLevel::Resolved
        | PriceLevel::ContractSoldTo
        | PriceLevel::ContractParent
        | PriceLevel::ContractGroup
        | PriceLevel::AccountList
        | PriceLevel::GroupList
        | PriceLevel::List => None,
    };
    let contract = match (row.ktnum.as_str(), row.ktver.as_str()) {
        ("", _) => None,
        (number, version) => Some(ContractVersion {
            number: of.parse::<ContractNumber>("KTNUM", number)?,
            version: if version.is_empty() {
                0
            } else {
                of.parse("KTVER", version)?
            },
        }),
    };
    let valid_from = match row.datab.as_str() {
        "" => None,
        day => Some(of.date("DATAB", day)?),
    };
    // The ERP names the last day; the canonical record the day after.
    let valid_to = match row.datbi.as_str() {
        "" | NEVER => None,
        day => Some(
            of.date("DATBI", day)?
                .tomorrow()
                .map_err(|_error| of.refuse("DATBI", day, "has no day after it"))?,
        ),
    };
    let unit_price = of.unit_price(&row.netpr, &row.peinh)?;
    if unit_price <= Decimal::ZERO {
        return Err(of.refuse("NETPR", &row.netpr, "must be greater than zero"));
    }
    let promotions = match row.kzpro.as_str() {
        "" => PromotionRule::Excluded,
        "C" => PromotionRule::Combined,
        "L" => PromotionRule::IfLower,
        other => return Err(of.refuse("KZPRO", other, "is no known rule for promotions")),
    };
    let floor = match row.gkwrt.as_str() {
        "" => None,
        price => Some(of.unit_price(price, &row.peinh)?),
    };
    Ok(PriceEntry {
        ship_to,
        record: PriceRecord {
            record: [&row.kschl, &row.holder, &row.matnr, &row.kstbm, &row.datab]
                .map(String::as_str)
                .join("/"),
            level,
            priority: of.parse("PRIO", &row.prio)?,
            contract,
            unit_price,
            currency: of.currency(&row.waers)?,
            unit: of.unit("KMEIN", &row.kmein)?,
            break_quantity: of.count("KSTBM", &row.kstbm)?,
            valid_from,
            valid_to,
            promotions,
            floor,
        },
    })
}

/// The account that a record belongs to, where it can belong to one only.
pub(in super::super) fn holder(row: &wire::Condition) -> Option<&str> {
    matches!(row.kschl.as_str(), "ZK02" | "ZP05").then_some(row.holder.as_str())
}

pub(in super::super) fn stock(
    company: &CompanyId,
    row: &wire::Stock,
    as_of: Timestamp,
) -> Result<((ItemNumber, SiteId), StockFact), Implausible> {
    let of = Row(&row.matnr);
    let item: ItemNumber = of.parse("MATNR", &row.matnr)?;
    let site: SiteId = of.parse("WERKS", &row.werks)?;
    let usable = of.decimal("LABST", &row.labst)?;
    let quarantined = of.count("INSME", &row.insme)?;
    let on_hand = usable
        .checked_add(quarantined)
        .ok_or_else(|| of.refuse("LABST", &row.labst, "is too large"))?;
    let receipts = row.receipts.iter().map(|receipt| {
        Ok(PlannedReceipt {
            date: of.date("EINDT", &receipt.eindt)?,
            quantity: of.count("MENGE", &receipt.menge)?,
            confirmed: receipt.conf == "X",
        })
    });
    let demand = row.demands.iter().map(|demand| {
        Ok(CommittedDemand {
            date: of.date("BDTER", &demand.bdter)?,
            quantity: of.count("MENGE", &demand.menge)?,
        })
    });
    let fact = StockFact {
        company: company.clone(),
        item: item.clone(),
        site: site.clone(),
        on_hand: on_hand.normalize(),
        allocated: of.count("RESRV", &row.resrv)?,
        quarantined,
        safety_stock: of.count("EISBE", &row.eisbe)?,
        receipts: receipts.collect::<Result<_, _>>()?,
        demand: demand.collect::<Result<_, _>>()?,
        as_of,
    };
    Ok(((item, site), fact))
}

pub(in super::super) fn credit(
    company: &CompanyId,
    row: &wire::Credit,
    as_of: Timestamp,
) -> Result<(AccountId, CreditFact), Implausible> {
    let of = Row(&row.kunnr);
    let account: AccountId = of.parse("KUNNR", &row.kunnr)?;
    let limit = match row.klimk.as_str() {
        "" => None,
        limit => Some(of.decimal("KLIMK", limit)?),
    };
    let fact = CreditFact {
        company: company.clone(),
        account: account.clone(),
        currency: of.currency(&row.waers)?,
        limit,
        open_orders: of.decimal("OPENORD", &row.openord)?,
        delivered_not_invoiced: of.decimal("OPENDLV", &row.opendlv)?,
        invoiced_not_posted: of.decimal("OPENBIL", &row.openbil)?,
        open_receivables: of.decimal("OPENITM", &row.openitm)?,
        // Already negative there; canonical facts count it as what it takes off.
        unapplied_credits: -of.decimal("UNAPPL", &row.unappl)?,
        blocked: row.crblk == "X",
        as_of,
    };
    Ok((account, fact))
}
