//! How the WMS signs what it posts, and what it posts: one shipment, whole. No I/O.

use axum::http::HeaderName;
use canonical_model::shipment::ShipmentNews;
use jiff::Timestamp;

use super::{mapping, wire};
use crate::intake::{
    NewsError, Posted,
    signature::{from_hex, is_of_this_time, is_signed},
};

/// `t=<unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" in hexadecimal>`.
const SIGNATURE: HeaderName = HeaderName::from_static("x-wms-signature");

pub(super) fn read(posted: &Posted<'_>) -> Result<Vec<ShipmentNews>, NewsError> {
    verify(posted).ok_or(NewsError::Unsigned)?;
    let unreadable = |detail: String| NewsError::Unreadable(detail);
    let told: wire::Told = serde_json::from_slice(posted.body)
        .map_err(|error| unreadable(format!("It is not a shipment as documented: {error}.")))?;
    if told.event != "shipment.changed" {
        return Err(unreadable(format!(
            "The event {:?} is not known.",
            told.event
        )));
    }
    match mapping::shipment(told.shipment) {
        Ok(news) => Ok(vec![news]),
        Err(error) => Err(unreadable(format!("{error:#}."))),
    }
}

/// Nothing of the body is read before.
fn verify(posted: &Posted<'_>) -> Option<()> {
    let mut given = posted.headers.get_all(SIGNATURE).iter();
    let header = given.next()?.to_str().ok()?;
    if given.next().is_some() {
        return None;
    }
    let (time, tag) = header.split_once(',')?;
    let (time, tag) = (time.strip_prefix("t=")?, tag.strip_prefix("v1=")?);
    let signed_at = Timestamp::from_second(time.parse().ok()?).ok()?;
    let parts: [&[u8]; 3] = [time.as_bytes(), b".", posted.body];
    let believed = is_of_this_time(signed_at, posted.at)
        && is_signed(posted.config.secrets(), &parts, &from_hex(tag)?);
    believed.then_some(())
}
