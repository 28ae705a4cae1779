//! What an order is: the state that its events come to. Versioned, so that state hashes of one release compare.

use canonical_model::{
    DocumentId, ErpOrderNumber, OrderId, SiteId,
    erp_order::ErpTotals,
    order::{HoldKind, LineQuantities, OrderHold, OrderStatus, TakenOn},
    promise::Cover,
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::event::{CancelRequested, Received, ReceivedLine, Replacement, ShipmentRecorded};

/// The newest version of this projection.
pub const SCHEMA: u16 = SCHEMA_SHIPPED;
/// An order that was taken provisionally; the release that brought shipments brought these too.
pub const SCHEMA_PROVISIONAL: u16 = 3;
/// An order of which a warehouse has picked something. A release that would lose what must not touch such an order.
pub const SCHEMA_SHIPPED: u16 = 3;
/// An order of which a create was not answered: what follows must not forget it.
pub const SCHEMA_DOUBTED: u16 = 3;
/// An order of which a person was told what else the ERP has: what may stand of it is known by that alone.
pub const SCHEMA_TOLD: u16 = 3;
/// An order that somebody has asked to replace: the same holds.
pub const SCHEMA_REPLACED: u16 = 2;
/// The version of any other: every release goes on with it.
pub const SCHEMA_FIRST: u16 = 1;

/// The state of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderState {
    /// The version of this shape.
    pub schema: u16,
    /// Events so far.
    pub version: u64,
    /// As it was taken; without its stock claims, which the ledger holds.
    pub order: Received,
    /// What has become of each line, in the order of the lines.
    pub quantities: Vec<LineQuantities>,
    /// What it waits for.
    pub holds: Vec<OrderHold>,
    /// Holds placed so far.
    pub holds_placed: u32,
    /// Whether it is on its way into the ERP.
    pub create: CreateStage,
    /// The ERP's order that was chosen, and once accepted its number.
    pub sales_order_number: Option<ErpOrderNumber>,
    /// When the ERP had it.
    pub accepted_at: Option<Timestamp>,
    /// What it comes to in the ERP. It is told and nothing depends on it: a release that passes over it may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erp_totals: Option<Box<ErpTotals>>,
    /// Since when it is not known whether the ERP has it, while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erp_unknown_since: Option<Timestamp>,
    /// Whether that was ever so: what the ERP made of it may come to light later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erp_doubted: bool,
    /// What the ERP has besides it that a person has let stand, until it ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub let_stand: Vec<ErpOrderNumber>,
    /// Who wants it cancelled, while that is not settled.
    pub cancelling: Option<CancelRequested>,
    /// How often a person had what stopped tried again.
    pub retries: u32,
    /// What becomes of it at each site that ships.
    pub releases: Vec<SiteRelease>,
    /// What warehouses say of its shipments: of each the newest version, by source and number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shipments: Vec<ShipmentRecorded>,
    /// What it was taken on, until that is read again: before, it is not created in the ERP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional: Option<TakenOn>,
    /// Whether it takes of what may be outstanding while the ERP does not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bounded: bool,
    /// The order that is to take its place, until that is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Box<Replacement>>,
    /// The order that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<OrderId>,
    /// The last acknowledgment that was owed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<DocumentId>,
    /// Event types that a later release wrote: commands are refused.
    pub unknown_events: Vec<String>,
}

/// Whether an order is on its way into the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateStage {
    /// It waits for a hold to be released; the ERP was never asked.
    Waiting,
    /// The effect that creates it was written.
    Begun,
}

/// What becomes of an order at a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteRelease {
    /// The site.
    pub site: SiteId,
    /// Where it stands.
    pub stage: ReleaseStage,
}

/// Where a release to a warehouse stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseStage {
    /// The warehouse does not have it.
    Waiting,
    /// The warehouse may have it.
    Begun,
    /// The warehouse has it.
    Released,
}

impl OrderState {
    /// Its id.
    pub fn order_id(&self) -> OrderId {
        self.order.order_id
    }

    /// Lines with their quantities.
    pub fn lines(&self) -> impl Iterator<Item = (&ReceivedLine, &LineQuantities)> {
        self.order.lines.iter().zip(&self.quantities)
    }

    /// Where it stands: derived from holds and quantities alone.
    pub fn status(&self) -> OrderStatus {
        let any = |part: fn(&LineQuantities) -> Decimal| {
            self.quantities.iter().any(|line| !part(line).is_zero())
        };
        let open = any(|line| line.open);
        let reserved = any(|line| line.allocated) || any(|line| line.backordered);
        let released =
            any(|line| line.released) || any(|line| line.picked) || any(|line| line.packed);
        let shipped = any(|line| line.shipped);
        let remains = open || reserved || released;
        if !remains && !shipped {
            return if any(|line| line.cancelled) {
                OrderStatus::Cancelled
            } else {
                OrderStatus::Rejected
            };
        }
        if !self.holds.is_empty() {
            OrderStatus::Held
        } else if shipped && !remains {
            OrderStatus::Shipped
        } else if shipped {
            OrderStatus::PartiallyShipped
        } else if released {
            OrderStatus::Released
        } else if open {
            OrderStatus::Received
        } else {
            OrderStatus::Accepted
        }
    }

    /// Whether all of it has left that can: no warehouse is told of what is on backorder.
    pub fn has_left(&self) -> bool {
        let none_here = |q: &LineQuantities| {
            [q.open, q.allocated, q.released, q.picked, q.packed]
                .iter()
                .all(Decimal::is_zero)
        };
        !self.is_closed() && self.quantities.iter().all(none_here)
    }

    /// Whether it has ended without being shipped: it then frees its purchase order.
    pub fn is_closed(&self) -> bool {
        matches!(
            self.status(),
            OrderStatus::Rejected | OrderStatus::Cancelled
        )
    }

    /// Whether nothing more becomes of it: it has ended so, or all of it has left.
    pub fn has_ended(&self) -> bool {
        self.is_closed() || self.status() == OrderStatus::Shipped
    }

    /// The order that is to take its place now that it has ended, until that is taken or refused.
    pub fn awaited(&self) -> Option<&Replacement> {
        self.replacement.as_deref().filter(|_| self.is_closed())
    }

    /// Whether a hold of this kind stands.
    pub fn is_held_for(&self, kind: HoldKind) -> bool {
        self.holds.iter().any(|hold| hold.reason.kind == kind)
    }

    /// Whether holds that stand tell of all these orders of the ERP.
    pub fn is_told_of(&self, orders: &[ErpOrderNumber]) -> bool {
        let told: Vec<_> = self
            .holds
            .iter()
            .flat_map(|hold| &hold.erp_orders)
            .collect();
        !orders.is_empty() && orders.iter().all(|order| told.contains(&order))
    }

    /// Where its release at a site stands.
    pub fn release_stage(&self, site: &SiteId) -> Option<ReleaseStage> {
        self.releases
            .iter()
            .find(|release| release.site == *site)
            .map(|release| release.stage)
    }

    /// The sites that ship something covered, each once.
    pub fn shipping_sites(&self) -> Vec<SiteId> {
        let covered = self
            .order
            .lines
            .iter()
            .filter(|line| line.problems.is_empty())
            .flat_map(|line| &line.schedule);
        let mut sites: Vec<SiteId> = covered
            .filter(|part| part.cover != Cover::LeadTime)
            .map(|part| part.site.clone())
            .collect();
        sites.sort();
        sites.dedup();
        sites
    }
}
