//! What is done outside: written before it is done, claimed by lease, attempted by compare-and-set. Each effect has a
//! pure planner that says the next step; the worker takes it.

pub mod backend;
pub mod backoff;
pub mod cancel_order;
pub mod create_order;
pub mod housekeeping;
mod perform;
pub mod release_warehouse;
mod take_replacement;
pub mod worker;

/// Creates an order in the ERP.
pub const CREATE_ERP_ORDER: &str = "create_erp_order";
/// Cancels an order that the ERP has.
pub const CANCEL_ERP_ORDER: &str = "cancel_erp_order";
/// Releases what ships from a site to its warehouse.
pub const RELEASE_TO_WAREHOUSE: &str = "release_to_warehouse";
/// Takes the order that takes the place of one that has ended.
pub const TAKE_REPLACEMENT: &str = "take_replacement";
