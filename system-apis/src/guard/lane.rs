//! Who goes first when calls to a backend are scarce.

/// The traffic a call belongs to, told in the header `orderway-lane`. Orders go before the rest; an order among those
/// others is not made yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// Its name, in the header and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Checkout => "checkout",
            Self::Browse => "browse",
            Self::Bulk => "bulk",
        }
    }

    /// Reads the header's text.
    pub fn from_header(text: &str) -> Option<Self> {
        [Self::Order, Self::Checkout, Self::Browse, Self::Bulk]
            .into_iter()
            .find(|lane| lane.as_str() == text)
    }
}
