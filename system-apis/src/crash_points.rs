//! Every place at which a test may kill this layer: around each call that changes something in a backend, or above.
//!
//! With the feature `crash-points` the binary prints them (`system-apis crash-points`); without it none is compiled in.

use service_runtime::{
    around_call,
    crash::{Around, CrashPoint},
};

/// An order is created in an ERP.
pub const ERP_CREATE: Around = around_call!("erp.create_order");
/// A blocked order is released in an ERP.
pub const ERP_RELEASE: Around = around_call!("erp.release_order");
/// An order is cancelled in an ERP.
pub const ERP_CANCEL: Around = around_call!("erp.cancel_order");
/// A warehouse is told what to pick.
pub const WMS_CREATE: Around = around_call!("wms.create_release");

/// News of a backend are delivered to `process-apis`.
pub const NEWS_DELIVER: Around = around_call!("news.deliver");

/// All of them.
pub fn all() -> Vec<CrashPoint> {
    [
        ERP_CREATE,
        ERP_RELEASE,
        ERP_CANCEL,
        WMS_CREATE,
        NEWS_DELIVER,
    ]
    .into_iter()
    .flat_map(Around::both)
    .collect()
}
