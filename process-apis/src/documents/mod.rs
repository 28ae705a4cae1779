//! Channel documents: what a channel received and owes, kept for it as opaque bytes with keys.
//!
//! The channel stores what it received before it acknowledges anything, leases what is to be done, and posts the bytes it rendered.

pub mod config;
pub mod routes;
mod service;

#[cfg(test)]
mod tests;

pub use config::DocumentsConfig;
pub use routes::router;

service_runtime::error_codes! {
    /// An outbound document without bytes, or an inbound one.
    pub DOCUMENT_NOT_READY = ("document-not-ready", 409, "The document is not in the mailbox", false);
}
