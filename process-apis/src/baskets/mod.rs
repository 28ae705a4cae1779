//! Baskets: one engine prices, promises and credit-checks a basket from facts, for basket checks, quotes,
//! reservations and orders alike. Gathering the facts does I/O; assessing them is pure.

pub mod assess;
pub mod codes;
pub mod facts;
pub(crate) mod ledgers;
mod line;
pub(crate) mod record;
pub mod routes;
mod shape;
pub(crate) mod standing;
#[cfg(test)]
pub(crate) mod testing;

use canonical_model::{
    Currency, Money, Quantity,
    account::{Account, ShipTo},
    basket::{LinePrice, LineProblem, Verdict},
    credit::CreditPosition,
    decision::DecisionStep,
    item::ItemIdentifier,
    order::{HoldReason, TakenOn},
    product::Product,
    promise::ScheduleLine,
};
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::store::{CreditKey, StockKey};

/// What the engine says of a basket: enough to answer a check, to lock a quote, and to decide an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// What would become of it.
    pub verdict: Verdict,
    /// The account.
    pub account: Account,
    /// Where it goes.
    pub ship_to: Option<ShipTo>,
    /// The currency of all prices.
    pub currency: Currency,
    /// The lines, in the order asked.
    pub lines: Vec<AssessedLine>,
    /// What is wrong with the basket as a whole; empty = nothing.
    pub problems: Vec<LineProblem>,
    /// What would have to be released by a person.
    pub holds: Vec<HoldReason>,
    /// The total of the sound lines.
    pub total: Money,
    /// What the sound lines need from stock.
    pub stock: Vec<StockNeed>,
    /// The levels whose credit the total needs: the account and all above it.
    pub credit_levels: Vec<CreditKey>,
    /// Whether a level is not known and the policy takes the order nevertheless.
    pub credit_unknown: bool,
    /// The credit position that rules: the one with the least available.
    pub credit: Option<CreditPosition>,
    /// How old the facts are that the sound lines stand on.
    pub taken_on: TakenOn,
    /// Whether any fact is older than it should be, or missing, because its source does not answer.
    pub degraded: bool,
    /// Rules applied and alternatives rejected.
    pub steps: Vec<DecisionStep>,
}

/// A line as the engine sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct AssessedLine {
    /// Its number, from 1.
    pub line: u32,
    /// The buyer's own number of it.
    pub buyer_line: Option<String>,
    /// How the buyer named the product.
    pub identifiers: Vec<ItemIdentifier>,
    /// The product, where the identifiers name one.
    pub product: Option<Product>,
    /// The quantity as the buyer stated it, in the unit that counts.
    pub ordered: Quantity,
    /// Its price.
    pub price: Option<LinePrice>,
    /// When it can be had; the quantities sum to the line's.
    pub schedule: Vec<ScheduleLine>,
    /// What is wrong with it; empty = it is sound.
    pub problems: Vec<LineProblem>,
}

/// What a line needs from one row of the stock ledger, in the item's base unit.
#[derive(Debug, Clone, PartialEq)]
pub struct StockNeed {
    /// The row.
    pub key: StockKey,
    /// The line.
    pub line: u32,
    /// From which day on.
    pub day: Date,
    /// How much.
    pub quantity: Decimal,
}
