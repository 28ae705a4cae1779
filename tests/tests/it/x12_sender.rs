//! The sender of a purchase order that nobody here knows: what it calls itself, its products and its places are taken
//! from the document, seeded into the backends and agreed in a profile.

use std::collections::{BTreeMap, BTreeSet};

use edi::x12::{
    Interchange, ReadOptions,
    purchase_order::{self, Line, Party, PurchaseOrder},
    read, unit, value,
};
use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use sandbox::{
    SandboxConfig, Seed,
    seed::{
        Account, Address, AlternateUnit, Credit, Identifier, IdentifierScheme, Item, ItemStatus,
        PartNumber, PriceKind, PriceRecord, Promotions, ShipTo, StockRecord,
    },
};
use tests::{Setup, root};

/// The partner's id and its account.
pub(crate) const PARTNER: &str = "sender";
pub(crate) const ACCOUNT: &str = "SENDER";

/// Qualifiers of product numbers and whose numbers they are, as most partners use them.
const QUALIFIERS: [(&str, &str); 18] = [
    ("VP", "seller_part_number"),
    ("VN", "seller_part_number"),
    ("VC", "seller_part_number"),
    ("VA", "seller_part_number"),
    ("VS", "seller_part_number"),
    ("MG", "seller_part_number"),
    ("BP", "buyer_part_number"),
    ("IN", "buyer_part_number"),
    ("CB", "buyer_part_number"),
    ("SK", "buyer_part_number"),
    ("PI", "buyer_part_number"),
    ("PN", "buyer_part_number"),
    ("BC", "buyer_part_number"),
    ("UP", "gtin"),
    ("EN", "gtin"),
    ("UK", "gtin"),
    ("UA", "gtin"),
    ("UI", "gtin"),
];

/// What cannot be seen in a document and has to be agreed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Agreed {
    /// Qualifiers of product numbers in their order; empty = by what is in the document.
    pub(crate) products: &'static [(&'static str, &'static str)],
    /// X12 units and the UN/ECE units that are meant.
    pub(crate) units: &'static [(&'static str, &'static str)],
    /// Further keys of the profile.
    pub(crate) keys: &'static str,
    /// Keys of its table `ship_to`.
    pub(crate) ship_to: &'static str,
}

/// A sender, ready to be seeded.
pub(crate) struct Sender {
    /// Every readable purchase order of the file.
    pub(crate) orders: Vec<PurchaseOrder>,
    rules: Vec<(String, String)>,
    units: BTreeMap<String, String>,
    places: Vec<(Option<(String, String)>, ShipTo)>,
    profile: String,
}

impl Sender {
    /// Of a file, if an ISA can be found in it.
    pub(crate) fn of(bytes: &[u8], agreed: Agreed) -> Option<Self> {
        let options = ReadOptions {
            allow_unpadded_isa: true,
            ..ReadOptions::default()
        };
        let outcome = read(bytes, &options);
        let orders = orders(&outcome.interchanges);
        let mut sender = Self {
            rules: rules(&orders, agreed),
            units: units(&orders, agreed),
            places: places(&orders),
            orders,
            profile: String::new(),
        };
        sender.profile = sender.profile(&outcome.interchanges, agreed)?;
        Some(sender)
    }

    /// A world that knows the sender.
    pub(crate) fn setup(&self, allow_unpadded_isa: bool) -> Setup {
        let mut setup = Setup::default();
        let profile = &self.profile;
        let profile = format!("allow_unpadded_isa = {allow_unpadded_isa}\n{profile}");
        setup.partners = vec![(format!("{PARTNER}.toml"), profile)];
        setup.sandbox = Some(SandboxConfig::new(self.seed()));
        for kind in ["CREDENTIAL", "ACCOUNT"] {
            let name = |key: &str| format!("ORDERWAY_EXPERIENCE__LIMITS__{kind}__{key}");
            setup = setup
                .with(&name("PER_SECOND"), "100000")
                .with(&name("BURST"), "100000");
        }
        setup
    }

    /// What a line is, by the first of its numbers that was agreed.
    pub(crate) fn item(&self, line: &Line) -> String {
        self.rules
            .iter()
            .find_map(|(qualifier, scheme)| {
                let value = line.product_id(qualifier)?;
                Some(if scheme == "seller_part_number" {
                    value.to_owned()
                } else {
                    format!("I-{value}")
                })
            })
            .unwrap_or_default()
    }

    /// The unit of a line in our words.
    pub(crate) fn unit(&self, line: &Line) -> &str {
        let agreed = line.unit.as_deref().and_then(|unit| self.units.get(unit));
        agreed.map_or("EA", String::as_str)
    }

    /// The price of a line that asks for one, and for how many units; else ours.
    pub(crate) fn price(line: &Line) -> (Decimal, u32) {
        let basis = unit::price_basis(line.price_basis.as_deref()).unwrap_or(1);
        match line.unit_price.filter(|price| !price.is_zero()) {
            Some(price) => (price, basis),
            None => (Decimal::ONE, 1),
        }
    }

    fn seed(&self) -> Seed {
        let world = Seed::default_world(date(2026, 11, 20));
        let currency = currency(&self.orders);
        let (mut items, mut prices) = (Vec::<Item>::new(), Vec::<PriceRecord>::new());
        let mut part_numbers: BTreeMap<String, String> = BTreeMap::new();
        for line in self.orders.iter().flat_map(|order| &order.lines) {
            let (id, unit) = (self.item(line), self.unit(line).to_owned());
            if id.is_empty() {
                continue;
            }
            for (qualifier, _) in self
                .rules
                .iter()
                .filter(|(_, scheme)| scheme == "buyer_part_number")
            {
                if let Some(value) = line.product_id(qualifier) {
                    part_numbers
                        .entry(value.to_owned())
                        .or_insert_with(|| id.clone());
                }
            }
            let gtin = self.rules.iter().filter(|(_, scheme)| scheme == "gtin");
            let gtin = gtin
                .filter_map(|(qualifier, _)| line.product_id(qualifier))
                .next();
            add_item(&mut items, &id, &unit, gtin);
            if prices
                .iter()
                .any(|price| price.item == id && price.unit == unit)
            {
                continue;
            }
            let (price, per) = Self::price(line);
            prices.push(price_record(&id, &unit, &currency, price, per));
        }
        let stock = items.iter().map(|item| stock_of(&item.id)).collect();
        let part_numbers = part_numbers.into_iter();
        let account = Account {
            ship_tos: self.places.iter().map(|(_, place)| place.clone()).collect(),
            part_numbers: part_numbers
                .map(|(part_number, item)| PartNumber { item, part_number })
                .collect(),
            ..account(currency)
        };
        Seed {
            items,
            prices,
            stock,
            accounts: vec![account],
            ..world
        }
    }

    fn profile(&self, interchanges: &[Interchange<'_>], agreed: Agreed) -> Option<String> {
        let us = &interchanges.first()?.header.receiver;
        let groups = || interchanges.iter().flat_map(|one| &one.groups);
        let of_orders =
            || groups().filter(|group| group.sets.iter().any(|set| set.set_id == "850"));
        let group = of_orders().next().or_else(|| groups().next());
        let application = |text: Option<&str>| {
            let named = text.map(visible).filter(|text| !text.is_empty());
            quoted(&named.unwrap_or_else(|| "NONE".to_owned()))
        };
        let versions: BTreeSet<String> = of_orders()
            .map(|group| quoted(value::release(&group.version)))
            .collect();
        let versions: Vec<String> = versions.into_iter().collect();
        let versions = if versions.is_empty() {
            "\"004010\"".to_owned()
        } else {
            versions.join(", ")
        };
        let demonstration =
            std::fs::read_to_string(root().join("config/partners/acme-edi.toml")).ok()?;
        let hash = demonstration
            .lines()
            .find(|line| line.starts_with("hash = "))?;
        let mut text = format!(
            "id = \"{PARTNER}\"\nname = \"Sender\"\ncompany = \"NWI\"\naccount = \"{ACCOUNT}\"\nversions = [{versions}]\n\
             past_dates = \"as_soon_as_possible\"\nunit_absent = \"sales_unit\"\n{}\n\
             [[credentials]]\nlabel = \"demo\"\n{hash}\ndevelopment_only = true\n\
             [us]\nqualifier = {}\nid = {}\napplication = {}\n",
            agreed.keys,
            quoted(&visible(&us.qualifier)),
            quoted(&visible(&us.id)),
            application(group.map(|group| group.application_receiver.as_str()))
        );
        let mut senders = BTreeSet::new();
        for interchange in interchanges {
            let (sender, first) = (&interchange.header.sender, interchange.groups.first());
            let group = application(first.map(|group| group.application_sender.as_str()));
            if senders.insert((sender.qualifier.clone(), sender.id.clone())) {
                let (qualifier, id) = (
                    quoted(&visible(&sender.qualifier)),
                    quoted(&visible(&sender.id)),
                );
                text += &format!(
                    "[[theirs]]\nqualifier = {qualifier}\nid = {id}\napplication = {group}\n"
                );
            }
        }
        for (qualifier, scheme) in &self.rules {
            let (qualifier, scheme) = (quoted(qualifier), quoted(scheme));
            text += &format!("[[products]]\nqualifier = {qualifier}\nscheme = {scheme}\n");
        }
        text += &format!("[ship_to]\n{}\n", agreed.ship_to);
        let listed = self
            .places
            .iter()
            .filter_map(|(code, place)| Some((code.as_ref()?, place)));
        for ((qualifier, id), place) in
            listed.filter(|((qualifier, _), _)| scheme_of(qualifier).is_none())
        {
            let (qualifier, id, place) = (quoted(qualifier), quoted(id), quoted(&place.id));
            text += &format!(
                "[[ship_to.places]]\nqualifier = {qualifier}\nid = {id}\nship_to = {place}\n"
            );
        }
        text += "[units]\n";
        let own = self
            .units
            .iter()
            .filter(|(x12, unece)| unit::to_unece(x12) != Some(unece.as_str()));
        text.extend(own.map(|(x12, unece)| format!("{} = {}\n", quoted(x12), quoted(unece))));
        Some(text)
    }
}

/// As TOML writes a text.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// What a damaged header leaves of an id.
fn visible(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| (' '..='~').contains(c))
        .take(15)
        .collect();
    kept.trim().to_owned()
}

fn orders(interchanges: &[Interchange<'_>]) -> Vec<PurchaseOrder> {
    let mut orders = Vec::new();
    for group in interchanges.iter().flat_map(|one| &one.groups) {
        let sets = group.sets.iter().filter(|set| set.set_id == "850");
        orders.extend(sets.filter_map(|set| purchase_order::read(set, &group.version, 100).order));
    }
    orders
}

/// The qualifiers of the document: those that tell most products apart go first.
fn rules(orders: &[PurchaseOrder], agreed: Agreed) -> Vec<(String, String)> {
    let own = |(qualifier, scheme): &(&str, &str)| ((*qualifier).to_owned(), (*scheme).to_owned());
    if !agreed.products.is_empty() {
        return agreed.products.iter().map(own).collect();
    }
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for id in orders
        .iter()
        .flat_map(|order| &order.lines)
        .flat_map(|line| &line.product_ids)
    {
        seen.entry(&id.qualifier).or_default().insert(&id.value);
    }
    let is_gtin = |value: &&str| value::is_digits(value) && matches!(value.len(), 8 | 12 | 13 | 14);
    let known = QUALIFIERS.iter().filter_map(|(qualifier, scheme)| {
        let values = seen.get(qualifier)?;
        let scheme = if *scheme == "gtin" && !values.iter().all(is_gtin) {
            "buyer_part_number"
        } else {
            scheme
        };
        Some((values.len(), ((*qualifier).to_owned(), scheme.to_owned())))
    });
    let mut known: Vec<_> = known.collect();
    known.sort_by_key(|(values, _)| std::cmp::Reverse(*values));
    let mut rules: Vec<(String, String)> = known.into_iter().map(|(_, rule)| rule).collect();
    if rules.is_empty() {
        let other = seen.keys().filter(|qualifier| qualifier.len() == 2);
        rules.extend(
            other.map(|qualifier| ((*qualifier).to_owned(), "buyer_part_number".to_owned())),
        );
    }
    if rules.is_empty() {
        rules.push(("VP".to_owned(), "seller_part_number".to_owned()));
    }
    rules
}

/// The units of the document: as listed, else as agreed, else kits.
fn units(orders: &[PurchaseOrder], agreed: Agreed) -> BTreeMap<String, String> {
    let lines = orders.iter().flat_map(|order| &order.lines);
    lines
        .filter_map(|line| line.unit.as_deref())
        .map(|x12| {
            let own = agreed
                .units
                .iter()
                .find(|(code, _)| *code == x12)
                .map(|(_, unece)| *unece);
            let unece = own.or_else(|| unit::to_unece(x12)).unwrap_or("KT");
            (x12.to_owned(), unece.to_owned())
        })
        .collect()
}

fn scheme_of(qualifier: &str) -> Option<IdentifierScheme> {
    match qualifier {
        "92" => Some(IdentifierScheme::Location),
        "1" | "9" => Some(IdentifierScheme::Duns),
        "UL" => Some(IdentifierScheme::Gln),
        _ => None,
    }
}

/// Every place the document sends goods to; an account has one at least.
fn places(orders: &[PurchaseOrder]) -> Vec<(Option<(String, String)>, ShipTo)> {
    let mut found: Vec<(Option<(String, String)>, Party)> = Vec::new();
    let mut add = |code: Option<(String, String)>, party: Party| {
        let known = found.iter().any(|(other, before)| {
            *other == code && (code.is_some() || before.streets == party.streets)
        });
        if !known {
            found.push((code, party));
        }
    };
    for order in orders {
        let of_lines = order.lines.iter().flat_map(|line| &line.parties);
        for party in order
            .parties
            .iter()
            .chain(of_lines)
            .filter(|party| party.code == "ST")
        {
            let qualifier = party.id_qualifier.as_deref().unwrap_or_default();
            let code = |id: &str| (qualifier.to_owned(), id.to_owned());
            add(party.id.as_deref().map(code), party.clone());
        }
        let splits = order.lines.iter().flat_map(|line| &line.schedules);
        for (qualifier, id) in splits.filter_map(|part| part.place.as_ref()) {
            add(
                Some((qualifier.to_string(), id.to_string())),
                Party::default(),
            );
        }
    }
    if found.is_empty() {
        found.push((None, Party::default()));
    }
    let numbered = (1..).zip(found);
    numbered
        .map(|(number, (code, party))| (code.clone(), ship_to(number, code, &party)))
        .collect()
}

fn ship_to(number: usize, code: Option<(String, String)>, party: &Party) -> ShipTo {
    let identifiers = code.and_then(|(qualifier, value)| {
        Some(Identifier {
            scheme: scheme_of(&qualifier)?,
            value,
        })
    });
    let text = |text: Option<&str>, otherwise: &str| text.unwrap_or(otherwise).to_owned();
    let street = if party.streets.is_empty() {
        "1 Dock Road".to_owned()
    } else {
        party.streets.join(" ")
    };
    ShipTo {
        id: format!("{ACCOUNT}-{number:02}"),
        name: text(party.name.as_deref(), "Dock"),
        address: Address {
            street,
            city: text(party.city.as_deref(), "Columbus"),
            region: text(party.region.as_deref(), "OH"),
            postal_code: text(party.postal_code.as_deref(), "43004"),
            country: text(party.country.as_deref(), "US"),
        },
        identifiers: identifiers.into_iter().collect(),
    }
}

fn currency(orders: &[PurchaseOrder]) -> String {
    orders
        .iter()
        .find_map(|order| order.currency.as_deref())
        .unwrap_or("USD")
        .to_owned()
}

fn add_item(items: &mut Vec<Item>, id: &str, unit: &str, gtin: Option<&str>) {
    let Some(item) = items.iter_mut().find(|item| item.id == id) else {
        items.push(Item {
            id: id.to_owned(),
            description: id.to_owned(),
            family: "ANY".to_owned(),
            unspsc: None,
            base_unit: unit.to_owned(),
            gtin: gtin.map(|gtin| format!("{gtin:0>14}")),
            alternate_units: Vec::new(),
            lead_time_days: 7,
            status: ItemStatus::Active,
        });
        return;
    };
    let known =
        item.base_unit == unit || item.alternate_units.iter().any(|other| other.unit == unit);
    if !known {
        item.alternate_units.push(AlternateUnit {
            unit: unit.to_owned(),
            numerator: 12,
            denominator: 1,
            gtin: None,
        });
    }
}

fn price_record(item: &str, unit: &str, currency: &str, price: Decimal, per: u32) -> PriceRecord {
    PriceRecord {
        item: item.to_owned(),
        kind: PriceKind::List,
        holder: String::new(),
        contract: None,
        list_priority: 0,
        unit: unit.to_owned(),
        price,
        per,
        from_quantity: Decimal::ZERO,
        currency: currency.to_owned(),
        valid_from: Date::new(2020, 1, 1).unwrap(),
        valid_to: None,
        promotions: Promotions::Excluded,
        floor: None,
    }
}

fn stock_of(item: &str) -> StockRecord {
    StockRecord {
        item: item.to_owned(),
        site: "EAST".to_owned(),
        on_hand: Decimal::from(1_000_000_000),
        reserved: Decimal::ZERO,
        quality: Decimal::ZERO,
        safety: Decimal::ZERO,
        receipts: Vec::new(),
    }
}

fn account(currency: String) -> Account {
    let world = Seed::default_world(date(2026, 11, 20));
    let any = world.accounts.into_iter().next().unwrap();
    Account {
        id: ACCOUNT.to_owned(),
        name: "Sender".to_owned(),
        currency,
        identifiers: Vec::new(),
        credit: Credit {
            limit: None,
            open_orders: Decimal::ZERO,
            delivered_not_invoiced: Decimal::ZERO,
            invoiced_not_posted: Decimal::ZERO,
            receivables: Decimal::ZERO,
            unapplied: Decimal::ZERO,
            blocked: false,
            oldest_overdue_days: 0,
        },
        ..any
    }
}
