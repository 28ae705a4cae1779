//! Orderway on one machine: the sandbox's ERP, WMS and token issuer, a fault proxy in front of each backend, and the
//! three layers, all on loopback in one process. For laptops, demonstrations and tests; production runs the three
//! binaries.

pub mod backends;
pub mod books;
pub mod estate;
pub mod floor;
pub mod rpc;

pub use backends::Backends;
pub use books::Books;
pub use estate::{Addresses, Estate, EstateConfig};
pub use floor::Floor;
