//! What may be asked of an order that exists. Taking one is [`super::take::take`].

use canonical_model::{ErpOrderNumber, OrderId, SiteId, erp_order::ErpTotals, order::HoldReason};
use jiff::Timestamp;
use service_runtime::problem::FieldError;
use uuid::Uuid;

use super::event::Replacement;

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A person lets it go on.
    ReleaseHold {
        /// The hold's number.
        hold: u32,
        /// Who.
        principal: String,
        /// Why.
        note: String,
    },
    /// What a provisional order stands on was read again.
    Revalidate {
        /// The decision record of it.
        decision_id: Uuid,
        /// What differs; empty = nothing.
        differences: Vec<HoldReason>,
    },
    /// A person has what stopped tried again.
    Retry {
        /// Who.
        principal: String,
        /// Why.
        note: String,
    },
    /// It is to be cancelled.
    Cancel {
        /// Who.
        principal: String,
        /// Why.
        note: String,
        /// Whether that is a person of the seller, who may end what is held for one.
        by_seller: bool,
    },
    /// It is to be cancelled, and another order is to take its place.
    Replace {
        /// The other order.
        replacement: Box<Replacement>,
        /// Whether that is a person of the seller, who may end what is held for one.
        by_seller: bool,
    },
    /// The other order is taken.
    Replaced {
        /// Which.
        order_id: OrderId,
    },
    /// The other order cannot be taken.
    ReplacementRefused {
        /// Which.
        order_id: OrderId,
        /// What happened and what to do, in a sentence.
        detail: String,
        /// The faults, where there are some.
        reasons: Vec<FieldError>,
    },
    /// The other order can be neither taken nor refused: a person looks.
    ReplacementUnsettled {
        /// Which.
        order_id: OrderId,
        /// All that a person needs.
        detail: String,
        /// The person's retries that were known when it came to this.
        retries: u32,
    },
    /// Of the ERP's orders with our reference, this is the one.
    ErpOrderChosen {
        /// Its number.
        number: ErpOrderNumber,
    },
    /// The ERP has it.
    ErpAccepted {
        /// Its number.
        number: ErpOrderNumber,
        /// When the answer was received.
        at: Timestamp,
        /// What it comes to there, where it was read.
        totals: Option<Box<ErpTotals>>,
    },
    /// The ERP refused it.
    ErpRejected {
        /// The ERP's reason, and what to do.
        detail: String,
        /// The person's retries that were known when it came to this.
        retries: u32,
    },
    /// What the ERP has cannot be settled without a person.
    ErpUnknown {
        /// All that a person needs.
        detail: String,
        /// The person's retries that were known when it came to this.
        retries: u32,
    },
    /// A create was not answered.
    ErpOutcomeUnknown {
        /// Since when it is not known what became of it.
        since: Timestamp,
    },
    /// The ERP has more of it than the one order, or some of one that has ended.
    ErpDuplicate {
        /// All that a person needs.
        detail: String,
        /// Which these are, where that is known.
        erp_orders: Vec<ErpOrderNumber>,
        /// The person's retries that were known when it came to this.
        retries: u32,
    },
    /// It is settled that the ERP does not go on with it.
    ErpHasNone,
    /// The ERP did not cancel it.
    ErpCancelRefused {
        /// Why.
        detail: String,
    },
    /// A warehouse is about to be told.
    BeginRelease {
        /// Which.
        site: SiteId,
    },
    /// A warehouse has it.
    WarehouseReleased {
        /// Which.
        site: SiteId,
        /// Its number there.
        release_number: String,
    },
    /// A warehouse did not take it.
    WarehouseFailed {
        /// Which.
        site: SiteId,
        /// Why, and what to do.
        detail: String,
        /// Whether it is certain that the warehouse does not have it.
        certain: bool,
        /// The person's retries that were known when it came to this.
        retries: u32,
    },
}
