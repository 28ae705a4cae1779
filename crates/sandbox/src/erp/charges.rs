//! What the ERP adds to an order of its own: freight on small orders, and tax by where the goods go.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

use super::records::{Charge, ChargeKind, SalesOrder};
use super::wire::amount;
use crate::seed::{Address, Charges};

/// What the charges of an order depend on.
pub(super) struct Charged<'a> {
    /// Sum of the lines.
    pub(super) net_value: Decimal,
    /// Whether it is in the company's currency.
    pub(super) in_company_currency: bool,
    /// Where the goods go.
    pub(super) to: Option<&'a Address>,
    /// Whether the account pays no tax.
    pub(super) exempt: bool,
}

/// Freight, then tax on lines and freight together.
pub(super) fn added(rules: &Charges, order: &Charged<'_>) -> Vec<Charge> {
    let mut added = Vec::new();
    let freight = rules.freight.as_ref().filter(|_| order.in_company_currency);
    let freight = freight.filter(|freight| order.net_value < freight.free_from);
    let carriage = freight.map_or(Decimal::ZERO, |freight| freight.charge);
    if !carriage.is_zero() {
        added.push(Charge {
            kind: ChargeKind::Freight,
            text: "Freight".to_owned(),
            amount: carriage,
        });
    }
    let tax = order.to.filter(|_| !order.exempt).and_then(|to| {
        let mut taxes = rules.taxes.iter();
        taxes.find(|tax| {
            tax.country == to.country && (tax.region.is_empty() || tax.region == to.region)
        })
    });
    if let Some(tax) = tax {
        let base = order.net_value + carriage;
        let exact = base * tax.percent / Decimal::ONE_HUNDRED;
        let place = format!("{} {}", tax.country, tax.region);
        added.push(Charge {
            kind: ChargeKind::Tax,
            text: format!("Sales tax {} {} %", place.trim(), tax.percent),
            amount: exact.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero),
        });
    }
    added
}

/// A charge the ERP's way: a condition of the whole document.
#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct HeadCondition {
    kschl: &'static str,
    vtext: String,
    kwert: String,
}

pub(super) fn head_conditions(order: &SalesOrder) -> Vec<HeadCondition> {
    let charges = order.added.iter().map(|charge| HeadCondition {
        kschl: match charge.kind {
            ChargeKind::Freight => "HF00",
            ChargeKind::Tax => "MWST",
        },
        vtext: charge.text.clone(),
        kwert: amount(charge.amount),
    });
    charges.collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::seed::Seed;

    fn amounts(net_value: Decimal, exempt: bool, region: &str) -> Vec<(ChargeKind, String)> {
        let world = Seed::default_world(date(2026, 11, 20));
        let mut to = world.accounts[0].ship_tos[0].address.clone();
        region.clone_into(&mut to.region);
        let order = Charged {
            net_value,
            in_company_currency: true,
            to: Some(&to),
            exempt,
        };
        added(&world.charges, &order)
            .into_iter()
            .map(|charge| (charge.kind, charge.amount.to_string()))
            .collect()
    }

    #[test]
    fn small_orders_bear_freight_and_tax_is_of_both() {
        let freight = (ChargeKind::Freight, "25.00".to_owned());
        // (100.10 + 25.00) × 5.75 % = 7.193 …
        assert_eq!(
            amounts(Decimal::new(10_010, 2), false, "OH"),
            [freight.clone(), (ChargeKind::Tax, "7.19".to_owned())]
        );
        assert_eq!(
            amounts(Decimal::new(50_000, 2), false, "OH"),
            [(ChargeKind::Tax, "28.75".to_owned())]
        );
        assert_eq!(
            amounts(Decimal::new(49_999, 2), true, "OH"),
            std::slice::from_ref(&freight)
        );
        assert_eq!(amounts(Decimal::new(1_000, 2), false, "NV"), [freight]);
    }
}
