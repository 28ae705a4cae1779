//! Between the ERP's shapes and canonical ones. No I/O; an answer is input like any other, so everything is checked.

use std::{collections::BTreeSet, str::FromStr};

use canonical_model::{
    AccountId, CompanyId, ContractNumber, Currency, ErpOrderNumber, ItemNumber, Money,
    OrderReference, PurchaseOrderNumber, Quantity, ShipToId, SiteId, UnitConversion, UnitOfMeasure,
    UnitPrice,
    account::{Account, AccountStatus, Address, PartyIdentifier, PartyScheme, ShipTo},
    credit::CreditFact,
    decimal,
    erp_order::{CreateErpOrder, ErpOrder, ErpOrderLine, ErpOrderState},
    item::{ItemIdentifier, ItemScheme},
    price::{ContractVersion, PriceLevel, PriceRecord},
    product::Product,
    stock::{CommittedDemand, PlannedReceipt, StockFact},
};
use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;

use super::wire;
use crate::{
    connector::ConnectorError,
    erp::connector::{AccountRecord, PriceEntry},
};

/// A delivery block: created, and nothing happens until it is released.
const STAGED: &str = "01";
/// A date without end.
const NEVER: &str = "99991231";
/// Characters of a purchase order number that the ERP keeps.
const MOST_PURCHASE_ORDER: usize = 35;
/// Decimals of a unit price that the ERP keeps, of a price per `PEINH` units.
const PRICE_DECIMALS: u32 = 5;
/// Decimals of a quantity that the ERP keeps.
const QUANTITY_DECIMALS: u32 = 3;

/// Why a row is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} of {key} is {value:?}, which {why}")]
pub(super) struct Implausible {
    field: &'static str,
    key: String,
    value: String,
    why: &'static str,
}

/// Reads the fields of one row; remembers whose they are.
struct Row<'a>(&'a str);

impl Row<'_> {
    fn refuse(&self, field: &'static str, value: &str, why: &'static str) -> Implausible {
        Implausible {
            field,
            key: self.0.to_owned(),
            value: value.chars().take(60).collect(),
            why,
        }
    }

    fn parse<T: FromStr>(&self, field: &'static str, value: &str) -> Result<T, Implausible> {
        value
            .parse()
            .map_err(|_error| self.refuse(field, value, "cannot be read"))
    }

    /// A number; a minus stands behind it.
    fn decimal(&self, field: &'static str, value: &str) -> Result<Decimal, Implausible> {
        let parsed = match value.strip_suffix('-') {
            Some(digits) => decimal::parse(digits).map(|number| -number),
            None => decimal::parse(value),
        };
        parsed.map_err(|_error| self.refuse(field, value, "is not a number"))
    }

    /// A number that is not negative, without needless zeros.
    fn count(&self, field: &'static str, value: &str) -> Result<Decimal, Implausible> {
        let number = self.decimal(field, value)?;
        if number.is_sign_negative() && !number.is_zero() {
            return Err(self.refuse(field, value, "must not be negative"));
        }
        Ok(number.normalize())
    }

    fn date(&self, field: &'static str, value: &str) -> Result<Date, Implausible> {
        Date::strptime("%Y%m%d", value)
            .map_err(|_error| self.refuse(field, value, "is not a date such as 20261120"))
    }

    fn currency(&self, value: &str) -> Result<Currency, Implausible> {
        Currency::from_code(value)
            .ok_or_else(|| self.refuse("WAERS", value, "is not an ISO 4217 code"))
    }

    fn unit(&self, field: &'static str, value: &str) -> Result<UnitOfMeasure, Implausible> {
        UnitOfMeasure::from_code(wire::rec20(value))
            .map_err(|_error| self.refuse(field, value, "is not a unit"))
    }

    /// The price of one unit: `price` holds for `per` of them.
    fn unit_price(&self, price: &str, per: &str) -> Result<Decimal, Implausible> {
        let (amount, units) = (self.decimal("NETPR", price)?, self.decimal("PEINH", per)?);
        if amount <= Decimal::ZERO {
            return Err(self.refuse("NETPR", price, "must be greater than zero"));
        }
        if units == Decimal::ONE {
            return Ok(amount);
        }
        let each = (units > Decimal::ZERO)
            .then(|| amount.checked_div(units))
            .flatten()
            .map(|each| each.normalize())
            .filter(|each| each.scale() <= 9 && each.checked_mul(units) == Some(amount));
        each.ok_or_else(|| self.refuse("PEINH", per, "does not divide the price exactly"))
    }
}

fn present(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

pub(super) fn account(
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

pub(super) fn product(
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
        orderable: row.mstae.is_empty(),
        replenishment_days,
        buyer_part_number: part.map(|part| part.kdmat.clone()),
        as_of,
    })
}

/// A trade item number in its longest form, in which the ERP keeps it.
pub(super) fn gtin14(value: &str) -> String {
    format!("{value:0>14}")
}

/// Whether the material is what the identifier names.
pub(super) fn is_named(row: &wire::Material, item: &ItemIdentifier) -> bool {
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

pub(super) fn price(row: &wire::Condition) -> Result<PriceEntry, Implausible> {
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
        PriceLevel::ContractSoldTo
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
    Ok(PriceEntry {
        ship_to,
        record: PriceRecord {
            record: [&row.kschl, &row.holder, &row.matnr, &row.kstbm, &row.datab]
                .map(String::as_str)
                .join("/"),
            level,
            priority: of.parse("PRIO", &row.prio)?,
            contract,
            unit_price: of.unit_price(&row.netpr, &row.peinh)?,
            currency: of.currency(&row.waers)?,
            unit: of.unit("KMEIN", &row.kmein)?,
            break_quantity: of.count("KSTBM", &row.kstbm)?,
            valid_from,
            valid_to,
        },
    })
}

/// The account that a record belongs to, where it can belong to one only.
pub(super) fn holder(row: &wire::Condition) -> Option<&str> {
    matches!(row.kschl.as_str(), "ZK02" | "ZP05").then_some(row.holder.as_str())
}

pub(super) fn stock(
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

pub(super) fn credit(
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

pub(super) fn order(row: &wire::SalesOrder) -> Result<(ErpOrderNumber, ErpOrder), Implausible> {
    let of = Row(&row.vbeln);
    let number: ErpOrderNumber = of.parse("VBELN", &row.vbeln)?;
    let currency = of.currency(&row.waers)?;
    let state = match (row.stat.as_str(), row.lifsk.as_str()) {
        ("X", _) => ErpOrderState::Cancelled,
        ("C", _) => ErpOrderState::Completed,
        ("A", "") => ErpOrderState::Open,
        ("A", _) => ErpOrderState::Blocked,
        (other, _) => return Err(of.refuse("STAT", other, "is no known state")),
    };
    let lines = row.items.iter().map(|item| order_line(&of, item, currency));
    let order = ErpOrder {
        number: number.clone(),
        reference: of.parse::<OrderReference>("XREF", &row.xref)?,
        purchase_order_number: of.parse::<PurchaseOrderNumber>("BSTKD", &row.bstkd)?,
        account: of.parse("KUNNR", &row.kunnr)?,
        state,
        lines: lines.collect::<Result<_, _>>()?,
        total: Money::new(of.decimal("NETWR", &row.netwr)?, currency),
    };
    Ok((number, order))
}

fn order_line(
    of: &Row<'_>,
    item: &wire::SalesOrderItem,
    currency: Currency,
) -> Result<ErpOrderLine, Implausible> {
    let unit = of.unit("VRKME", &item.vrkme)?;
    let ship_date = if item.bddat.is_empty() {
        &item.vdatu
    } else {
        &item.bddat
    };
    Ok(ErpOrderLine {
        line: of.parse("POSNR", &item.posnr)?,
        order_line: of.parse("POSEX", &item.posex)?,
        item: of.parse("MATNR", &item.matnr)?,
        quantity: Quantity::new(of.count("KWMENG", &item.kwmeng)?, unit),
        unit_price: UnitPrice {
            amount: of.unit_price(&item.netpr, &item.peinh)?,
            currency,
            unit,
        },
        site: of.parse("WERKS", &item.werks)?,
        ship_date: of.date("BDDAT", ship_date)?,
    })
}

fn refused(message: String) -> ConnectorError {
    ConnectorError::Rejected { message }
}

/// The order in the ERP's fields; what does not fit them is refused before anything is sent.
pub(super) fn new_order(
    company: &CompanyId,
    order: &CreateErpOrder,
    staged: bool,
) -> Result<wire::NewSalesOrder, ConnectorError> {
    let purchase_order = order.purchase_order_number.as_str();
    if purchase_order.chars().count() > MOST_PURCHASE_ORDER {
        return Err(refused(format!(
            "The ERP keeps {MOST_PURCHASE_ORDER} characters of a purchase order number; this one is longer."
        )));
    }
    let mut lines = BTreeSet::new();
    let mut items = Vec::with_capacity(order.lines.len());
    for line in &order.lines {
        if !lines.insert(line.line) || line.line == 0 || line.line > 999_999 {
            return Err(refused(format!(
                "Line number {} is used twice or outside 1 to 999999.",
                line.line
            )));
        }
        items.push(new_item(line, order.currency)?);
    }
    Ok(wire::NewSalesOrder {
        bukrs: company.to_string(),
        kunnr: order.account.to_string(),
        kunwe: order.ship_to.to_string(),
        bstkd: purchase_order.to_owned(),
        xref: order.reference.to_string(),
        waers: order.currency.code().to_owned(),
        lifsk: if staged { STAGED } else { "" },
        items,
    })
}

fn new_item(
    line: &ErpOrderLine,
    currency: Currency,
) -> Result<wire::NewSalesOrderItem, ConnectorError> {
    let price = &line.unit_price;
    if price.currency != currency || price.unit != line.quantity.unit {
        return Err(refused(format!(
            "Line {} is priced in another currency or unit than it is ordered in.",
            line.line
        )));
    }
    let mut quantity = line.quantity.value.normalize();
    if quantity.scale() > QUANTITY_DECIMALS {
        return Err(refused(format!(
            "The ERP keeps {QUANTITY_DECIMALS} decimals of a quantity; line {} has more.",
            line.line
        )));
    }
    quantity.rescale(QUANTITY_DECIMALS);
    let (amount, per) = price_per(price.amount).ok_or_else(|| {
        refused(format!(
            "The ERP cannot hold the price of line {} exactly.",
            line.line
        ))
    })?;
    let date = line.ship_date.strftime("%Y%m%d").to_string();
    Ok(wire::NewSalesOrderItem {
        posnr: format!("{:06}", line.line),
        matnr: line.item.to_string(),
        kwmeng: quantity.to_string(),
        vrkme: wire::erp_unit(line.quantity.unit.code()).to_owned(),
        netpr: amount.to_string(),
        peinh: per.to_string(),
        werks: line.site.to_string(),
        vdatu: date.clone(),
        bddat: date,
        posex: line.order_line.to_string(),
    })
}

/// A price with 2 to 5 decimals and the units it is for: finer prices are told per 10, 100 … units.
fn price_per(price: Decimal) -> Option<(Decimal, Decimal)> {
    let mut amount = price.normalize();
    let mut per = Decimal::ONE;
    while amount.scale() > PRICE_DECIMALS {
        amount = amount.checked_mul(Decimal::TEN)?.normalize();
        per = per.checked_mul(Decimal::TEN)?;
    }
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    Some((amount, per))
}
