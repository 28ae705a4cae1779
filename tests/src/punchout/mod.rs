//! Buyers of the punchout channel as tests play them: a procurement system on loopback, which speaks cXML and OCI, hosts
//! the pages that its users click on, and keeps all that comes.

mod buyer;
mod cart;
mod confirmation;
mod documents;
mod dtd;
mod oci;
mod page;
#[cfg(feature = "world")]
mod partner;
mod profile;
mod shopper;
mod site;
mod told;
mod walk;
mod xml;

pub use buyer::{CxmlBuyer, FROM, SECRET, Status};
pub use cart::{Cart, CartItem};
pub use confirmation::{Confirmation, ConfirmedItem};
pub use documents::{Operation, Order, OrderLine, OrderType};
pub use dtd::Dtds;
pub use oci::{OciBuyer, OciItem, PASSWORD, USER};
pub use profile::demonstration;
pub use shopper::Shopper;
pub use site::{Posted, Site};
pub use walk::{Shown, ShownLine, Walk};
