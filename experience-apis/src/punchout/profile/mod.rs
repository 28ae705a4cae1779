//! Partner profiles: what was agreed with each trading partner, one file a partner.

mod address;
mod check;
mod load;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use canonical_model::{AccountId, CompanyId, ShipToId, UnitOfMeasure, order::LinePolicy};
use serde::{Deserialize, Serialize};
use service_runtime::config::HumanDuration;

pub use crate::profiles::ProfilesError;
pub use address::ReturnUrlRefused;
pub(super) use address::origin;
pub use load::load;

/// A trading partner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its id: its place in the address, and the name of its file.
    pub id: String,
    /// Who it is, for people.
    pub name: String,
    /// The company that sells to it.
    pub company: CompanyId,
    /// What the shop calls that company; absent = by its code.
    #[serde(default)]
    pub seller: Option<String>,
    /// The account it orders for.
    pub account: AccountId,
    /// The partner is being set up: nothing of it books, and production orders are refused.
    #[serde(default)]
    pub test_mode: bool,
    /// Where a cart may go back to: same origin, and a path that begins so.
    pub return_urls: Vec<String>,
    /// Who may frame the shop; absent = the origins of `return_urls`.
    #[serde(default)]
    pub frame_ancestors: Option<Vec<String>>,
    /// Further origins to which the buyer's page sends the posted cart on.
    #[serde(default)]
    pub form_targets: Vec<String>,
    /// How long the prices of a returned cart hold.
    #[serde(default = "thirty_days")]
    pub price_lock: HumanDuration,
    /// The class of a product that has none.
    pub default_unspsc: String,
    /// What happens to an order in which a line is wrong.
    #[serde(default)]
    pub line_policy: LinePolicy,
    /// How its delivery places are found.
    #[serde(default)]
    pub ship_to: ShipToRules,
    /// Units that mean something else than the standard list says: the partner's unit = UN/ECE code.
    #[serde(default)]
    pub units: BTreeMap<String, UnitOfMeasure>,
    /// What becomes of an order that differs from the cart that left.
    #[serde(default)]
    pub differences: Differences,
    /// What becomes of an order number that came before with other content.
    #[serde(default)]
    pub changed_order: ChangedOrder,
    /// cXML, where it is spoken.
    #[serde(default)]
    pub cxml: Option<Cxml>,
    /// OCI, where it is spoken.
    #[serde(default)]
    pub oci: Option<Oci>,
}

/// How delivery places are found.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShipToRules {
    /// Where an order goes that names no place; absent = the account's first address.
    pub default: Option<ShipToId>,
    /// Places by their code (`addressID`) in the partner's documents.
    pub places: Vec<Place>,
    /// A place that is none of these and none of the account's.
    pub unknown: UnknownPlace,
}

/// A place by its code.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The partner's code.
    pub id: String,
    /// Our delivery address.
    pub ship_to: ShipToId,
}

/// What becomes of a place that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPlace {
    /// The order is refused.
    #[default]
    Reject,
    /// The order goes where one goes that names no place.
    UseDefault,
}

/// What becomes of a difference between what left and what came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDifference {
    /// The order is taken all the same; a price stays ours.
    Accept,
    /// The order is taken and held for a person.
    Hold,
    /// The order is refused.
    Refuse,
}

/// The policy, field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Differences {
    /// The unit price.
    pub price: OnDifference,
    /// The quantity.
    pub quantity: OnDifference,
    /// The unit.
    pub unit: OnDifference,
    /// The product's number.
    pub part_number: OnDifference,
    /// The currency.
    pub currency: OnDifference,
    /// The order's total against its own lines.
    pub total: OnDifference,
    /// The date: what left can no longer be had by then.
    pub date: OnDifference,
    /// A line that brings no lock of ours back.
    pub unlocked: OnDifference,
}

impl Default for Differences {
    fn default() -> Self {
        use OnDifference::{Accept, Hold, Refuse};
        Self {
            price: Hold,
            quantity: Accept,
            unit: Refuse,
            part_number: Refuse,
            currency: Refuse,
            total: Hold,
            date: Accept,
            unlocked: Accept,
        }
    }
}

/// What becomes of a known order number with other content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangedOrder {
    /// It is refused: an order is changed by an update.
    #[default]
    Refuse,
}

/// cXML, as it is spoken with the partner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cxml {
    /// The version, and so the DTD, of what we send.
    #[serde(default = "newest_version")]
    pub version: String,
    /// What we are called: To of what comes in, From of what goes out.
    pub us: Identity,
    /// What it calls itself: From of what comes in. The first is To of what we send on our own.
    pub theirs: Vec<Identity>,
    /// Who sends for it: its Sender credentials, at most two secrets for one identity.
    pub senders: Vec<Sender>,
    /// The field in which a cart is posted.
    #[serde(default)]
    pub return_encoding: ReturnEncoding,
    /// Where `ConfirmationRequest`s go; absent = none are sent.
    #[serde(default)]
    pub confirmation_url: Option<String>,
}

/// An identity within a domain, as a Credential names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Such as `NetworkID` or `DUNS`.
    pub domain: String,
    /// The identity.
    pub identity: String,
}

impl Identity {
    /// Whether a Credential names it. Domains are written in either case.
    pub fn is(&self, domain: &str, identity: &str) -> bool {
        self.domain.eq_ignore_ascii_case(domain) && self.identity == identity
    }
}

/// A Sender credential, with its secret as a hash.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Its domain.
    pub domain: String,
    /// Its identity.
    pub identity: String,
    /// Which one it is, for people.
    pub label: String,
    /// `pbkdf2-sha256$…`; never the secret itself.
    pub hash: String,
    /// Its secret is published: only development mode starts with it.
    #[serde(default)]
    pub development_only: bool,
}

impl Sender {
    /// Whether a Credential names it.
    pub fn is(&self, domain: &str, identity: &str) -> bool {
        self.domain.eq_ignore_ascii_case(domain) && self.identity == identity
    }
}

/// The field in which a cart is posted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReturnEncoding {
    /// `cxml-urlencoded`.
    #[default]
    Urlencoded,
    /// `cxml-base64`.
    Base64,
}

/// OCI, as it is spoken with the partner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oci {
    /// The field of the call that holds the user.
    #[serde(default = "username")]
    pub user_field: String,
    /// The field that holds the password.
    #[serde(default = "password")]
    pub password_field: String,
    /// Who may come in; at most two passwords for one user.
    pub logins: Vec<Login>,
    /// The charset of what we post unless the call names one.
    #[serde(default = "latin_1")]
    pub charset: String,
    /// Digits behind the point of a posted price.
    #[serde(default = "three")]
    pub price_decimals: u32,
    /// Units as the partner knows them, three characters at most: UN/ECE code = the partner's.
    #[serde(default)]
    pub units: BTreeMap<UnitOfMeasure, String>,
    /// The buyer's number for us, posted as VENDOR.
    #[serde(default)]
    pub vendor: Option<String>,
    /// The buyer's material group of everything we sell, posted as MATGROUP.
    #[serde(default)]
    pub material_group: Option<String>,
}

/// A user, with the password as a hash.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Which one it is, for people.
    pub label: String,
    /// `pbkdf2-sha256$…`; never the password itself.
    pub hash: String,
    /// Its password is published: only development mode starts with it.
    #[serde(default)]
    pub development_only: bool,
}

fn thirty_days() -> HumanDuration {
    HumanDuration::from_secs(30 * 24 * 60 * 60)
}

fn newest_version() -> String {
    "1.2.071".to_owned()
}

fn username() -> String {
    "USERNAME".to_owned()
}

fn password() -> String {
    "PASSWORD".to_owned()
}

fn latin_1() -> String {
    "ISO-8859-1".to_owned()
}

fn three() -> u32 {
    3
}
