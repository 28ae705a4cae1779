//! The ERP's books: master data, stock, prices, credit and documents, and what an
//! order does to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::records::{
    AccountChange, ControlError, CreateClass, Invoice, OrderStatus, PriceChange, SalesOrder,
    StockChange,
};
use crate::clock::Clock;
use crate::seed::{Account, Charges, Company, Item, PriceRecord, Seed, StockRecord};

/// Orders kept at most; a create beyond is refused.
pub(super) const MAX_ORDERS: usize = 500_000;
/// Generations looked up; a longer chain, or a circle, ends there.
const MAX_GENERATIONS: usize = 16;
const FIRST_ORDER: u64 = 100_001;
const FIRST_INVOICE: u64 = 90_000_001;

/// Item and site.
type StockKey = (String, String);

#[derive(Debug)]
pub(super) struct Book {
    pub(super) clock: Clock,
    pub(super) create_class: CreateClass,
    pub(super) index_lag: Duration,
    pub(super) company: Company,
    pub(super) charges: Charges,
    pub(super) sites: BTreeSet<String>,
    pub(super) items: BTreeMap<String, Item>,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) prices: HashMap<String, Vec<PriceRecord>>,
    pub(super) orders: BTreeMap<String, SalesOrder>,
    pub(super) by_reference: HashMap<String, Vec<String>>,
    pub(super) invoices: BTreeMap<String, Vec<Invoice>>,
    pub(super) calls: BTreeMap<&'static str, u64>,
    children: HashMap<String, Vec<String>>,
    /// Account → item → the account's own numbers.
    part_numbers: HashMap<String, HashMap<String, Vec<String>>>,
    stock: BTreeMap<StockKey, StockRecord>,
    demand: HashMap<StockKey, BTreeMap<Date, BTreeMap<String, Decimal>>>,
    next_order: u64,
    next_invoice: u64,
}

impl Book {
    pub(super) fn new(
        seed: &Seed,
        create_class: CreateClass,
        index_lag: Duration,
        clock: Clock,
    ) -> Self {
        let mut children: HashMap<String, Vec<String>> = HashMap::new();
        for account in &seed.accounts {
            if let Some(parent) = &account.parent {
                let siblings = children.entry(parent.clone()).or_default();
                siblings.push(account.id.clone());
            }
        }
        let mut part_numbers: HashMap<String, HashMap<String, Vec<String>>> = HashMap::new();
        for account in &seed.accounts {
            let own = part_numbers.entry(account.id.clone()).or_default();
            for part in &account.part_numbers {
                let numbers = own.entry(part.item.clone()).or_default();
                numbers.push(part.part_number.clone());
            }
        }
        let mut prices: HashMap<String, Vec<PriceRecord>> = HashMap::new();
        for price in &seed.prices {
            let records = prices.entry(price.item.clone()).or_default();
            records.push(price.clone());
        }
        let stock = seed
            .stock
            .iter()
            .map(|row| ((row.item.clone(), row.site.clone()), row.clone()))
            .collect();
        Self {
            clock,
            create_class,
            index_lag,
            company: seed.company.clone(),
            charges: seed.charges.clone(),
            sites: seed.sites.iter().map(|site| site.id.clone()).collect(),
            items: by_id(&seed.items, |item| &item.id),
            accounts: by_id(&seed.accounts, |account| &account.id),
            prices,
            orders: BTreeMap::new(),
            by_reference: HashMap::new(),
            invoices: BTreeMap::new(),
            calls: BTreeMap::new(),
            children,
            part_numbers,
            stock,
            demand: HashMap::new(),
            next_order: FIRST_ORDER,
            next_invoice: FIRST_INVOICE,
        }
    }

    /// The account and those above it, nearest first.
    pub(super) fn lineage(&self, account: &str) -> Vec<&Account> {
        let mut next = self.accounts.get(account);
        let mut lineage = Vec::new();
        while let Some(account) = next {
            if lineage.len() == MAX_GENERATIONS {
                break;
            }
            lineage.push(account);
            next = account
                .parent
                .as_ref()
                .and_then(|parent| self.accounts.get(parent));
        }
        lineage
    }

    /// The account and everything below it, each once.
    pub(super) fn subtree<'a>(&'a self, account: &'a str) -> Vec<&'a Account> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![account];
        while let Some(id) = waiting.pop() {
            if seen.insert(id) {
                let below = self.children.get(id).into_iter().flatten();
                waiting.extend(below.map(String::as_str));
            }
        }
        seen.into_iter()
            .filter_map(|id| self.accounts.get(id))
            .collect()
    }

    /// The numbers an account has of its own for an item.
    pub(super) fn part_numbers_of(&self, account: &str, item: &str) -> &[String] {
        let own = self.part_numbers.get(account);
        own.and_then(|own| own.get(item)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn stock_of(&self, item: &str, site: &str) -> StockRecord {
        let key = (item.to_owned(), site.to_owned());
        self.stock
            .get(&key)
            .cloned()
            .unwrap_or_else(|| empty_stock(key))
    }

    /// Open quantities by day: the order when it is one alone, and the sum.
    pub(super) fn demand_of(&self, item: &str, site: &str) -> Vec<(Date, String, Decimal)> {
        let key = (item.to_owned(), site.to_owned());
        let days = self.demand.get(&key).into_iter().flatten();
        days.map(|(date, orders)| {
            let order = match orders.len() {
                1 => orders.keys().next().cloned().unwrap_or_default(),
                _ => String::new(),
            };
            (*date, order, orders.values().sum())
        })
        .collect()
    }

    /// Keeps a new order; it counts at once unless it is blocked.
    pub(super) fn add_order(&mut self, mut order: SalesOrder) -> String {
        let number = format!("{:010}", self.next_order);
        self.next_order = self.next_order.saturating_add(1);
        order.number.clone_from(&number);
        if !order.blocked {
            self.count(&order);
        }
        let references = self
            .by_reference
            .entry(order.reference.clone())
            .or_default();
        references.push(number.clone());
        self.orders.insert(number.clone(), order);
        number
    }

    /// Removes the delivery block of an open order.
    pub(super) fn release(&mut self, number: &str) {
        if let Some(order) = self.orders.get_mut(number) {
            order.blocked = false;
            let released = order.clone();
            self.count(&released);
        }
    }

    pub(super) fn cancel(&mut self, number: &str, reason: &str) {
        if let Some(order) = self.orders.get_mut(number) {
            order.status = OrderStatus::Cancelled;
            reason.clone_into(&mut order.cancel_reason);
            let cancelled = order.clone();
            if !cancelled.blocked {
                self.uncount(&cancelled);
            }
        }
    }

    /// Ships an order whole and invoices it: stock falls, the debt stays.
    pub(super) fn ship_and_invoice(&mut self, number: &str) -> Result<String, ControlError> {
        let order = self
            .orders
            .get_mut(number)
            .ok_or_else(|| unknown("order", number))?;
        if order.blocked || order.status != OrderStatus::Open {
            return Err(ControlError::NotShippable {
                number: number.to_owned(),
            });
        }
        order.status = OrderStatus::Shipped;
        let order = order.clone();
        self.uncount(&order);
        for line in &order.lines {
            let key = (line.item.clone(), line.site.clone());
            let row = self
                .stock
                .entry(key.clone())
                .or_insert_with(|| empty_stock(key));
            row.on_hand -= line.base_quantity;
        }
        if let Some(account) = self.accounts.get_mut(&order.account) {
            account.credit.receivables += order.net_value;
        }
        let invoice = Invoice {
            number: format!("{:010}", self.next_invoice),
            order: order.number.clone(),
            date: self.clock.today(),
            account: order.account,
            net_value: order.net_value,
        };
        self.next_invoice = self.next_invoice.saturating_add(1);
        let number = invoice.number.clone();
        self.invoices.entry(order.number).or_default().push(invoice);
        Ok(number)
    }

    fn count(&mut self, order: &SalesOrder) {
        if let Some(account) = self.accounts.get_mut(&order.account) {
            account.credit.open_orders += order.net_value;
        }
        for line in &order.lines {
            let day = demand_day(order, line.confirmed_date.or(line.requested_date));
            let key = (line.item.clone(), line.site.clone());
            let orders = self.demand.entry(key).or_default().entry(day).or_default();
            let open = orders.entry(order.number.clone()).or_default();
            *open += line.base_quantity;
        }
    }

    fn uncount(&mut self, order: &SalesOrder) {
        if let Some(account) = self.accounts.get_mut(&order.account) {
            account.credit.open_orders -= order.net_value;
        }
        for line in &order.lines {
            let key = (line.item.clone(), line.site.clone());
            if let Some(days) = self.demand.get_mut(&key) {
                for orders in days.values_mut() {
                    orders.remove(&order.number);
                }
                days.retain(|_, orders| !orders.is_empty());
            }
        }
    }

    pub(super) fn set_stock(
        &mut self,
        item: &str,
        site: &str,
        change: &StockChange,
    ) -> Result<(), ControlError> {
        if !self.items.contains_key(item) {
            return Err(unknown("item", item));
        }
        if !self.sites.contains(site) {
            return Err(unknown("site", site));
        }
        let key = (item.to_owned(), site.to_owned());
        let row = self
            .stock
            .entry(key.clone())
            .or_insert_with(|| empty_stock(key));
        row.on_hand = change.on_hand.unwrap_or(row.on_hand);
        row.reserved = change.reserved.unwrap_or(row.reserved);
        row.quality = change.quality.unwrap_or(row.quality);
        row.safety = change.safety.unwrap_or(row.safety);
        Ok(())
    }

    pub(super) fn set_account(
        &mut self,
        account: &str,
        change: &AccountChange,
    ) -> Result<(), ControlError> {
        let found = self.accounts.get_mut(account);
        let row = found.ok_or_else(|| unknown("account", account))?;
        row.blocked = change.blocked.unwrap_or(row.blocked);
        let credit = &mut row.credit;
        credit.blocked = change.credit_block.unwrap_or(credit.blocked);
        credit.limit = change.credit_limit.unwrap_or(credit.limit);
        credit.receivables = change.receivables.unwrap_or(credit.receivables);
        credit.oldest_overdue_days = change
            .oldest_overdue_days
            .unwrap_or(credit.oldest_overdue_days);
        Ok(())
    }

    pub(super) fn set_price(&mut self, change: &PriceChange) -> Result<usize, ControlError> {
        let records = self.prices.get_mut(&change.item).into_iter().flatten();
        let mut changed: usize = 0;
        for record in records.filter(|record| {
            record.kind == change.kind
                && record.holder == change.holder
                && change
                    .break_quantity
                    .is_none_or(|quantity| quantity == record.from_quantity)
        }) {
            record.price = change.price;
            changed = changed.saturating_add(1);
        }
        if changed == 0 {
            return Err(unknown("price record for", &change.item));
        }
        Ok(changed)
    }
}

/// The day on which an order line needs its goods.
fn demand_day(order: &SalesOrder, line_date: Option<Date>) -> Date {
    line_date
        .or(order.requested_date)
        .unwrap_or_else(|| order.created_at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

fn empty_stock((item, site): StockKey) -> StockRecord {
    StockRecord {
        item,
        site,
        on_hand: Decimal::ZERO,
        reserved: Decimal::ZERO,
        quality: Decimal::ZERO,
        safety: Decimal::ZERO,
        receipts: Vec::new(),
    }
}

fn unknown(what: &'static str, key: &str) -> ControlError {
    ControlError::Unknown {
        what,
        key: key.to_owned(),
    }
}

fn by_id<T: Clone>(rows: &[T], id: impl Fn(&T) -> &String) -> BTreeMap<String, T> {
    rows.iter()
        .map(|row| (id(row).clone(), row.clone()))
        .collect()
}
