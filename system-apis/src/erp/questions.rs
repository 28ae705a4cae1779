//! What is asked of an ERP: one question, or several in one exchange.

use std::future::Future;

use axum::http::StatusCode;
use canonical_model::{
    account::{AccountQuery, Accounts},
    capabilities::Capabilities,
    credit::{CreditFacts, CreditQuery},
    facts::{FactAnswers, FactQueries, Told},
    price::{PriceQuery, PriceSchedules},
    product::{ProductMatches, ProductPage, ProductQuery, ProductSearch},
    stock::{StockFacts, StockQuery},
};
use futures_util::future::OptionFuture;
use service_runtime::{
    page,
    problem::{FieldError, Problem},
    trace::RequestScope,
};

use super::connector::CatalogueQuery;
use crate::{
    call::{Aged, Call, at_most},
    error::BACKEND_NOT_FOUND,
    guard::Provenance,
};

const MOST_ACCOUNTS: usize = 200;
const MOST_ITEMS: usize = 5_000;
const MOST_STOCK_PAIRS: usize = 20_000;
const MOST_SEARCH: usize = 200;

/// What the company's ERP and warehouses can do.
pub(super) fn capabilities(call: &Call) -> Capabilities {
    let sites = call.company.sites.iter();
    Capabilities {
        warehouses: sites
            .map(|(site, wms)| wms.capabilities(site.clone()))
            .collect(),
        ..call.company.erp.capabilities()
    }
}

/// Each question for itself, all at the same time.
pub(super) async fn all(call: &Call, asked: FactQueries) -> Aged<FactAnswers> {
    let (accounts, search, products, prices, stock, credit) = tokio::join!(
        told(
            "accounts",
            asked.accounts.map(|query| accounts(call, query))
        ),
        told("search", asked.search.map(|query| search(call, query))),
        told(
            "products",
            asked.products.map(|query| products(call, query))
        ),
        told("prices", asked.prices.map(|query| prices(call, query))),
        told("stock", asked.stock.map(|query| stock(call, query))),
        told("credit", asked.credit.map(|query| credit(call, query))),
    );
    let provenance = [
        accounts.1, search.1, products.1, prices.1, stock.1, credit.1,
    ];
    Aged {
        body: FactAnswers {
            capabilities: asked.capabilities.then(|| capabilities(call)),
            accounts: accounts.0,
            search: search.0,
            products: products.0,
            prices: prices.0,
            stock: stock.0,
            credit: credit.0,
        },
        provenance: provenance
            .into_iter()
            .fold(Provenance::default(), Provenance::and),
    }
}

/// The answer of a question that was asked, or its problem.
async fn told<T>(
    question: &'static str,
    asked: Option<impl Future<Output = Result<Aged<T>, Problem>>>,
) -> (Option<Told<T>>, Provenance) {
    match OptionFuture::from(asked).await {
        None => (None, Provenance::default()),
        Some(Ok(answer)) => (Some(Told::Answer(answer.body)), answer.provenance),
        Some(Err(mut problem)) => {
            count(question, &problem);
            problem.correlation_id =
                RequestScope::current().map(|scope| scope.correlation_id.clone());
            let problem = serde_json::to_value(&problem).unwrap_or_default();
            (Some(Told::Problem(problem)), Provenance::untold(1))
        }
    }
}

/// The answer as a whole is none of this problem: without this its cause would be in no log, and its code in no metric.
fn count(question: &'static str, problem: &Problem) {
    metrics::counter!(
        "orderway_questions_unanswered_total",
        "question" => question, "code" => problem.code.to_string()
    )
    .increment(1);
    if problem.status >= StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
        tracing::warn!(question, code = %problem.code, error = %problem, "one of several questions has no answer");
    }
}

/// Accounts with those above them.
pub(super) async fn accounts(call: &Call, query: AccountQuery) -> Result<Aged<Accounts>, Problem> {
    at_most("accounts", query.accounts.len(), MOST_ACCOUNTS)?;
    let terms = call.terms(query.max_age_seconds, query.max_stale_seconds);
    let company = &call.company;
    let (accounts, provenance) = company
        .erp
        .accounts(&company.id, query.accounts, terms)
        .await?;
    Ok(Aged {
        body: Accounts { accounts },
        provenance,
    })
}

/// A page of the catalogue.
pub(super) async fn search(
    call: &Call,
    search: ProductSearch,
) -> Result<Aged<ProductPage>, Problem> {
    let asked = page::PageQuery {
        limit: search.limit.map(u32::from),
        cursor: search.cursor,
    };
    let (skip, limit) = (asked.after::<u32>()?.unwrap_or(0), asked.limit()?);
    let words = search
        .search
        .map(|words| words.trim().to_owned())
        .filter(|words| !words.is_empty());
    // What no product can be called is not asked for: backends fail at it, and that would count against them.
    let sound = |words: &String| {
        words.chars().count() <= MOST_SEARCH && !words.chars().any(char::is_control)
    };
    if !words.as_ref().is_none_or(sound) {
        let detail = format!("Search for at most {MOST_SEARCH} visible characters.");
        return Err(Problem::validation(vec![FieldError::new(
            "?search",
            "out-of-range",
            detail,
        )]));
    }
    let query = CatalogueQuery {
        company: call.company.id.clone(),
        account: search.account,
        search: words,
        skip,
        limit,
    };
    let (part, provenance) = call.company.erp.catalogue(query, call.terms).await?;
    let next = part
        .more
        .then(|| page::encode_cursor(&skip.saturating_add(limit)))
        .transpose()?;
    Ok(Aged {
        body: ProductPage {
            items: part.products,
            next,
        },
        provenance,
    })
}

/// Products by any of their numbers.
pub(super) async fn products(
    call: &Call,
    query: ProductQuery,
) -> Result<Aged<ProductMatches>, Problem> {
    at_most("items", query.items.len(), MOST_ITEMS)?;
    let terms = call.terms(query.max_age_seconds, query.max_stale_seconds);
    let company = &call.company;
    let (matches, provenance) = company
        .erp
        .products(&company.id, query.account, query.items, terms)
        .await?;
    Ok(Aged {
        body: ProductMatches { matches },
        provenance,
    })
}

/// Price records.
pub(super) async fn prices(
    call: &Call,
    query: PriceQuery,
) -> Result<Aged<PriceSchedules>, Problem> {
    at_most("items", query.items.len(), MOST_ITEMS)?;
    at_most("quantities", query.quantities.len(), MOST_ITEMS)?;
    let terms = call.terms(query.max_age_seconds, query.max_stale_seconds);
    let company = &call.company;
    let (schedules, provenance) = company.erp.prices(&company.id, query, terms).await?;
    Ok(Aged {
        body: PriceSchedules {
            schedules,
            degraded: provenance.degraded(),
        },
        provenance,
    })
}

/// Stock by item and site.
pub(super) async fn stock(call: &Call, query: StockQuery) -> Result<Aged<StockFacts>, Problem> {
    at_most("items", query.items.len(), MOST_ITEMS)?;
    let company = &call.company;
    let sites: Vec<_> = company
        .sites
        .keys()
        .filter(|site| query.sites.is_empty() || query.sites.contains(site))
        .collect();
    at_most(
        "items",
        query.items.len().saturating_mul(sites.len()),
        MOST_STOCK_PAIRS,
    )?;
    let keys = query
        .items
        .iter()
        .flat_map(|item| sites.iter().map(|site| (item.clone(), (*site).clone())))
        .collect();
    let terms = call.terms(query.max_age_seconds, query.max_stale_seconds);
    let (stock, provenance) = company.erp.stock(&company.id, keys, terms).await?;
    Ok(Aged {
        body: StockFacts {
            stock,
            degraded: provenance.degraded(),
        },
        provenance,
    })
}

/// The credit of an account and of all above it.
pub(super) async fn credit(call: &Call, query: CreditQuery) -> Result<Aged<CreditFacts>, Problem> {
    let terms = call.terms(query.max_age_seconds, query.max_stale_seconds);
    let company = &call.company;
    let found = company
        .erp
        .credit(&company.id, query.account, terms)
        .await?;
    let (chain, provenance) = found.ok_or_else(unknown)?;
    Ok(Aged {
        body: CreditFacts {
            chain,
            degraded: provenance.degraded(),
        },
        provenance,
    })
}

/// The backend has nothing by the number that was asked for.
pub(super) fn unknown() -> Problem {
    Problem::new(
        BACKEND_NOT_FOUND,
        "The backend knows nothing by this number: check it.",
    )
}
