//! How requests are read: each extractor refuses with a [`Problem`](crate::problem::Problem) that names what is wrong.

mod headers;
mod json;
mod params;
mod strict;

pub use headers::{Etag, IdempotencyKey, IfMatch, Prefer};
pub use json::{Json, parse_json, read_body};
pub use params::{Path, Query};
