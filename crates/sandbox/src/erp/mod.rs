//! The ERP: an old enterprise system that is called by function name.
//!
//! `book.rs` keeps the books, `wire.rs` knows the way of writing, one file a group
//! of functions answers calls, `routes.rs` is the door, `control.rs` the demo's.

mod balances;
mod book;
mod change;
mod charges;
mod conditions;
mod control;
mod create;
mod invoices;
mod masters;
mod orders;
mod records;
mod routes;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;

use self::book::Book;
pub use self::records::{
    AccountChange, ControlError, CreateClass, Invoice, OrderLine, OrderStatus, PriceChange,
    SalesOrder, StockChange,
};
use crate::clock::Clock;
use crate::seed::Seed;

/// How this ERP behaves.
#[derive(Debug, Clone)]
pub(crate) struct ErpRules {
    pub(crate) create_class: CreateClass,
    pub(crate) index_lag: Duration,
    pub(crate) key: String,
}

/// A handle on the ERP: tests read and change its records through it.
#[derive(Debug, Clone)]
pub struct Erp {
    book: Arc<Mutex<Book>>,
    key: Arc<str>,
}

impl Erp {
    pub(crate) fn new(seed: &Seed, rules: ErpRules, clock: Clock) -> Self {
        let book = Book::new(seed, rules.create_class, rules.index_lag, clock);
        Self {
            book: Arc::new(Mutex::new(book)),
            key: rules.key.into(),
        }
    }

    pub(crate) fn router(&self) -> Router {
        routes::router(self.clone()).merge(control::router(self.clone()))
    }

    /// Every order, by number.
    pub fn orders(&self) -> Vec<SalesOrder> {
        self.book().orders.values().cloned().collect()
    }

    /// One order.
    pub fn order(&self, number: &str) -> Option<SalesOrder> {
        self.book().orders.get(number).cloned()
    }

    /// The orders of one external reference, by number; the index lag does not matter here.
    pub fn orders_by_reference(&self, reference: &str) -> Vec<SalesOrder> {
        let book = self.book();
        let numbers = book.by_reference.get(reference).into_iter().flatten();
        numbers
            .filter_map(|number| book.orders.get(number).cloned())
            .collect()
    }

    /// Every invoice, by order.
    pub fn invoices(&self) -> Vec<Invoice> {
        self.book().invoices.values().flatten().cloned().collect()
    }

    /// Sets stock figures of an item at a site.
    pub fn set_stock(
        &self,
        item: &str,
        site: &str,
        change: StockChange,
    ) -> Result<(), ControlError> {
        self.book().set_stock(item, site, &change)
    }

    /// Blocks an account, or changes its credit.
    pub fn set_account(&self, account: &str, change: AccountChange) -> Result<(), ControlError> {
        self.book().set_account(account, &change)
    }

    /// Changes the price of every record that matches; answers how many.
    pub fn set_price(&self, change: PriceChange) -> Result<usize, ControlError> {
        self.book().set_price(&change)
    }

    /// Ships an order whole and invoices it; answers the invoice's number.
    pub fn ship_and_invoice(&self, number: &str) -> Result<String, ControlError> {
        self.book().ship_and_invoice(number)
    }

    /// Changes what a repeated create does, from now on.
    pub fn set_create_class(&self, class: CreateClass) {
        self.book().create_class = class;
    }

    /// Calls per function since the start, failed ones included.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.book().calls.clone()
    }

    /// Calls of one function since the start.
    pub fn calls_of(&self, function: &str) -> u64 {
        self.book().calls.get(function).copied().unwrap_or(0)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
