//! Orders of buyers' systems: read by a dialect (`read`), compared with what left (`compare`), taken as sales orders
//! (`take`), and confirmed (`render`, and `send` beside this folder).
//!
//! A document is stored before anything is done with it. It is then taken at once, while the sender waits for its
//! Response (`receive`), or, where that does not end in time, by whoever leases it (`worker`).

mod answer;
mod compare;
mod facts;
mod failure;
mod kept;
mod read;
mod receive;
mod render;
mod request;
mod said;
pub(super) mod ship_to;
mod standing;
mod take;
#[cfg(test)]
mod tests;
pub(super) mod units;
mod worker;

use canonical_model::{Money, PurchaseOrderNumber, UnitOfMeasure};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{cxml::item::Place, lock::Lock};

pub(super) use failure::Failure;
pub(super) use receive::{Incoming, NoReply, Reply, receive};
pub(super) use render::decode;
pub(super) use worker::{Clerk, run};

/// What the buyer wants with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is new.
    New,
    /// It takes the place of the order with its number.
    Update,
    /// The order with its number is called off.
    Delete,
}

/// An order as a dialect has read it: units are ours, prices are for one unit, and locks are told from other texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ordered {
    /// The buyer's number.
    pub(super) number: PurchaseOrderNumber,
    /// What the buyer wants.
    pub(super) purpose: Purpose,
    /// What the buyer sums up.
    pub(super) total: Option<Money>,
    /// Where it goes.
    pub(super) ship_to: Option<Place>,
    /// When the buyer wants it.
    pub(super) requested_delivery_date: Option<Date>,
    /// Everything together.
    pub(super) ship_complete: bool,
    /// The lines that could be read.
    pub(super) lines: Vec<OrderedLine>,
    /// The lines that could not, as sentences that name them.
    pub(super) unsound: Vec<Unsound>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OrderedLine {
    /// The buyer's number of it.
    pub(super) number: u32,
    /// Our number of the product, as it came.
    pub(super) part: String,
    /// The buyer's number of the product.
    pub(super) buyer_part: Option<String>,
    /// What it brings back.
    pub(super) lock: Brought,
    /// How much.
    pub(super) quantity: Decimal,
    /// In which unit; `None` = none is named.
    pub(super) unit: Option<UnitOfMeasure>,
    /// What the buyer believes one unit costs.
    pub(super) unit_price: Option<Money>,
    /// When the buyer wants it.
    pub(super) date: Option<Date>,
    /// Its parts by date; empty = all at once.
    pub(super) schedule: Vec<(Decimal, Date)>,
    /// Where this line goes, if it says so itself.
    pub(super) ship_to: Option<Place>,
}

/// What stands where a lock would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// A price lock.
    Lock(Lock),
    /// Something that we did not write.
    Foreign,
    /// Nothing.
    Nothing,
}

/// A line that cannot be ordered as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsound {
    /// The buyer's number of it.
    pub(super) number: u32,
    /// Why, and what to do.
    pub(super) reason: String,
}
