//! The accounts a buyer may act for, and their credit.

use axum::extract::State;
use canonical_model::AccountId;
use service_runtime::{
    extract::{Json, Path},
    problem::Problem,
};

use super::Refusals;
use crate::{
    admission::{AccountsRead, Buyer},
    clients::process::ProcessClient,
    portal::{
        mapping,
        shape::account::{Account, AccountList, Credit},
    },
};

/// Lists the accounts that the token may act for, with their delivery addresses.
#[utoipa::path(get, path = "/portal/v1/accounts", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, description = "The accounts", body = AccountList), Refusals))]
pub(super) async fn list_accounts(
    State(process): State<ProcessClient>,
    buyer: Buyer<AccountsRead>,
) -> Result<Json<AccountList>, Problem> {
    let found = process.accounts(&buyer.context).await?;
    let accounts = found.accounts.into_iter().map(mapping::account).collect();
    Ok(Json(AccountList { accounts }))
}

/// Reads one account, with its delivery addresses.
#[utoipa::path(get, path = "/portal/v1/accounts/{account}", tag = "accounts", security(("bearer" = [])),
    params(("account" = String, Path, description = "The account's number", example = "ACME")),
    responses((status = 200, description = "The account", body = Account), Refusals))]
pub(super) async fn read_account(
    State(process): State<ProcessClient>,
    buyer: Buyer<AccountsRead>,
    Path(account): Path<AccountId>,
) -> Result<Json<Account>, Problem> {
    let context = buyer.acting_for(&account)?;
    let found = process.account(&context, &account).await?;
    Ok(Json(mapping::account(found)))
}

/// Reads what an account may still order on credit: the position that rules on the way up.
#[utoipa::path(get, path = "/portal/v1/accounts/{account}/credit", tag = "accounts", security(("bearer" = [])),
    params(("account" = String, Path, description = "The account's number", example = "ACME")),
    responses((status = 200, description = "The credit position", body = Credit), Refusals))]
pub(super) async fn read_account_credit(
    State(process): State<ProcessClient>,
    buyer: Buyer<AccountsRead>,
    Path(account): Path<AccountId>,
) -> Result<Json<Credit>, Problem> {
    let context = buyer.acting_for(&account)?;
    let position = process.credit(&context, &account).await?;
    Ok(Json(mapping::credit(position)))
}
