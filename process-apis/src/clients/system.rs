//! What this layer asks of `system-apis`: facts about a company's accounts, products, prices, stock and credit, its
//! sales orders by reference, and releases to its warehouses.

use std::time::Duration;

use async_trait::async_trait;
use canonical_model::{
    CompanyId, ErpOrderNumber, OrderReference, ShipmentNumber, SiteId,
    account::{AccountQuery, Accounts},
    capabilities::Capabilities,
    credit::{CreditFacts, CreditQuery},
    erp_order::{CreateErpOrder, ErpOrder, ErpOrders},
    fulfilment::{CreateWarehouseRelease, WarehouseRelease, WarehouseReleases},
    price::{PriceQuery, PriceSchedules},
    product::{ProductMatches, ProductPage, ProductQuery, ProductSearch},
    shipment::ShipmentNews,
    stock::{StockFacts, StockQuery},
};
use jiff::{SignedDuration, Timestamp};
use service_runtime::{
    context::{AccountScope, CallContext, LayerIdentity},
    problem::{FieldError, Problem, codes},
};

use super::questions::{Answers, Questions, each_by_itself};

/// The order in which a backend's budget is given out, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// An order is being taken, or brought into the ERP.
    Order,
    /// A buyer is about to order.
    Checkout,
    /// A buyer looks around.
    Browse,
    /// Nobody waits.
    Bulk,
}

impl Lane {
    /// The value of the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Checkout => "checkout",
            Self::Browse => "browse",
            Self::Bulk => "bulk",
        }
    }
}

/// For whom, in which company and how urgently a call is made.
#[derive(Debug, Clone)]
pub struct Call {
    /// The company whose backends answer.
    pub company: CompanyId,
    /// Who asks, and until when anyone waits.
    pub context: CallContext,
    /// How urgent it is.
    pub lane: Lane,
    /// How long it may take, where that is not the hop's own time.
    pub time: Option<Duration>,
}

impl Call {
    /// A call for the caller of this layer; 403 where it acts for no company.
    pub fn for_caller(context: &CallContext, lane: Lane) -> Result<Self, Problem> {
        let company = context
            .company
            .as_deref()
            .and_then(|text| CompanyId::new(text).ok());
        let company = company.ok_or_else(|| {
            Problem::forbidden(
                "The caller acts for no company; ask for one where the credential was issued.",
            )
        })?;
        Ok(Self {
            company,
            context: context.clone(),
            lane,
            time: None,
        })
    }

    /// A call that no caller waits for, such as an effect's.
    pub fn background(
        company: CompanyId,
        correlation_id: impl Into<String>,
        now: Timestamp,
        time: Duration,
        lane: Lane,
    ) -> Self {
        let context = CallContext {
            principal: "process-apis".to_owned(),
            accounts: AccountScope::All,
            company: Some(company.as_str().to_owned()),
            channel: "process".to_owned(),
            scopes: Vec::new(),
            correlation_id: correlation_id.into(),
            deadline: SignedDuration::try_from(time)
                .ok()
                .and_then(|time| now.checked_add(time).ok())
                .unwrap_or(now),
            remaining_ms: u64::try_from(time.as_millis()).unwrap_or(0),
            layer: LayerIdentity::ProcessApis,
        };
        Self {
            company,
            context,
            lane,
            time: Some(time),
        }
    }
}

/// Why `system-apis` did not do what was asked. The class decides what may follow.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SystemError {
    /// The backend refused for a business reason; nothing was done, and a repetition is refused again.
    #[error("the system of record refused: {detail}")]
    Rejected {
        /// Its reason, in a sentence.
        detail: String,
    },
    /// There is no such thing in the backend.
    #[error("the system of record knows no such thing")]
    NotFound,
    /// It is there already, or in a state that forbids this.
    #[error("the system of record has it already, or in another state")]
    Conflict {
        /// The order that is there, where the backend says which.
        existing: Option<Box<ErpOrder>>,
    },
    /// Certainly not done: the backend, or its budget, takes no more for now.
    #[error("the system of record takes no more calls for now")]
    Throttled {
        /// When to come again, where it said so.
        retry_after: Option<SignedDuration>,
    },
    /// Certainly not done: the backend does not answer.
    #[error("the system of record does not answer")]
    Unavailable {
        /// When to come again, where that is known.
        retry_after: Option<SignedDuration>,
    },
    /// It may have been done: look before doing it again.
    #[error("it is not known whether the system of record did it")]
    OutcomeUnknown,
    /// Certainly not done: no time was left to begin.
    #[error("no time was left to ask the system of record")]
    DeadlineExceeded,
    /// A parameter of the caller's own, handed on as it was given, cannot be used.
    #[error("a parameter that was handed on cannot be used")]
    Parameter {
        /// Which, and what to send instead.
        errors: Vec<FieldError>,
    },
    /// The answer is not one this layer understands, or the question was refused as malformed.
    #[error("the answer of the system of record cannot be used: {detail}")]
    Protocol {
        /// What is wrong with it; for the log.
        detail: String,
    },
}

impl SystemError {
    /// Whether the source could not say, rather than that it said no: what is known already may stand in.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::OutcomeUnknown
            | Self::DeadlineExceeded
            | Self::Protocol { .. } => true,
            Self::Rejected { .. }
            | Self::NotFound
            | Self::Conflict { .. }
            | Self::Parameter { .. } => false,
        }
    }
}

impl From<SystemError> for Problem {
    fn from(error: SystemError) -> Self {
        let again = "The system of record does not answer now; try again later.";
        match &error {
            SystemError::Rejected { detail } => Self::new(crate::baskets::codes::BACKEND_REJECTED, detail.clone()),
            SystemError::NotFound => Self::not_found(),
            SystemError::Conflict { .. } => Self::new(
                crate::baskets::codes::BACKEND_CONFLICT,
                "The system of record has it already, or in another state; read it again and decide anew.",
            ),
            SystemError::Throttled { retry_after } | SystemError::Unavailable { retry_after } => {
                let after = retry_after.unwrap_or(SignedDuration::from_secs(5));
                Self::new(codes::BACKEND_UNAVAILABLE, again).with_retry_after(after)
            }
            SystemError::OutcomeUnknown => Self::new(
                crate::baskets::codes::BACKEND_OUTCOME_UNKNOWN,
                "It is not known whether it was done; read it before you repeat it.",
            ),
            SystemError::DeadlineExceeded => {
                Self::new(codes::TIMEOUT, "No time was left to ask the system of record; try again with more.")
            }
            SystemError::Parameter { errors } => {
                let detail = "Correct the query parameter named in `errors` and send it again.";
                errors.iter().cloned().fold(Self::invalid_request(detail), Self::with_error)
            }
            SystemError::Protocol { .. } => Self::new(
                crate::baskets::codes::BACKEND_PROTOCOL,
                "The system of record gave an answer that cannot be used; give the correlation id to support.",
            ),
        }
        .caused_by(&error)
    }
}

/// The contract of `system-apis`, as this layer uses it.
#[async_trait]
pub trait SystemApis: Send + Sync + 'static {
    /// What the ERP of the company can do.
    async fn capabilities(&self, call: &Call) -> Result<Capabilities, SystemError>;
    /// Accounts by number.
    async fn accounts(&self, call: &Call, query: &AccountQuery) -> Result<Accounts, SystemError>;
    /// A page of the catalogue.
    async fn products_search(
        &self,
        call: &Call,
        search: &ProductSearch,
    ) -> Result<ProductPage, SystemError>;
    /// Products by any of their numbers.
    async fn products_query(
        &self,
        call: &Call,
        query: &ProductQuery,
    ) -> Result<ProductMatches, SystemError>;
    /// Several questions at the same time, each with an answer of its own.
    async fn ask(&self, call: &Call, questions: Questions) -> Answers {
        each_by_itself(self, call, questions).await
    }
    /// Price records.
    async fn prices(&self, call: &Call, query: &PriceQuery) -> Result<PriceSchedules, SystemError>;
    /// Stock by item and site.
    async fn stock(&self, call: &Call, query: &StockQuery) -> Result<StockFacts, SystemError>;
    /// Credit of an account and of all above it.
    async fn credit(&self, call: &Call, query: &CreditQuery) -> Result<CreditFacts, SystemError>;
    /// Creates a sales order.
    async fn create_order(
        &self,
        call: &Call,
        order: &CreateErpOrder,
    ) -> Result<ErpOrder, SystemError>;
    /// The sales orders that carry a reference, from the source; none, where the one that is known is the only one.
    async fn orders_by_reference(
        &self,
        call: &Call,
        reference: &OrderReference,
        besides: Option<&ErpOrderNumber>,
    ) -> Result<ErpOrders, SystemError>;
    /// A sales order by the ERP's number.
    async fn order(&self, call: &Call, number: &ErpOrderNumber) -> Result<ErpOrder, SystemError>;
    /// Releases a blocked sales order.
    async fn release_order(&self, call: &Call, number: &ErpOrderNumber) -> Result<(), SystemError>;
    /// Cancels a sales order.
    async fn cancel_order(
        &self,
        call: &Call,
        number: &ErpOrderNumber,
    ) -> Result<ErpOrder, SystemError>;
    /// Releases lines to a warehouse.
    async fn create_release(
        &self,
        call: &Call,
        release: &CreateWarehouseRelease,
    ) -> Result<WarehouseRelease, SystemError>;
    /// The releases that carry a reference.
    async fn releases(
        &self,
        call: &Call,
        release_reference: &str,
        site: &SiteId,
    ) -> Result<WarehouseReleases, SystemError>;
    /// A shipment as its warehouse has it now, from the source.
    async fn shipment(
        &self,
        call: &Call,
        site: &SiteId,
        shipment: &ShipmentNumber,
    ) -> Result<ShipmentNews, SystemError>;
    /// The guard state of every backend, as `system-apis` tell it.
    async fn systems(&self, call: &Call) -> Result<serde_json::Value, SystemError>;
    /// Holds the breaker of an operation as `order` says, or lets it go; answers how it is then, as `system-apis` tell it.
    async fn hold_breaker(
        &self,
        call: &Call,
        system: &str,
        operation: &str,
        order: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, SystemError>;
}
