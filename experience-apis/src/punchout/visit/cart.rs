//! What may be done with a cart: pure changes, so that one can be made again on a cart that somebody else has changed in
//! the meantime.

use canonical_model::{ItemNumber, UnitOfMeasure};
use rust_decimal::Decimal;

use super::{CartLine, Mode, Stage, Visit};

/// Lines of a cart, at most.
pub const MOST_LINES: usize = 500;
/// A line's quantity, at most: what an order may hold.
pub const MOST_QUANTITY: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// Why a visit is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// The start link was followed before.
    #[error("The link was used before: start again from your procurement system.")]
    Used,
    /// The cart has left.
    #[error("The cart has been returned: start again from your procurement system to change it.")]
    Returned,
    /// The visit is for looking only.
    #[error("This cart is shown for you to look at; it cannot be changed here.")]
    ReadOnly,
    /// There are too many lines.
    #[error("A cart has at most 500 lines: return this one, and order the rest with another.")]
    Full,
    /// Together with what is in the cart already it is too much.
    #[error("This is more than an order may hold: enter a smaller quantity.")]
    TooMuch,
}

impl Visit {
    /// The start link is followed.
    pub fn begin(&mut self) -> Result<(), Unchanged> {
        match self.stage {
            Stage::Waiting => {
                self.stage = Stage::Shopping;
                Ok(())
            }
            Stage::Shopping | Stage::Returned { .. } => Err(Unchanged::Used),
        }
    }

    /// Puts more into the cart.
    pub fn add(
        &mut self,
        item: &ItemNumber,
        unit: UnitOfMeasure,
        quantity: Decimal,
    ) -> Result<(), Unchanged> {
        self.may_change()?;
        if let Some(line) = self.line_mut(item, unit) {
            let sum = line.quantity.checked_add(quantity);
            line.quantity = sum
                .filter(|sum| *sum <= MOST_QUANTITY)
                .ok_or(Unchanged::TooMuch)?;
            return Ok(());
        }
        if self.cart.len() >= MOST_LINES {
            return Err(Unchanged::Full);
        }
        self.cart.push(CartLine {
            item: item.clone(),
            quantity,
            unit,
        });
        Ok(())
    }

    /// Sets quantities; none takes the line out. A line that is no longer there stays out.
    pub fn set(&mut self, wanted: &[CartLine]) -> Result<(), Unchanged> {
        self.may_change()?;
        for wanted in wanted {
            if let Some(line) = self.line_mut(&wanted.item, wanted.unit) {
                line.quantity = wanted.quantity;
            }
        }
        self.cart.retain(|line| !line.quantity.is_zero());
        Ok(())
    }

    /// Whether the buyer may change the cart.
    pub fn may_change(&self) -> Result<(), Unchanged> {
        match (&self.stage, self.mode) {
            (Stage::Returned { .. }, _) => Err(Unchanged::Returned),
            (_, Mode::Inspect) => Err(Unchanged::ReadOnly),
            (Stage::Waiting | Stage::Shopping, Mode::Create | Mode::Edit) => Ok(()),
        }
    }

    /// Lines of the same product in the same unit become one: the shop knows a line by these two.
    pub(super) fn gather(&mut self) {
        let mut gathered: Vec<CartLine> = Vec::with_capacity(self.cart.len());
        for line in std::mem::take(&mut self.cart) {
            let same = gathered
                .iter_mut()
                .find(|other| other.item == line.item && other.unit == line.unit);
            match same {
                Some(other) => other.quantity = other.quantity.saturating_add(line.quantity),
                None => gathered.push(line),
            }
        }
        self.cart = gathered;
    }

    fn line_mut(&mut self, item: &ItemNumber, unit: UnitOfMeasure) -> Option<&mut CartLine> {
        self.cart
            .iter_mut()
            .find(|line| line.item == *item && line.unit == unit)
    }
}
