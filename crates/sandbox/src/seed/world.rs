//! The generated world: Northwind Industrial Supply, its customers and its shelves.
//!
//! What a reader may rely on, at any size:
//! - `ACME` (contract with breaks at 24 and 144, limit 50000.00, part numbers `ACM-9001` on),
//!   `ACME-WEST` (its child: the parent's contract, own limit 10000.00), `BOREALIS` (price group
//!   `RETAIL`, limit 2000.00), then `CUST-0004` on;
//! - item n: carton of 12 when n % 10 == 1; priced per 100 when n % 8 == 0; discontinued when
//!   n % 100 == 99; no stock and no receipt when n % 20 == 0; no stock but a receipt in five days
//!   when n % 20 == 10; only at WEST when n % 25 == 0; 4 pieces at EAST alone when n % 40 == 3;
//! - ACME's contract leaves out items with n % 4 == 0, and changes after 30 days when n % 10 == 2;
//! - promotions may be taken off list prices and the group's, down to 80 % of the list price; off ACME's contract none may,
//!   but for items with n % 10 == 5 the contract says "or promotional if lower";
//! - the ERP adds 25.00 freight to an order below 500.00, and 5.75 % tax to what goes to Ohio; `BOREALIS` sells again and
//!   pays no tax.

use jiff::{Span, ToSpan, civil::Date};
use rust_decimal::{Decimal, RoundingStrategy};

use super::{
    Account, Address, AlternateUnit, Charges, Company, ContractReference, Credit, Freight,
    Identifier, IdentifierScheme, Item, ItemStatus, PartNumber, PriceKind, PriceRecord, Promotions,
    Receipt, Seed, SeedSizes, ShipTo, Site, StockRecord, Tax,
};
use crate::random::Random;

/// Percent of the list price below which no promotion goes.
const LOWEST_PERCENT: i64 = 80;

const FAMILIES: [(&str, &str, &str); 10] = [
    ("BEARINGS", "Ball bearing", "31171504"),
    ("FASTENERS", "Hex bolt", "31161600"),
    ("HYDRAULICS", "Hydraulic hose", "40142000"),
    ("SEALS", "Shaft seal", "31181500"),
    ("BELTS", "V-belt", "26111800"),
    ("VALVES", "Ball valve", "40141607"),
    ("MOTORS", "Gear motor", "26101100"),
    ("SAFETY", "Work glove", "46181504"),
    ("ELECTRICAL", "Contactor", "39121529"),
    ("TOOLS", "Torque key", "27111700"),
];

impl Seed {
    /// 3 accounts and 200 items.
    pub fn default_world(base_date: Date) -> Self {
        Self::generate(&SeedSizes {
            accounts: 3,
            items: 200,
            rng_seed: 1,
            base_date,
        })
    }

    /// A world of any size; the same sizes give the same bytes.
    pub fn generate(sizes: &SeedSizes) -> Self {
        let mut random = Random::new(sizes.rng_seed);
        let mut prices = Vec::new();
        let mut stock = Vec::new();
        let mut items = Vec::new();
        for n in 1..=sizes.items {
            let item = item(n);
            item_prices(n, &item, sizes.base_date, &mut random, &mut prices);
            item_stock(n, &item, sizes.base_date, &mut random, &mut stock);
            items.push(item);
        }
        let accounts = (1..=sizes.accounts)
            .map(|n| account(n, sizes.items))
            .collect();
        Self {
            base_date: sizes.base_date,
            company: Company {
                id: "NWI".to_owned(),
                name: "Northwind Industrial Supply".to_owned(),
                currency: "USD".to_owned(),
            },
            sites: vec![site("EAST", "Columbus"), site("WEST", "Reno")],
            items,
            accounts,
            prices,
            stock,
            charges: Charges {
                freight: Some(Freight {
                    charge: Decimal::new(2_500, 2),
                    free_from: Decimal::new(50_000, 2),
                }),
                taxes: vec![Tax {
                    country: "US".to_owned(),
                    region: "OH".to_owned(),
                    percent: Decimal::new(575, 2),
                }],
            },
        }
    }
}

fn site(id: &str, name: &str) -> Site {
    Site {
        id: id.to_owned(),
        name: format!("{name} distribution center"),
    }
}

fn item(n: u32) -> Item {
    let index = usize::try_from((n.saturating_sub(1)) % 10).unwrap_or(0);
    let (family, noun, unspsc) = FAMILIES
        .get(index)
        .copied()
        .unwrap_or(("OTHER", "Part", ""));
    let alternate_units = if n % 10 == 1 {
        vec![AlternateUnit {
            unit: "XCT".to_owned(),
            numerator: 12,
            denominator: 1,
            gtin: Some(with_check_digit(&format!("10614141{n:05}"))),
        }]
    } else {
        Vec::new()
    };
    Item {
        id: format!("SKU-{n:04}"),
        description: format!("{noun} {}", 6000_u32.saturating_add(n)),
        family: family.to_owned(),
        unspsc: Some(unspsc.to_owned()).filter(|code| !code.is_empty()),
        base_unit: "EA".to_owned(),
        gtin: Some(with_check_digit(&format!("00614141{n:05}"))),
        alternate_units,
        lead_time_days: 3 + n % 12,
        status: if n % 100 == 99 {
            ItemStatus::Discontinued
        } else {
            ItemStatus::Active
        },
    }
}

fn item_prices(
    n: u32,
    item: &Item,
    base: Date,
    random: &mut Random,
    prices: &mut Vec<PriceRecord>,
) {
    let each = Decimal::new(i64::from(250 + random.below(20_000)), 2);
    let per: u32 = if n.is_multiple_of(8) { 100 } else { 1 };
    let year_start = day(base, -300_i32.days());
    let record = |kind: PriceKind, holder: &str, percent: i64, from: i64| PriceRecord {
        item: item.id.clone(),
        kind,
        holder: holder.to_owned(),
        contract: None,
        list_priority: 0,
        unit: item.base_unit.clone(),
        price: cents(each * Decimal::from(per) * Decimal::new(percent, 2)),
        per,
        from_quantity: Decimal::from(from),
        currency: "USD".to_owned(),
        valid_from: year_start,
        valid_to: None,
        promotions: Promotions::Combined,
        floor: Some(cents(
            each * Decimal::from(per) * Decimal::new(LOWEST_PERCENT, 2),
        )),
    };
    prices.push(record(PriceKind::List, "", 100, 0));
    for unit in &item.alternate_units {
        let pieces = Decimal::from(unit.numerator) * Decimal::new(95, 2);
        prices.push(PriceRecord {
            unit: unit.unit.clone(),
            price: cents(each * pieces),
            per: 1,
            floor: Some(cents(
                each * Decimal::from(unit.numerator) * Decimal::new(LOWEST_PERCENT, 2),
            )),
            ..record(PriceKind::List, "", 100, 0)
        });
    }
    prices.push(PriceRecord {
        list_priority: 1,
        ..record(PriceKind::GroupList, "RETAIL", 97, 0)
    });
    if n.is_multiple_of(4) {
        return;
    }
    let contract = Some(ContractReference {
        number: "C-ACME-1".to_owned(),
        version: "3".to_owned(),
    });
    for (from, percent) in [(0, 92), (24, 88), (144, 82)] {
        let line = PriceRecord {
            contract: contract.clone(),
            promotions: if n % 10 == 5 {
                Promotions::IfLower
            } else {
                Promotions::Excluded
            },
            ..record(PriceKind::ContractAccount, "ACME", percent, from)
        };
        if n % 10 == 2 {
            prices.push(PriceRecord {
                valid_to: Some(day(base, 30_i32.days())),
                ..line.clone()
            });
            prices.push(PriceRecord {
                valid_from: day(base, 31_i32.days()),
                price: cents(line.price * Decimal::new(104, 2)),
                ..line
            });
        } else {
            prices.push(line);
        }
    }
}

fn item_stock(n: u32, item: &Item, base: Date, random: &mut Random, stock: &mut Vec<StockRecord>) {
    let east = 100 + random.below(400);
    let west = 50 + random.below(200);
    let receipt = |suffix: u32, days: u32, quantity: u32, confirmed: bool| Receipt {
        number: format!("45{n:05}{suffix}"),
        date: day(base, i64::from(days).days()),
        quantity: Decimal::from(quantity),
        confirmed,
    };
    let record = |site: &str, on_hand: u32, receipts: Vec<Receipt>| StockRecord {
        item: item.id.clone(),
        site: site.to_owned(),
        on_hand: Decimal::from(on_hand),
        reserved: Decimal::from(if on_hand > 10 && n.is_multiple_of(11) {
            2
        } else {
            0
        }),
        quality: Decimal::from(if on_hand > 10 && n.is_multiple_of(7) {
            5
        } else {
            0
        }),
        safety: Decimal::from(if on_hand > 10 && n.is_multiple_of(5) {
            10
        } else {
            0
        }),
        receipts,
    };
    if n.is_multiple_of(20) {
        return;
    }
    if n % 20 == 10 {
        stock.push(record("EAST", 0, vec![receipt(1, 5, 80, true)]));
    } else if n.is_multiple_of(25) {
        stock.push(record("WEST", west, Vec::new()));
    } else if n % 40 == 3 {
        stock.push(record("EAST", 4, Vec::new()));
    } else {
        let mut receipts = Vec::new();
        if n.is_multiple_of(3) {
            receipts.push(receipt(1, 3 + n % 7, 60, true));
        }
        if n.is_multiple_of(6) {
            receipts.push(receipt(2, 14, 40, false));
        }
        stock.push(record("EAST", east, receipts));
        stock.push(record("WEST", west, Vec::new()));
    }
}

fn account(n: u32, items: u32) -> Account {
    match n {
        1 => Account {
            identifiers: vec![identifier(IdentifierScheme::Duns, "123456789")],
            credit: credit(Some(50_000), [4_000, 1_500, 3_800, 500]),
            part_numbers: (1..=items)
                .map(|item| PartNumber {
                    item: format!("SKU-{item:04}"),
                    part_number: format!("ACM-{}", 9000_u32.saturating_add(item)),
                })
                .collect(),
            ..plain_account("ACME", "Acme Manufacturing", &["PLANT1", "PLANT2"], 11)
        },
        2 => Account {
            parent: Some("ACME".to_owned()),
            identifiers: vec![identifier(IdentifierScheme::Duns, "123456790")],
            credit: credit(Some(10_000), [0, 0, 1_200, 0]),
            ..plain_account("ACME-WEST", "Acme Manufacturing West", &["WPLANT"], 21)
        },
        3 => Account {
            price_group: Some("RETAIL".to_owned()),
            tax_exempt: true,
            identifiers: vec![identifier(IdentifierScheme::Duns, "987654321")],
            credit: credit(Some(2_000), [0, 0, 450, 0]),
            ..plain_account("BOREALIS", "Borealis Outfitters", &["STORE1"], 31)
        },
        _ => Account {
            price_group: n.is_multiple_of(2).then(|| "RETAIL".to_owned()),
            credit: credit((!n.is_multiple_of(5)).then_some(25_000), [0, 0, 0, 0]),
            ..plain_account(
                &format!("CUST-{n:04}"),
                &format!("Customer {n}"),
                &[&format!("DOCK{n}")],
                n.saturating_mul(10),
            )
        },
    }
}

fn plain_account(id: &str, name: &str, locations: &[&str], gln_from: u32) -> Account {
    let ship_tos = (1_u32..)
        .zip(locations)
        .map(|(n, location)| ShipTo {
            id: format!("{id}-{n:02}"),
            name: format!("{name} {location}"),
            address: address(n),
            identifiers: vec![
                identifier(
                    IdentifierScheme::Gln,
                    &with_check_digit(&format!(
                        "0614141{:05}",
                        gln_from.saturating_add(n) % 100_000
                    )),
                ),
                identifier(IdentifierScheme::Location, location),
            ],
        })
        .collect();
    Account {
        id: id.to_owned(),
        name: name.to_owned(),
        parent: None,
        price_group: None,
        currency: "USD".to_owned(),
        address: address(100),
        identifiers: Vec::new(),
        ship_tos,
        payment_terms: "NT30".to_owned(),
        payment_days: 30,
        active: true,
        blocked: false,
        credit: credit(None, [0, 0, 0, 0]),
        part_numbers: Vec::new(),
        tax_exempt: false,
    }
}

/// Open orders, delivered, receivables, unapplied.
fn credit(limit: Option<u32>, figures: [u32; 4]) -> Credit {
    let [open_orders, delivered, receivables, unapplied] =
        figures.map(|figure| Decimal::new(i64::from(figure) * 100, 2));
    Credit {
        limit: limit.map(|limit| Decimal::new(i64::from(limit) * 100, 2)),
        open_orders,
        delivered_not_invoiced: delivered,
        invoiced_not_posted: Decimal::ZERO,
        receivables,
        unapplied,
        blocked: false,
        oldest_overdue_days: 0,
    }
}

fn address(number: u32) -> Address {
    Address {
        street: format!("{number} Industrial Parkway"),
        city: "Columbus".to_owned(),
        region: "OH".to_owned(),
        postal_code: "43004".to_owned(),
        country: "US".to_owned(),
    }
}

fn identifier(scheme: IdentifierScheme, value: &str) -> Identifier {
    Identifier {
        scheme,
        value: value.to_owned(),
    }
}

fn cents(amount: Decimal) -> Decimal {
    let mut rounded = amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(2);
    rounded
}

fn day(base: Date, span: Span) -> Date {
    base.saturating_add(span)
}

/// Appends the GS1 check digit.
fn with_check_digit(digits: &str) -> String {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .zip([3, 1].into_iter().cycle())
        .map(|(digit, weight)| digit * weight)
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_same_inputs_give_the_same_bytes() {
        let bytes = |rng_seed| {
            let sizes = SeedSizes {
                accounts: 5,
                items: 40,
                rng_seed,
                base_date: date(2026, 11, 20),
            };
            serde_json::to_vec(&Seed::generate(&sizes)).expect("plain data")
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn the_default_world_is_the_documented_one() {
        let world = Seed::default_world(date(2026, 11, 20));
        assert_eq!((world.accounts.len(), world.items.len()), (3, 200));
        let carton = &world.items[0].alternate_units[0];
        assert_eq!((carton.unit.as_str(), carton.numerator), ("XCT", 12));
        assert!(world.items[1].alternate_units.is_empty());
        assert_eq!(world.accounts[0].part_numbers[0].part_number, "ACM-9001");
        assert_eq!(world.accounts[1].parent.as_deref(), Some("ACME"));
        let sites = |item: &str| -> Vec<&str> {
            let rows = world.stock.iter().filter(|row| row.item == item);
            rows.map(|row| row.site.as_str()).collect()
        };
        assert_eq!(sites("SKU-0001"), ["EAST", "WEST"]);
        assert_eq!(sites("SKU-0025"), ["WEST"]);
        assert!(sites("SKU-0020").is_empty());
        let breaks: Vec<Decimal> = world
            .prices
            .iter()
            .filter(|price| price.item == "SKU-0001" && price.holder == "ACME")
            .map(|price| price.from_quantity)
            .collect();
        assert_eq!(breaks, [0, 24, 144].map(Decimal::from));
    }

    #[test]
    fn a_world_survives_its_own_json() {
        let world = Seed::default_world(date(2026, 11, 20));
        let text = serde_json::to_string(&world).expect("plain data");
        assert_eq!(serde_json::from_str::<Seed>(&text).expect("its own"), world);
    }

    #[test]
    fn check_digits_are_those_of_gs1() {
        assert_eq!(with_check_digit("629104150021"), "6291041500213");
    }
}
