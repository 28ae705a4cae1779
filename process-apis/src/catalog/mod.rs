//! Accounts and products, passed on from the system of record within the caller's scope.

mod page;
mod routes;
mod shown;

use canonical_model::{
    AccountId, ItemNumber,
    item::{ItemIdentifier, ItemScheme},
    product::{Product, ProductMatches, ProductQuery},
};
use service_runtime::problem::{FieldError, Problem};

pub use routes::router;
pub use shown::Shown;

use crate::{baskets::facts::Sources, clients::Call};

/// How many items one browsing question may name.
const MAX_ITEMS: usize = 200;

/// Refuses a browsing question that names no item, or too many.
pub(crate) fn check_items(items: usize) -> Result<(), Problem> {
    if (1..=MAX_ITEMS).contains(&items) {
        return Ok(());
    }
    let detail = format!("Name 1 to {MAX_ITEMS} items.");
    Err(Problem::validation(vec![FieldError::new(
        "/items",
        "out-of-range",
        detail,
    )]))
}

/// Products by the seller's number, in the order asked; those that do not exist are absent.
pub(crate) async fn by_number(
    sources: &Sources,
    call: &Call,
    account: &AccountId,
    items: &[ItemNumber],
) -> Result<Vec<Product>, Problem> {
    let answer = matches(sources, call, account, items).await?;
    Ok(answer.matches.into_iter().flatten().collect())
}

async fn matches(
    sources: &Sources,
    call: &Call,
    account: &AccountId,
    items: &[ItemNumber],
) -> Result<ProductMatches, Problem> {
    let query = number_query(account, items);
    Ok(sources.system.products_query(call, &query).await?)
}

#[cfg(test)]
mod tests;

/// Asks for products by the seller's number.
fn number_query(account: &AccountId, items: &[ItemNumber]) -> ProductQuery {
    let identifier = |item: &ItemNumber| ItemIdentifier {
        scheme: ItemScheme::SellerPartNumber,
        value: item.to_string(),
    };
    ProductQuery {
        account: account.clone(),
        items: items.iter().map(identifier).collect(),
        max_age_seconds: None,
        max_stale_seconds: None,
    }
}
