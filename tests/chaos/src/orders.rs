//! The orders of a run: what is ordered, by whom, over which channel.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde::Serialize;

/// Items of which there is plenty, priced each, at one price below 24 pieces; no receipt of them is due.
pub(crate) const PLENTIFUL: [&str; 12] = [
    "SKU-0001", "SKU-0007", "SKU-0011", "SKU-0013", "SKU-0014", "SKU-0017", "SKU-0019", "SKU-0026",
    "SKU-0029", "SKU-0031", "SKU-0034", "SKU-0037",
];
/// Items of which there is little, no receipt is due, and the supplier takes two weeks.
pub(crate) const SCARCE: [&str; 6] = [
    "SKU-0023", "SKU-0047", "SKU-0059", "SKU-0107", "SKU-0167", "SKU-0179",
];
/// Days that the supplier of a scarce item takes: what is confirmed earlier is promised from stock.
pub(crate) const SCARCE_LEAD_DAYS: i64 = 14;
/// Where everything is.
pub(crate) const SITE: &str = "EAST";

/// How an order comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    /// REST.
    Portal,
    /// X12 850.
    Edi,
    /// cXML `OrderRequest`.
    Cxml,
}

/// An order to be placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PlannedOrder {
    /// The buyer's number; with the account it is the order's key.
    pub(crate) number: String,
    /// 1, 2, 3 …
    pub(crate) sequence: u32,
    /// Sold-to.
    pub(crate) account: &'static str,
    /// How it comes in.
    pub(crate) channel: Channel,
    /// Item and pieces; each item once.
    pub(crate) lines: BTreeMap<&'static str, u32>,
    /// What it is changed to, where it is changed: an order of its own in the ERP then takes its place.
    pub(crate) revised: Option<BTreeMap<&'static str, u32>>,
}

/// What the orders of a run are like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mix {
    /// Of how many one is by EDI, and one by cXML; the rest by the portal. 0 = none.
    pub(crate) one_in: u32,
    /// Percentage of lines of scarce items.
    pub(crate) scarce_percent: u32,
}

impl Mix {
    /// Every channel, a third of the lines scarce.
    pub(crate) const ALL: Self = Self {
        one_in: 5,
        scarce_percent: 30,
    };
    /// The portal alone, and plenty of everything.
    pub(crate) const PORTAL: Self = Self {
        one_in: 0,
        scarce_percent: 0,
    };
}

/// So many orders; the same seed gives the same.
pub(crate) fn planned(seed: u64, prefix: &str, count: u32, mix: Mix) -> Vec<PlannedOrder> {
    let mut luck = StdRng::seed_from_u64(seed);
    (1..=count)
        .map(|sequence| one(&mut luck, prefix, sequence, mix))
        .collect()
}

fn one(luck: &mut StdRng, prefix: &str, sequence: u32, mix: Mix) -> PlannedOrder {
    let drawn = if mix.one_in == 0 {
        u32::MAX
    } else {
        luck.random_range(0..mix.one_in)
    };
    let channel = match drawn {
        0 => Channel::Edi,
        1 => Channel::Cxml,
        _ => Channel::Portal,
    };
    let account = if channel == Channel::Portal {
        ["ACME", "ACME-WEST", "BOREALIS"]
            .choose(luck)
            .copied()
            .unwrap_or("ACME")
    } else {
        "ACME"
    };
    let mut lines = BTreeMap::new();
    for _ in 0..luck.random_range(1..=3) {
        let items = if luck.random_range(0..100) < mix.scarce_percent {
            SCARCE.as_slice()
        } else {
            PLENTIFUL.as_slice()
        };
        let item = items.choose(luck).copied().unwrap_or("SKU-0001");
        lines.insert(item, luck.random_range(1..=4));
    }
    PlannedOrder {
        number: format!("{prefix}-{sequence:05}"),
        sequence,
        account,
        channel,
        lines,
        revised: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_plans_the_same_and_every_channel_has_its_share() {
        let orders = planned(7, "A", 200, Mix::ALL);
        assert_eq!(orders, planned(7, "A", 200, Mix::ALL));
        assert_ne!(orders, planned(8, "A", 200, Mix::ALL));
        for channel in [Channel::Portal, Channel::Edi, Channel::Cxml] {
            let share = orders.iter().filter(|order| order.channel == channel);
            assert!(share.count() >= 20, "{channel:?}");
        }
        let scarce = orders.iter().flat_map(|order| order.lines.keys());
        assert!(scarce.filter(|item| SCARCE.contains(item)).count() > 50);
    }
}
