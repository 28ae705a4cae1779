//! What a caller reaches: one company, and in it all accounts or some.

use canonical_model::{AccountId, CompanyId};
use service_runtime::{
    context::{AccountScope, CallContext},
    problem::Problem,
};

/// The company and the accounts that a caller reaches. What is beyond looks like what is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct Reach {
    /// The company.
    pub company: CompanyId,
    /// The accounts; None = all.
    pub accounts: Option<Vec<AccountId>>,
}

impl Reach {
    /// Of a caller that may work in a company.
    pub fn of(caller: &CallContext) -> Result<Self, Problem> {
        let company = caller
            .company
            .as_deref()
            .and_then(|text| CompanyId::new(text).ok());
        let company = company.ok_or_else(|| {
            Problem::forbidden("The call names no company; use a credential that belongs to one.")
        })?;
        Ok(Self {
            company,
            accounts: accounts(caller),
        })
    }

    /// Whether the account is one of the caller's.
    pub fn sees(&self, account: &AccountId) -> bool {
        self.accounts
            .as_ref()
            .is_none_or(|accounts| accounts.contains(account))
    }
}

/// The accounts of a caller; None = all. A text that is no account number names none.
pub fn accounts(caller: &CallContext) -> Option<Vec<AccountId>> {
    match &caller.accounts {
        AccountScope::All => None,
        AccountScope::List(accounts) => Some(
            accounts
                .iter()
                .filter_map(|account| AccountId::new(account.as_str()).ok())
                .collect(),
        ),
    }
}
