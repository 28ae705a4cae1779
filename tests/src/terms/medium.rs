//! What is told where: the same terms as a medium tells them, so that they can be held to what it told.

use super::{LineTerms, Part, Terms, by_day};

/// In what a buyer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// The portal's basket check or quote.
    Check,
    /// The cart's page in the punchout shop.
    CartPage,
    /// A PunchOutOrderMessage.
    CartMessage,
    /// The form that an OCI cart is posted in.
    CartForm,
    /// An X12 855.
    Acknowledgment,
    /// A cXML ConfirmationRequest.
    Confirmation,
}

/// Which days of a line are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Days {
    /// When each part leaves and arrives, and what covers it.
    All,
    /// When each part leaves, and what covers it.
    Leaving,
    /// When each part arrives.
    Arriving,
    /// When all of it has arrived.
    Last,
    None,
}

impl Terms {
    /// The same without what is not told there. No medium but the order itself tells the place.
    #[must_use]
    pub fn as_told_by(&self, medium: Medium) -> Self {
        use Medium::{Acknowledgment, CartForm, CartMessage, CartPage, Check, Confirmation};
        let held = self.verdict == "hold";
        let totals = matches!(medium, Check | CartPage | CartMessage);
        let line_totals = matches!(medium, Check | CartPage);
        // A confirmation of what is held says so, and nothing more.
        let prices = !(medium == Confirmation && held);
        let days = match medium {
            Acknowledgment | Confirmation if held => Days::None,
            Check | Confirmation => Days::All,
            Acknowledgment => Days::Leaving,
            CartPage => Days::Arriving,
            CartMessage | CartForm => Days::Last,
        };
        let lines = self.lines.iter().map(|line| {
            let mut told = LineTerms {
                total: line.total.clone().filter(|_| line_totals),
                parts: days.of(line, medium),
                ..line.clone()
            };
            if !prices {
                told.unit_price.clear();
            }
            if line.refused && medium != Check {
                told.item.clear();
                told.unit_price.clear();
            }
            told
        });
        Self {
            verdict: match medium {
                CartPage | CartMessage | CartForm => String::new(),
                Check | Acknowledgment | Confirmation => self.verdict.clone(),
            },
            ship_to: None,
            total: self.total.clone().filter(|_| totals),
            lines: lines.collect(),
        }
    }
}

impl Days {
    fn of(self, line: &LineTerms, medium: Medium) -> Vec<Part> {
        let told = |part: &Part| {
            let mut told = part.clone();
            // What is on back order has no day of leaving yet, says a confirmation.
            let unknown = medium == Medium::Confirmation && part.covered == Some(false);
            if unknown || matches!(self, Self::Arriving | Self::Last) {
                told.ships = None;
            }
            if self == Self::Leaving {
                told.arrives = None;
            }
            if matches!(self, Self::Arriving | Self::Last) {
                told.covered = None;
            }
            told
        };
        match self {
            Self::None => Vec::new(),
            Self::All | Self::Leaving | Self::Arriving => by_day(line.parts.iter().map(told)),
            Self::Last => {
                let last = line.parts.iter().max_by_key(|part| part.arrives.clone());
                let whole = last.map(|part| Part {
                    quantity: line.quantity.clone(),
                    ..told(part)
                });
                whole.into_iter().collect()
            }
        }
    }
}
