//! The price lock: which line of which quote a line of an order goes back to.

use std::{fmt, str::FromStr};

use canonical_model::QuoteId;
use uuid::Uuid;

/// A line of a quote: `0199e0a46c1f7d3a9a550c6f4f1d2b7e-3`. It goes out with a cart and comes back with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lock {
    /// The quote.
    pub quote: QuoteId,
    /// The line, from 1.
    pub line: u32,
}

/// A text that is no lock of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no price lock of ours: give back what came with the cart, as it came")]
pub struct NoLock;

impl fmt::Display for Lock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.quote.0.simple(), self.line)
    }
}

impl FromStr for Lock {
    type Err = NoLock;

    fn from_str(text: &str) -> Result<Self, NoLock> {
        let (quote, line) = text.split_once('-').ok_or(NoLock)?;
        Self::of_parts(quote, line)
    }
}

impl Lock {
    /// From its two parts, where a dialect keeps them in two fields. Only what we write is taken, in one spelling.
    pub fn of_parts(quote: &str, line: &str) -> Result<Self, NoLock> {
        let ours = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if quote.len() != 32 || !quote.bytes().all(ours) {
            return Err(NoLock);
        }
        let quote = Uuid::parse_str(quote).map_err(|_invalid| NoLock)?;
        let number: u32 = line.parse().map_err(|_invalid| NoLock)?;
        if number == 0 || number.to_string() != line {
            return Err(NoLock);
        }
        Ok(Self {
            quote: QuoteId(quote),
            line: number,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn what_goes_out_comes_back() {
        let lock = Lock {
            quote: QuoteId::generate(),
            line: 500,
        };
        let text = lock.to_string();
        assert!(text.len() <= 100);
        assert_eq!(text.parse(), Ok(lock));
    }

    #[rstest]
    #[case("")]
    #[case("0199e0a46c1f7d3a9a550c6f4f1d2b7e")]
    #[case("0199e0a46c1f7d3a9a550c6f4f1d2b7e-0")]
    #[case("0199e0a46c1f7d3a9a550c6f4f1d2b7e-01")]
    #[case("0199e0a46c1f7d3a9a550c6f4f1d2b7e-+1")]
    #[case("0199e0a46c1f7d3a9a550c6f4f1d2b7e-4294967296")]
    #[case("0199E0A46C1F7D3A9A550C6F4F1D2B7E-1")]
    #[case("0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e-1")]
    #[case(" 0199e0a46c1f7d3a9a550c6f4f1d2b7e-1")]
    fn nothing_else_is_taken(#[case] text: &str) {
        assert_eq!(text.parse::<Lock>(), Err(NoLock));
    }
}
