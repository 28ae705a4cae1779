//! OCI, the way SAP's procurement systems and many others punch out: a browser comes with HOOK_URL and a login, the cart
//! goes back as a form, and comes again as an order.
//!
//! A call is read by `call`, the form of a cart is written by `cart` in the `fields` of the book, and a cart that comes
//! back is read by `read`; these are pure. `routes` is their edge.

mod call;
pub(super) mod cart;
mod charset;
mod fields;
mod functions;
mod login;
mod name;
mod number;
mod page;
mod params;
mod read;
mod routes;
#[cfg(test)]
mod tests;
mod units;

pub(super) use routes::router;

/// Whether carts can be posted in a charset of this name.
pub(super) fn is_charset(label: &str) -> bool {
    charset::Charset::named(label).is_some()
}
