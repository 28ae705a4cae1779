//! News of backends as `system-apis` deliver them to `process-apis`, and what becomes of each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ids::OrderId, shipment::ShipmentNews};

/// As many news are delivered at once.
pub const MOST_NEWS: usize = 500;

/// Delivers news of one source about one company; `POST /v1/intake/events`. Taken whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"source": "warehouse", "news": [{"kind": "shipment", "shipment": "SH-100001-1", "version": 3,
    "order_reference": "OW7K2M4Q9T1B3C5D6E", "site": "EAST", "lines": [{"line": 1, "item": "SKU-0001", "unit": "EA",
    "picked": "12", "packed": "12", "shipped": "12"}], "occurred_at": "2026-11-21T10:00:00Z"}]}))]
pub struct NewsDelivery {
    /// The backend instance they come from, by its name in the configuration.
    #[schema(min_length = 1, max_length = 60)]
    pub source: String,
    /// How far the source's changes have been read with them; moved together with what they bring, or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorStep>,
    /// Whether they are what the source answered when it was asked, as a change feed does: then nothing is missing before
    /// them. Absent = it sent them by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// The news, in the source's order. None only where the cursor steps over changes that concern nobody.
    #[schema(max_items = 500)]
    pub news: Vec<News>,
}

/// A step of a source's cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CursorStep {
    /// Where it was read to stand; absent = it had not moved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub from: Option<String>,
    /// Where it is to stand.
    #[schema(min_length = 1, max_length = 500)]
    pub to: String,
}

/// Where a source's cursor stands; `GET /v1/intake/{source}/cursor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceCursor {
    /// The source.
    pub source: String,
    /// Where it stands; absent = it has not moved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Something that a backend says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    /// A shipment as it is now.
    Shipment(Box<ShipmentNews>),
    /// It came from the backend, and cannot be put into these words.
    Unreadable(UnreadableNews),
}

/// What a backend said and nobody understood: kept for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnreadableNews {
    /// The same for the same bytes.
    #[schema(min_length = 1, max_length = 100)]
    pub key: String,
    /// What is wrong with it.
    #[schema(max_length = 500)]
    pub detail: String,
    /// What came, as far as it is text.
    #[schema(max_length = 262_144)]
    pub raw: String,
    /// When it came.
    pub received_at: Timestamp,
}

/// What became of a delivery, once it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewsReceipt {
    /// In the order of the news.
    pub outcomes: Vec<NewsOutcome>,
}

/// What became of one of the news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewsOutcome {
    /// What they are about, in the source's terms.
    pub key: String,
    /// The source's version.
    pub version: u64,
    /// What became of them.
    pub outcome: NewsFate,
    /// Why, unless they were applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<NewsReason>,
    /// The order they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
}

/// What can become of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NewsFate {
    /// The order is as they say.
    Applied,
    /// They say nothing new: this version or a newer one was applied before.
    Known,
    /// Something before them is missing: the source is asked.
    Parked,
    /// They fit no order: nothing changed, and a person looks.
    Quarantined,
}

/// Why news were not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NewsReason {
    /// Versions between the known one and this one are missing.
    Gap,
    /// No order of the company has this reference.
    UnknownOrder,
    /// The warehouse is not known to have the order.
    NotReleased,
    /// The order was written to by a later release of Orderway.
    NotUnderstood,
    /// The order has ended.
    OrderEnded,
    /// Nothing of the order ships from this site.
    WrongSite,
    /// The ERP's number is another order's.
    WrongOrder,
    /// The order has no such line at this site, or it is another product.
    UnknownLine,
    /// The quantities are not in the item's base unit.
    WrongUnit,
    /// A quantity is negative, or more is packed than picked, or shipped than packed.
    InconsistentQuantities,
    /// Less is shipped than before: what has left does not come back without a return.
    ShippedReduced,
    /// More is picked than was released.
    OverShipped,
    /// The quantity is no exact one in the unit ordered.
    InexactQuantity,
    /// They cannot be read.
    Unreadable,
}

impl NewsReason {
    /// Its word, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::UnknownOrder => "unknown_order",
            Self::NotReleased => "not_released",
            Self::NotUnderstood => "not_understood",
            Self::OrderEnded => "order_ended",
            Self::WrongSite => "wrong_site",
            Self::WrongOrder => "wrong_order",
            Self::UnknownLine => "unknown_line",
            Self::WrongUnit => "wrong_unit",
            Self::InconsistentQuantities => "inconsistent_quantities",
            Self::ShippedReduced => "shipped_reduced",
            Self::OverShipped => "over_shipped",
            Self::InexactQuantity => "inexact_quantity",
            Self::Unreadable => "unreadable",
        }
    }

    /// What a person has to know and do.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Gap => {
                "Versions before this one are missing, and the source did not tell how the shipment stands: ask it, then retry."
            }
            Self::UnknownOrder => {
                "No order has this reference: find out for whom the warehouse ships, then dismiss this."
            }
            Self::NotReleased => {
                "The order is not known to be with this warehouse: settle its release, then retry."
            }
            Self::NotUnderstood => {
                "A later release of Orderway has written to the order: run that one, then retry."
            }
            Self::OrderEnded => {
                "The order was cancelled or rejected: stop the shipment, or take the goods back, then dismiss this."
            }
            Self::WrongSite => {
                "Nothing of the order ships from this site: find out what left, then dismiss this."
            }
            Self::WrongOrder => {
                "The warehouse names another order of the ERP: compare the two, then dismiss this."
            }
            Self::UnknownLine => {
                "The order has no such line to ship from this site, or it is another product: compare what left, then \
                 dismiss this."
            }
            Self::WrongUnit => {
                "The quantities are not in the item's base unit: mend the unit in the warehouse and have it send the \
                 shipment again."
            }
            Self::InconsistentQuantities => {
                "A quantity is negative, or more is packed than picked or shipped than packed: have the warehouse correct \
                 it and send the shipment again."
            }
            Self::ShippedReduced => {
                "Less is shipped than was said before: if goods came back, book their return, then dismiss this."
            }
            Self::OverShipped => {
                "More is picked than was released of a line: compare with what left, correct it in the warehouse or with \
                 the buyer, then dismiss this."
            }
            Self::InexactQuantity => {
                "The quantity is no exact one in the unit ordered: correct it in the warehouse and have it send the \
                 shipment again."
            }
            Self::Unreadable => {
                "What came from the backend cannot be read: compare it with its documentation, and mend the connector or the \
                 backend's settings."
            }
        }
    }
}

impl News {
    /// What they are about, in the source's terms.
    pub fn key(&self) -> String {
        match self {
            Self::Shipment(news) => format!("shipment/{}", news.shipment),
            Self::Unreadable(news) => format!("unreadable/{}", news.key),
        }
    }

    /// The source's version.
    pub fn version(&self) -> u64 {
        match self {
            Self::Shipment(news) => news.version,
            Self::Unreadable(_) => 1,
        }
    }
}

/// What becomes of news that were not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NewsStage {
    /// Their source is asked.
    Waiting,
    /// A person looks.
    Quarantined,
    /// A person has put them aside.
    Dismissed,
}

/// News that a person has to look at, in the list of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedNews {
    /// Their id.
    pub id: uuid::Uuid,
    /// The backend instance they came from.
    pub source: String,
    /// What they are about, in the source's terms.
    pub key: String,
    /// The source's version.
    pub version: u64,
    /// What becomes of them.
    pub stage: NewsStage,
    /// Why they were not applied: a word of `NewsReason`.
    pub reason: String,
    /// What happened and what to do, in a sentence.
    pub detail: String,
    /// Since when they wait.
    pub parked_at: Timestamp,
    /// The news.
    #[schema(value_type = Object)]
    pub news: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_word_is_the_one_of_the_json() {
        for reason in [
            NewsReason::Gap,
            NewsReason::OverShipped,
            NewsReason::InexactQuantity,
        ] {
            assert_eq!(json!(reason), json!(reason.word()));
        }
    }

    #[test]
    fn news_read_back_and_refuse_what_is_not_known() {
        let text = json!({"kind": "shipment", "shipment": "SH-1", "version": 1, "order_reference": "OW1", "site": "EAST",
            "lines": [{"line": 1, "item": "SKU", "unit": "EA", "picked": "1", "packed": "0", "shipped": "0"}],
            "occurred_at": "2026-11-21T10:00:00Z"});
        let news: News = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(
            (news.key(), news.version()),
            ("shipment/SH-1".to_owned(), 1)
        );
        assert_eq!(serde_json::to_value(&news).unwrap(), text);
        let mut more = text;
        more["account"] = json!("ACME");
        assert!(serde_json::from_value::<News>(more).is_err());
        assert!(serde_json::from_value::<News>(json!({"kind": "gossip"})).is_err());
    }
}
