//! What a backend can do: a value that each connector states and `process-apis` reads, never an empty method.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::SiteId;

/// How prices come from the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriceSource {
    /// It gives records (lists, contracts, breaks); Orderway resolves them.
    Schedule,
    /// It gives the price itself for one account, item, unit and quantity: that holds as it is. Where no quantity is asked it
    /// gives one record for each quantity at which its price changes.
    Resolved,
}

/// What the ERP does about a second create with the same reference, and so what follows an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CreateClass {
    /// It refuses a second one: retry freely.
    Unique,
    /// Orders are created blocked: list by reference, record the chosen one, release only that, cancel the rest.
    Staged,
    /// No block, but a search by reference: wait out the quiet period, search twice, at most one more attempt.
    Searchable,
    /// Neither: one attempt, then a person.
    Blind,
}

/// From which document on the source counts an order in its credit exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CreditBasis {
    /// From the sales order.
    Order,
    /// From the invoice. We count an order ourselves until all of it is shipped, and as long after as `credit_lag_ms`
    /// says, so that this is the longest that an invoice may take. What is on backorder counts as shipped when the day
    /// that was promised for it is over.
    Invoice,
}

/// Until when the ERP amends a sales order. What is amended later than that is cancelled and ordered anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Amendable {
    /// Never: an order stays as it was created.
    #[default]
    Never,
    /// While it is blocked.
    UntilRelease,
    /// Also when it is released, within the ERP's own rules: what is picked already it may refuse.
    AfterRelease,
}

/// What a warehouse does about a second release with the same reference, and so what follows an unknown outcome. A
/// second release ships twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseClass {
    /// It refuses a second one: retry freely.
    Unique,
    /// It can be searched by reference: wait out the quiet period, search twice, at most one more attempt.
    Searchable,
    /// Neither: one attempt, then a person.
    Blind,
}

/// What the warehouse of a site can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WarehouseCapabilities {
    /// The site.
    pub site: SiteId,
    /// What a second release does.
    pub release_class: ReleaseClass,
    /// How long after an unknown outcome its search may still miss the release, in milliseconds.
    pub quiet_period_ms: u64,
}

/// What a CRM does about a second task with the same reference, and so what follows an unknown outcome. A second task is a
/// second person's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskClass {
    /// It refuses a second one: retry freely.
    Unique,
    /// It can be searched by reference: wait out the quiet period, and search before another attempt.
    Searchable,
    /// Neither: one attempt.
    Blind,
}

/// What the CRM of a company can do; `GET /v1/companies/{company}/crm/capabilities`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CrmCapabilities {
    /// The backend instance that serves the company.
    pub crm: String,
    /// What a second task does.
    pub task_class: TaskClass,
    /// How long after an unknown outcome its search may still miss the task, in milliseconds.
    pub quiet_period_ms: u64,
    /// Whether tasks can be completed through it; where not, people do that in the CRM.
    pub completes_tasks: bool,
    /// Whether it says what a contact is asked about.
    pub contact_roles: bool,
    /// Whether it says in which language to write to a contact.
    pub contact_languages: bool,
}

/// What the ERP of a company can do; `GET /v1/companies/{company}/capabilities`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capabilities {
    /// The backend instance that serves the company's orders.
    pub erp: String,
    /// How prices come.
    pub price_source: PriceSource,
    /// What a second create does.
    pub create_class: CreateClass,
    /// How many characters of a reference it keeps and can be searched by.
    pub reference_max_length: u8,
    /// How many characters of the buyer's purchase order number it keeps; a longer one is refused.
    pub purchase_order_number_max_length: u8,
    /// How long after an unknown outcome its search may still miss the order, in milliseconds.
    pub quiet_period_ms: u64,
    /// From which document on it counts an order in credit exposure.
    pub credit_basis: CreditBasis,
    /// How long after it answered its credit figures may not contain the order, in milliseconds.
    pub credit_lag_ms: u64,
    /// How long after it answered its stock figures may not contain the order, in milliseconds.
    pub stock_lag_ms: u64,
    /// Whether creates for one account must run one at a time.
    pub serialize_creates_by_account: bool,
    /// Whether it ships an order from one site: it refuses one whose lines name several.
    #[serde(default)]
    pub one_site_per_order: bool,
    /// Until when it amends an order.
    #[serde(default)]
    pub amendable: Amendable,
    /// Whether it takes orders now: false while they are not even tried, since too many failed.
    #[serde(default = "taken_for_granted")]
    pub taking_orders: bool,
    /// What the warehouses of its sites can do.
    #[serde(default)]
    pub warehouses: Vec<WarehouseCapabilities>,
}

const fn taken_for_granted() -> bool {
    true
}
