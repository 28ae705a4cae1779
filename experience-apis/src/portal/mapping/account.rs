//! Accounts and credit for a buyer's eyes.

use canonical_model::{account as canonical, credit::CreditPosition};

use crate::portal::shape::account::{Account, Credit, ShipTo};

/// An account, without what only the seller needs.
pub fn account(account: canonical::Account) -> Account {
    let ship_to = |ship_to: canonical::ShipTo| ShipTo {
        ship_to: ship_to.ship_to,
        name: ship_to.name,
        address: ship_to.address,
    };
    Account {
        account: account.account,
        name: account.name,
        company: account.company,
        status: account.status,
        currency: account.currency,
        ship_tos: account.ship_tos.into_iter().map(ship_to).collect(),
    }
}

/// The credit position that rules.
pub fn credit(position: CreditPosition) -> Credit {
    Credit {
        account: position.account,
        limit: position.limit,
        used: position.used,
        available: position.available,
        blocked: position.blocked,
        as_of: position.as_of,
        degraded: position.degraded,
    }
}
