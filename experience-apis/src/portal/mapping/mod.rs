//! Between the portal's JSON and the canonical one: pure, and no rule of price, stock or credit.

mod account;
mod order;
mod pointer;
mod price;
mod product;
mod request;
mod webhook;

pub use account::{account, credit};
pub use order::{hold, order, order_page, receipt, receipt_of_order, timeline};
pub use pointer::Named;
pub use price::{basket_check, quote, reservation};
pub use product::{product, product_page};
pub use request::{basket_request, order_request, quote_request, reservation_request};
pub use webhook::{change_subscription, new_subscription, webhook, webhook_page};
