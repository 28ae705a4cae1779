//! OCI, the way SAP's procurement systems and many others punch out: a browser comes with `HOOK_URL` and a login, the cart
//! goes back as a form, and comes again as an order.
//!
//! A call is read by `call`, the form of a cart is written by `cart` in the `fields` of the book, and a cart that comes
//! back is read by `read`; these are pure. `routes` is their edge.

mod call;
pub(super) mod cart;
mod charset;
mod contract;
mod error;
mod fields;
mod functions;
mod login;
mod name;
mod number;
mod order;
mod order_routes;
mod page;
mod params;
mod read;
mod routes;
#[cfg(test)]
mod tests;
mod units;
mod words;

use utoipa_axum::router::OpenApiRouter;

use super::{orders::Ordered, profile::Profile};
use crate::state::AppState;

pub(super) use order_routes::MEDIA_TYPE as ORDER_MEDIA_TYPE;

/// The dialect's routes.
pub(super) fn router() -> OpenApiRouter<AppState> {
    routes::router().merge(order_routes::router())
}

/// Reads a stored order once more; `None` = what was agreed since no longer allows it.
pub(super) fn ordered(profile: &Profile, bytes: &[u8]) -> Option<Ordered> {
    let params = params::read(bytes, charset::Charset::Utf8);
    let read = order::read(profile, profile.oci.as_ref()?, &params).ok()?;
    Some(read.ordered)
}

/// Whether carts can be posted in a charset of this name.
pub(super) fn is_charset(label: &str) -> bool {
    charset::Charset::named(label).is_some()
}
