//! Who goes first when calls to a backend are scarce.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The traffic a call belongs to, told in the header `orderway-lane`. Orders go before the rest; an order among those
/// others is not made yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Bringing taken orders into the backends.
    Order,
    /// A buyer about to order.
    Checkout,
    /// A buyer looking around.
    #[default]
    Browse,
    /// Jobs that nobody waits for.
    Bulk,
}

impl Lane {
    /// Reads the header's text.
    pub fn from_header(text: &str) -> Option<Self> {
        match text {
            "order" => Some(Self::Order),
            "checkout" => Some(Self::Checkout),
            "browse" => Some(Self::Browse),
            "bulk" => Some(Self::Bulk),
            _ => None,
        }
    }
}
