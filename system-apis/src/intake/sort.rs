//! Whose news they are: the site says the company. What nobody can take is put aside for a person.

use std::collections::BTreeMap;

use canonical_model::{
    CompanyId,
    intake::{News, UnreadableNews},
    shipment::ShipmentNews,
};
use jiff::Timestamp;

use super::{feed::Unread, routes::MOST_BYTES};
use crate::state::NewsSource;

/// What is one company's: the shipments, and why something is for a person.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) shipments: Vec<ShipmentNews>,
    pub(super) faults: Vec<Unread>,
}

impl Sorted {
    pub(super) fn of_fault(fault: String) -> Self {
        Self {
            shipments: Vec::new(),
            faults: vec![Unread {
                detail: fault,
                raw: String::new(),
            }],
        }
    }
}

/// The site says the company.
pub(super) fn by_company(
    source: &NewsSource,
    all: Vec<ShipmentNews>,
) -> BTreeMap<&CompanyId, Sorted> {
    let mut sorted: BTreeMap<&CompanyId, Sorted> = BTreeMap::new();
    for news in all {
        if let Some(company) = source.company_of(&news.site) {
            sorted.entry(company).or_default().shipments.push(news);
        } else {
            let detail = format!("No company here ships from the site {}.", news.site);
            let first = sorted.entry(source.first_company()).or_default();
            first.faults.push(Unread::of(&news, detail));
        }
    }
    sorted
}

/// What a person of a company is to look at: what came, and all that is wrong with it there. The same bytes are the same
/// news.
pub(super) fn unreadable(company: &CompanyId, came: &[u8], detail: &str, now: Timestamp) -> News {
    News::Unreadable(UnreadableNews {
        key: service_runtime::fingerprint::sha256([company.as_str().as_bytes(), came]),
        detail: detail.chars().take(400).collect(),
        raw: String::from_utf8_lossy(came)
            .chars()
            .take(MOST_BYTES / 4)
            .collect(),
        received_at: now,
    })
}
