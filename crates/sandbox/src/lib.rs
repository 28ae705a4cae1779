//! An ERP, a WMS, a CRM and a token issuer that behave, and misbehave, as real ones do, and a buyer's procurement system.
//!
//! Each system speaks its own dialect (README.md beside this crate is the
//! contract); everything is in memory, bounded, deterministic from its [`Seed`]
//! and on loopback only. Misbehaviour is not in them but in [`fault`], a proxy
//! that can stand before any HTTP backend. No canonical type is used here: a
//! connector has to earn its translation.

pub mod clock;
pub mod crm;
pub mod erp;
pub mod fault;
pub mod issuer;
pub mod procurement;
mod random;
mod running;
pub mod seed;
mod server;
mod units;
pub mod wms;

pub use clock::{Clock, ClockHandle};
pub use crm::{Crm, TaskRule};
pub use erp::{AccountChange, CreateClass, Erp, PriceChange, StockChange};
pub use issuer::{Issuer, IssuerClient, TokenClaims, TokenForge};
pub use procurement::Procurement;
pub use running::{RunningSandbox, Sandbox, SandboxConfig};
pub use seed::{Seed, SeedSizes};
pub use server::StartError;
pub use wms::{FloorStep, NewsTarget, PickRequest, Wms, WmsStockChange};
