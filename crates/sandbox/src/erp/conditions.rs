//! The price schedule: every condition record that could apply to an account.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::wire::{Message, Outcome, date, keys, price, quantity};
use crate::seed::{PriceKind, PriceRecord, Promotions};
use crate::units::erp_code;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub(super) struct ConditionQuery {
    kunnr: String,
    matnr: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Conditions {
    #[serde(rename = "CONDITIONS")]
    conditions: Vec<Condition>,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Condition {
    matnr: String,
    kschl: &'static str,
    prio: String,
    holder: String,
    ktnum: String,
    ktver: String,
    kmein: String,
    netpr: String,
    peinh: String,
    kstbm: String,
    waers: String,
    datab: String,
    datbi: String,
    kzpro: &'static str,
    gkwrt: String,
}

/// Whose records an account may use.
struct Holders<'a> {
    /// Accounts from the nearest up, with their distance.
    accounts: BTreeMap<&'a str, u32>,
    ship_tos: Vec<&'a str>,
    group: Option<&'a str>,
}

pub(super) fn conditions_getlist(book: &mut Book, request: ConditionQuery) -> Outcome<Conditions> {
    let lineage = book.lineage(&request.kunnr);
    let Some(account) = lineage.first() else {
        return Err(vec![Message::unknown_customer(&request.kunnr)]);
    };
    let holders = Holders {
        accounts: lineage
            .iter()
            .map(|account| account.id.as_str())
            .zip(0..)
            .collect(),
        ship_tos: account
            .ship_tos
            .iter()
            .map(|place| place.id.as_str())
            .collect(),
        group: account.price_group.as_deref(),
    };
    let mut answer = Conditions {
        conditions: Vec::new(),
        messages: Vec::new(),
    };
    for key in keys(&request.matnr, "MATNR")? {
        if !book.items.contains_key(key) {
            answer.messages.push(Message::unknown_material(key));
            continue;
        }
        let records = book.prices.get(key).into_iter().flatten();
        let conditions = records.filter_map(|record| {
            let (kind, priority) = holders.rank(record)?;
            Some(condition(record, kind, priority))
        });
        answer.conditions.extend(conditions);
    }
    Ok(answer)
}

impl Holders<'_> {
    /// Condition type and priority of a record for this account; none if it may not use it.
    fn rank(&self, record: &PriceRecord) -> Option<(&'static str, u32)> {
        let holder = record.holder.as_str();
        let distance = self.accounts.get(holder).copied();
        let in_group = self.group == Some(holder);
        match record.kind {
            PriceKind::ContractShipTo => self.ship_tos.contains(&holder).then_some(("ZK01", 10)),
            PriceKind::ContractAccount => match distance? {
                0 => Some(("ZK02", 20)),
                further => Some(("ZK03", further.saturating_add(29))),
            },
            PriceKind::ContractGroup => in_group.then_some(("ZK04", 40)),
            PriceKind::AccountList => {
                (distance == Some(0)).then(|| ("ZP05", record.list_priority.saturating_add(50)))
            }
            PriceKind::GroupList => {
                in_group.then(|| ("ZP06", record.list_priority.saturating_add(60)))
            }
            PriceKind::List => Some(("PR00", 90)),
        }
    }
}

fn condition(record: &PriceRecord, kind: &'static str, priority: u32) -> Condition {
    let (ktnum, ktver) = record.contract.as_ref().map_or_else(
        || (String::new(), String::new()),
        |contract| (contract.number.clone(), contract.version.clone()),
    );
    Condition {
        matnr: record.item.clone(),
        kschl: kind,
        prio: priority.to_string(),
        holder: record.holder.clone(),
        ktnum,
        ktver,
        kmein: erp_code(&record.unit).to_owned(),
        netpr: price(record.price),
        peinh: record.per.to_string(),
        kstbm: quantity(record.from_quantity),
        waers: record.currency.clone(),
        datab: date(Some(record.valid_from)),
        datbi: match record.valid_to {
            Some(last) => date(Some(last)),
            None => "99991231".to_owned(),
        },
        kzpro: match record.promotions {
            Promotions::Excluded => "",
            Promotions::Combined => "C",
            Promotions::IfLower => "L",
        },
        gkwrt: record.floor.map(price).unwrap_or_default(),
    }
}
