//! The canonical business objects of Orderway: pure types and arithmetic, no I/O.
//!
//! Two contracts are written in these words: what `system-apis` answer (facts about accounts, products, prices,
//! stock and credit; sales orders by reference; releases to a warehouse; what a CRM knows) and what `process-apis` answer (quotes,
//! promises, reservations, orders, decisions, events, documents). No vendor's word and no channel's word stands here.
//!
//! JSON is `snake_case`; amounts and quantities are decimal strings; instants are RFC 3339 in UTC; business days are
//! ISO 8601 dates without a zone. Requests refuse unknown fields.

pub mod account;
pub mod basket;
pub mod capabilities;
pub mod catalog;
pub mod credit;
pub mod crm;
pub mod currency;
pub mod decimal;
pub mod decision;
pub mod document;
pub mod erp_invoice;
pub mod erp_order;
pub mod event;
pub mod facts;
pub mod fulfilment;
pub mod ids;
pub mod intake;
pub mod item;
pub mod money;
pub mod order;
pub mod price;
pub mod product;
pub mod promise;
pub mod public_event;
pub mod quantity;
pub mod quote;
pub mod reservation;
pub mod session;
pub mod shipment;
pub mod stock;
pub mod subscription;

pub use ids::{
    AccountId, CompanyId, ContractNumber, DocumentId, ErpInvoiceNumber, ErpOrderNumber, ItemNumber,
    OrderId, OrderReference, PromotionId, PurchaseOrderNumber, QuoteId, ReservationId, SessionId,
    ShipToId, ShipmentNumber, SiteId, SubscriptionId, TaskNumber, TaskReference,
};
pub use iso_currency::Currency;
pub use money::{Money, UnitPrice};
pub use quantity::{Quantity, UnitConversion, UnitOfMeasure};
