//! Bounds on what is taken while a backend cannot be asked: sums that every instance claims against, and never passes.

use canonical_model::CompanyId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Owner;

/// What is bounded: a sum of one company.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BoundKey {
    /// The company.
    pub company: CompanyId,
    /// Which sum, in the policy's own words: `value/ACME`, `quantity/SKU-0001` …
    pub bound: String,
}

/// A movement in the sums.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundMovement {
    /// Takes of a sum, unless that would pass its limit (`BoundReached`).
    Claim(BoundClaim),
    /// Gives back all that the owner took, of every sum.
    Release {
        /// The owner.
        owner: Owner,
    },
}

/// A claim on a sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundClaim {
    /// The sum.
    pub key: BoundKey,
    /// Who takes of it.
    pub owner: Owner,
    /// How much; more than zero.
    pub amount: Decimal,
    /// What the sum of all claims may reach at most.
    pub limit: Decimal,
}

/// What is taken of a sum; one of which nothing is taken is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundSum {
    /// The sum.
    pub key: BoundKey,
    /// How much is taken, over all owners.
    pub claimed: Decimal,
}

/// Which sums of a company to read.
#[derive(Debug, Clone, Default)]
pub struct BoundFilter {
    /// Only these; None = all.
    pub bounds: Option<Vec<String>>,
    /// After this one, by name.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u16,
}
