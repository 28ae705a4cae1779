//! What integration tests share: a caller of each kind, and, with the feature `world`, the sandbox and the three layers in
//! one process. Without that feature no layer is linked: the callers then speak to processes of their own.

pub mod browser;
mod callers;
#[cfg(feature = "world")]
pub mod instance;
pub mod multiply;
pub mod needs;
mod operator;
#[cfg(feature = "world")]
pub mod own_tryton;
mod polling;
#[cfg(feature = "world")]
pub mod postgres;
pub mod processes;
pub mod punchout;
mod receiver;
mod source;
mod terms;
#[cfg(feature = "world")]
mod world;
mod x12;

use std::path::{Path, PathBuf};

pub use callers::{Answer, EdiPartner, PortalUser};
pub use operator::Operator;
pub use polling::until;
pub use receiver::{Delivered, WebhookReceiver};
pub use source::Source;
pub use terms::{LineTerms, Medium, Part, Terms, differences, texts};
#[cfg(feature = "world")]
pub use world::{Setup, Time, World};
pub use x12::{Acknowledged, AcknowledgedLine, PurchaseOrder, segments};

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}
