//! What an order is compared with, from the layer below: the account, the quotes that its locks name, the buyer's
//! numbers of the quoted products, and, where the agreement needs it, what would become of the order as of now.

use std::collections::{BTreeMap, BTreeSet};

use canonical_model::{
    ItemNumber, QuoteId,
    account::Account,
    basket::{BasketCheck, LineProblemCode},
    quote::Quote,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use service_runtime::{context::CallContext, http_client::HopError, problem::Problem};

use super::{
    Brought, Ordered,
    compare::{Left, Standing},
    request::Wanted,
};
use crate::{
    clients::process::{CallError, ProcessClient},
    error::codes,
    placing::patiently,
    punchout::profile::{OnDifference, Profile},
};

/// As many quotes as an order may name; lines of others are priced as of now.
const MOST_QUOTES: usize = 50;
/// As many products whose numbers are compared.
const MOST_PRODUCTS: usize = 200;
/// Questions asked at once.
const AT_ONCE: usize = 8;

/// What was found.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) account: Account,
    pub(super) quotes: BTreeMap<QuoteId, Quote>,
    pub(super) buyer_parts: BTreeMap<ItemNumber, String>,
}

/// Asks for them.
pub(super) async fn gather(
    process: &ProcessClient,
    context: &CallContext,
    profile: &Profile,
    ordered: &Ordered,
) -> Result<Facts, CallError> {
    let account = patiently(|| process.account(context, &profile.account)).await?;
    let named = ordered.lines.iter().filter_map(|line| match line.lock {
        Brought::Lock(lock) => Some(lock.quote),
        Brought::Foreign | Brought::Nothing => None,
    });
    let named: BTreeSet<QuoteId> = named.collect();
    let quotes = stream::iter(named.into_iter().take(MOST_QUOTES))
        .map(|id| async move { found(patiently(|| process.quote(context, id)).await) })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|quote| std::future::ready(Ok(quote)))
        .map_ok(|quote| (quote.quote_id, quote))
        .try_collect()
        .await?;
    let buyer_parts = buyer_parts(process, context, profile, ordered, &quotes).await?;
    Ok(Facts {
        account,
        quotes,
        buyer_parts,
    })
}

/// Of the quoted products for which the order names a number of the buyer's.
async fn buyer_parts(
    process: &ProcessClient,
    context: &CallContext,
    profile: &Profile,
    ordered: &Ordered,
    quotes: &BTreeMap<QuoteId, Quote>,
) -> Result<BTreeMap<ItemNumber, String>, CallError> {
    let named = ordered.lines.iter().filter_map(|line| {
        let Brought::Lock(lock) = line.lock else {
            return None;
        };
        let mut quoted = quotes.get(&lock.quote)?.lines.iter();
        let quoted = quoted.find(|quoted| quoted.line == lock.line)?;
        quoted.item.clone().filter(|_| line.buyer_part.is_some())
    });
    let named: BTreeSet<ItemNumber> = named.collect();
    let account = &profile.account;
    stream::iter(named.into_iter().take(MOST_PRODUCTS))
        .map(|item| async move {
            let product = found(patiently(|| process.product(context, account, &item)).await)?;
            let theirs = product.and_then(|product| product.buyer_part_number);
            Ok(theirs.map(|theirs| (item, theirs)))
        })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|part| std::future::ready(Ok(part)))
        .try_collect()
        .await
}

/// What is not there, or another's, is nothing.
/// Whether a line has no price or no date because the seller's system does not answer: that refuses nothing.
fn cannot_be_told(check: &BasketCheck) -> bool {
    let mut problems = check.lines.iter().flat_map(|line| &line.problems);
    problems.any(|problem| {
        matches!(
            problem.code,
            LineProblemCode::PriceOnRequest | LineProblemCode::DateUnconfirmed
        )
    })
}

fn found<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(CallError(HopError::Problem(problem))) if problem.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// What would become of it as of now, where somebody wants to know: dates that are compared, and prices of open lines
/// that are to be refused.
pub(super) async fn as_of_now(
    process: &ProcessClient,
    context: &CallContext,
    (profile, ordered): (&Profile, &Ordered),
    left: &Left<'_>,
    wanted: &Wanted,
) -> Result<Option<BasketCheck>, CallError> {
    let agreed = &profile.differences;
    let needed = ordered.lines.iter().any(|line| match left.standing(line) {
        Standing::Quoted(..) => agreed.date != OnDifference::Accept,
        Standing::Open(_) => agreed.price == OnDifference::Refuse && line.unit_price.is_some(),
    });
    if !needed {
        return Ok(None);
    }
    let basket = wanted.basket();
    match patiently(|| process.check_basket(context, &basket)).await {
        Ok(check) if cannot_be_told(&check) => {
            let later = "What it costs, or when it comes, cannot be told now.";
            let problem = Problem::new(codes::TEMPORARILY_UNAVAILABLE, later);
            Err(CallError(HopError::Problem(problem)))
        }
        Ok(check) => Ok(Some(check)),
        // What is wrong with it is told when it is taken.
        Err(CallError(HopError::Problem(problem)))
            if (400..500).contains(&problem.status) && !problem.retryable =>
        {
            tracing::warn!(
                code = problem.code,
                "an order could not be checked before it was taken"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
