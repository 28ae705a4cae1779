//! Several questions at once: what a page shows, or what an order is decided from.

use canonical_model::{
    account::{AccountQuery, Accounts},
    capabilities::Capabilities,
    credit::{CreditFacts, CreditQuery},
    price::{PriceQuery, PriceSchedules},
    product::{ProductMatches, ProductPage, ProductQuery, ProductSearch},
    stock::{StockFacts, StockQuery},
};
use futures_util::future::{OptionFuture, join_all};

use super::system::{Call, SystemApis, SystemError};

/// What is asked at the same time. A list holds one question for each part of what is too much for one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Questions {
    /// What the systems of the company can do.
    pub capabilities: bool,
    /// Accounts by number.
    pub accounts: Option<AccountQuery>,
    /// A page of the catalogue.
    pub search: Option<ProductSearch>,
    /// Products by any of their numbers.
    pub products: Vec<ProductQuery>,
    /// Price records.
    pub prices: Vec<PriceQuery>,
    /// Stock.
    pub stock: Vec<StockQuery>,
    /// Credit.
    pub credit: Option<CreditQuery>,
}

/// What came of asking, in the order asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// What the systems of the company can do.
    pub capabilities: Answer<Capabilities>,
    /// The accounts.
    pub accounts: Answer<Accounts>,
    /// The page of the catalogue.
    pub search: Answer<ProductPage>,
    /// The products.
    pub products: Vec<Result<ProductMatches, SystemError>>,
    /// The price records.
    pub prices: Vec<Result<PriceSchedules, SystemError>>,
    /// The stock.
    pub stock: Vec<Result<StockFacts, SystemError>>,
    /// The credit.
    pub credit: Answer<CreditFacts>,
}

/// What came of one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T>(Option<Result<T, SystemError>>);

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> From<Option<Result<T, SystemError>>> for Answer<T> {
    fn from(came: Option<Result<T, SystemError>>) -> Self {
        Self(came)
    }
}

impl<T> Answer<T> {
    /// The answer; that the question was not asked, or has none, cannot be used.
    pub fn answer(self) -> Result<T, SystemError> {
        self.0.unwrap_or_else(|| Err(unanswered()))
    }
}

/// The layer below left a question out.
pub(super) fn unanswered() -> SystemError {
    let detail = "one of several questions was not answered".to_owned();
    SystemError::Protocol { detail }
}

/// Each question by itself, all at the same time.
pub async fn each_by_itself<S>(system: &S, call: &Call, questions: Questions) -> Answers
where
    S: SystemApis + ?Sized,
{
    let Questions {
        capabilities,
        accounts,
        search,
        products,
        prices,
        stock,
        credit,
    } = &questions;
    let accounts = accounts.as_ref().map(|query| system.accounts(call, query));
    let search = search
        .as_ref()
        .map(|query| system.products_search(call, query));
    let credit = credit.as_ref().map(|query| system.credit(call, query));
    let (capabilities, accounts, search, products, prices, stock, credit) = tokio::join!(
        OptionFuture::from(capabilities.then(|| system.capabilities(call))),
        OptionFuture::from(accounts),
        OptionFuture::from(search),
        join_all(
            products
                .iter()
                .map(|query| system.products_query(call, query))
        ),
        join_all(prices.iter().map(|query| system.prices(call, query))),
        join_all(stock.iter().map(|query| system.stock(call, query))),
        OptionFuture::from(credit),
    );
    Answers {
        capabilities: capabilities.into(),
        accounts: accounts.into(),
        search: search.into(),
        products,
        prices,
        stock,
        credit: credit.into(),
    }
}
