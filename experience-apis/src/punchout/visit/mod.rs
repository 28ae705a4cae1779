//! A visit: what is kept of a buyer in the shop between two requests. It is the content of a session in process-apis,
//! read and changed by any instance.

pub mod cart;
pub mod links;
mod store;

use canonical_model::{
    Currency, ItemNumber, SessionId, ShipToId, UnitOfMeasure, product::Product, quote::Quote,
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::profile::{Identity, Profile};

pub(in crate::punchout) use store::{Loaded, change, load, save};
pub use store::{Opened, VisitError, open};

/// A visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// Which dialect it was opened in, and what that dialect needs to give the cart back.
    pub protocol: Protocol,
    /// What the buyer may do.
    pub mode: Mode,
    /// Nothing that comes of it books; the shop says so.
    pub test: bool,
    /// Where the cart goes: an address that the profile has approved, in its canonical form.
    pub return_url: String,
    /// The cart.
    pub cart: Vec<CartLine>,
    /// Where it would go: prices, dates and locks are for this address; absent = the account's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<ShipToId>,
    /// The product in view at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<ItemNumber>,
    /// How far it is.
    pub stage: Stage,
}

/// The dialect of a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// cXML.
    Cxml(CxmlVisit),
    /// OCI.
    Oci(OciVisit),
}

/// Of a `PunchOutSetupRequest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CxmlVisit {
    /// What stands inside `BuyerCookie`, as it came: XML.
    pub buyer_cookie: String,
    /// `create`, `edit` or `inspect`, to be given back.
    pub operation: String,
    /// Its From, our To.
    pub from: Vec<Identity>,
    /// Its To, our From.
    pub to: Vec<Identity>,
    /// Its payloadID.
    pub payload_id: String,
    /// Of its bytes without the secret, so that other content under the payloadID is noticed.
    pub fingerprint: String,
    /// Extrinsics, by name.
    #[serde(default)]
    pub extrinsics: Vec<(String, String)>,
}

/// Of an OCI call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciVisit {
    /// Fields of the call that go back with the cart, such as `~OkCode`.
    pub hook_fields: Vec<(String, String)>,
    /// The frame or window that the cart is posted to (`~TARGET` or `returntarget`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `~CALLER`, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// In which charset the cart is posted.
    pub charset: String,
    /// `OCI_VERSION`, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What the buyer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Fill a new cart.
    Create,
    /// Change a cart that left before.
    Edit,
    /// Look at a cart that left before.
    Inspect,
}

/// How far a visit is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The start link has not been followed.
    Waiting,
    /// The buyer is in the shop.
    Shopping,
    /// The cart has left, with these bytes; or the buyer has, without one.
    Returned {
        /// What the browser posts.
        form: ReturnForm,
    },
}

/// A line of the cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    /// The product.
    pub item: ItemNumber,
    /// How much.
    #[serde(with = "canonical_model::decimal")]
    pub quantity: Decimal,
    /// In which unit.
    pub unit: UnitOfMeasure,
}

/// What the browser posts back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnForm {
    /// Where to.
    pub action: String,
    /// In which charset.
    pub charset: String,
    /// The fields, in their order.
    pub fields: Vec<(String, String)>,
    /// The frame or window; absent = the one that the shop is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// A cart that leaves, with what it was quoted at.
#[derive(Debug, Clone, Copy)]
pub struct LeavingCart<'a> {
    /// Its prices and dates; absent = the cart is empty.
    pub quote: Option<&'a Quote>,
    /// The products of its lines, in their order.
    pub products: &'a [Product],
    /// The currency the account buys in: an empty cart has a total as well.
    pub currency: Currency,
    /// The visit.
    pub visit: &'a Visit,
    /// The partner.
    pub profile: &'a Profile,
    /// The visit's session.
    pub session_id: SessionId,
    /// When it leaves.
    pub now: Timestamp,
}

/// Why a cart cannot leave in the visit's dialect: a sentence for the buyer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct CannotLeave {
    /// The line, from 1.
    pub line: Option<u32>,
    /// The sentence.
    pub detail: String,
}
