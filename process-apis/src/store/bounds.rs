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
