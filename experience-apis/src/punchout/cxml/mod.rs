//! cXML documents: read into plain values, written from plain values. Pure: nothing here knows of HTTP, of partners or
//! of the store.
//!
//! What comes in passes [`xml`] (bounded, without entities), then [`envelope`] (who speaks, and what is asked), then the
//! reader of its request. Whatever is wrong becomes a [`status::Status`], which is the answer.

pub mod cart;
pub mod confirmation;
pub mod credential;
pub mod envelope;
mod fields;
pub mod item;
pub mod order;
pub mod outgoing;
pub mod profile_response;
pub mod setup;
pub mod status;
#[cfg(test)]
mod tests;
pub mod version;
pub mod xml;

/// The media type of a cXML document.
pub const MEDIA_TYPE: &str = "text/xml; charset=UTF-8";
