//! Several questions as one exchange with `system-apis`, and what came of each.

use canonical_model::facts::{FactAnswers, FactQueries, Told};
use service_runtime::{http_client::HopError, problem::Problem};

use super::{
    hop::{Kind, classify, unusable},
    questions::{Answers, Questions, unanswered},
    system::SystemError,
};

/// More keys than this are asked for kind by kind: each answer is long enough for an exchange of its own.
const MOST_TOGETHER: usize = 500;

/// The questions as one exchange; nothing where there is but one, or too much for one exchange.
pub(super) fn together(questions: &Questions) -> Option<FactQueries> {
    let Questions {
        capabilities,
        accounts,
        search,
        products,
        prices,
        stock,
        credit,
    } = questions;
    let lists = [products.len(), prices.len(), stock.len()];
    let single = [
        *capabilities,
        accounts.is_some(),
        search.is_some(),
        credit.is_some(),
    ];
    let count = single.iter().filter(|asked| **asked).count() + lists.iter().sum::<usize>();
    let of_products = products.iter().map(|query| query.items.len());
    let of_prices = prices
        .iter()
        .map(|query| query.items.len().max(query.quantities.len()));
    let of_stock = stock.iter().map(|query| query.items.len());
    let keys = of_products.chain(of_prices).chain(of_stock).max();
    if count < 2 || lists.iter().any(|list| *list > 1) || keys > Some(MOST_TOGETHER) {
        return None;
    }
    Some(FactQueries {
        capabilities: *capabilities,
        accounts: accounts.clone(),
        search: search.clone(),
        products: products.first().cloned(),
        prices: prices.first().cloned(),
        stock: stock.first().cloned(),
        credit: credit.clone(),
    })
}

/// What came of each question; where the exchange itself failed, the same of all.
pub(super) fn answers(queries: &FactQueries, came: Result<FactAnswers, SystemError>) -> Answers {
    let (came, failed) = match came {
        Ok(came) => (came, unanswered()),
        Err(error) => (FactAnswers::default(), error),
    };
    let capabilities = came.capabilities.map(Told::Answer);
    let asked = queries.capabilities.then_some(());
    Answers {
        capabilities: one(asked.as_ref(), capabilities, &failed).into(),
        accounts: one(queries.accounts.as_ref(), came.accounts, &failed).into(),
        search: one(queries.search.as_ref(), came.search, &failed).into(),
        products: one(queries.products.as_ref(), came.products, &failed)
            .into_iter()
            .collect(),
        prices: one(queries.prices.as_ref(), came.prices, &failed)
            .into_iter()
            .collect(),
        stock: one(queries.stock.as_ref(), came.stock, &failed)
            .into_iter()
            .collect(),
        credit: one(queries.credit.as_ref(), came.credit, &failed).into(),
    }
}

/// What came of a question that was asked.
fn one<Q, T>(
    asked: Option<&Q>,
    told: Option<Told<T>>,
    failed: &SystemError,
) -> Option<Result<T, SystemError>> {
    asked?;
    Some(match told {
        Some(Told::Answer(answer)) => Ok(answer),
        Some(Told::Problem(problem)) => Err(problem_told(problem)),
        None => Err(failed.clone()),
    })
}

fn problem_told(problem: serde_json::Value) -> SystemError {
    match serde_json::from_value::<Problem>(problem) {
        Ok(problem) => {
            let error = HopError::Problem(problem);
            unusable(&error).unwrap_or_else(|| classify(error, Kind::Read))
        }
        Err(error) => SystemError::Protocol {
            detail: error.to_string(),
        },
    }
}
