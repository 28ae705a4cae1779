//! The error codes of orders and holds, and what a caller is told when the store refuses.

use jiff::SignedDuration;
use service_runtime::problem::{Problem, codes};

use crate::{
    orders::provisional::{Bound, COME_AGAIN},
    store::StoreError,
};

service_runtime::error_codes! {
    /// An order with faults.
    pub ORDER_REJECTED = ("order-rejected", 422, "The order has faults", false);
    /// A purchase order that is another order already.
    pub DUPLICATE_PURCHASE_ORDER = ("duplicate-purchase-order", 409, "The purchase order was ordered before", false);
    /// An order beyond what is taken while the ERP does not answer.
    pub OUTAGE_LIMIT = ("outage-limit", 503, "More than can be taken while the seller's system does not answer", true);
    /// An order that has gone too far, or has ended.
    pub ORDER_NOT_CANCELLABLE = ("order-not-cancellable", 409, "The order cannot be cancelled", false);
    /// A hold that is not released but retried.
    pub HOLD_NOT_RELEASABLE = ("hold-not-releasable", 409, "The hold is not released but retried", false);
    /// An order on which nothing has stopped.
    pub NOTHING_TO_RETRY = ("nothing-to-retry", 409, "Nothing has stopped on the order", false);
    /// An order that a later release has written to.
    pub ORDER_NOT_UNDERSTOOD = ("order-not-understood", 409, "The order was written by a later release", true);
    /// The disk is full.
    pub STORAGE_FULL = ("storage-full", 503, "There is no room to store anything", true);
    /// The store does not answer.
    pub STORE_UNAVAILABLE = ("store-unavailable", 503, "The store does not answer", true);
    /// A document was stored before with other content.
    pub DUPLICATE_CONTROL_NUMBER = ("duplicate-control-number", 409, "The control number was used before", false);
    /// A session that was opened before from other content.
    pub SESSION_EXISTS = ("session-exists", 409, "The session was opened with other content", false);
    /// A partner with as many living sessions as it may have.
    pub SESSION_LIMIT = ("session-limit", 429, "The partner has as many sessions as it may", true);
    /// A cursor that another instance has moved.
    pub CURSOR_MOVED = ("cursor-moved", 409, "The cursor has moved", false);
    /// As many news as may wait for a person.
    pub NEWS_LIMIT = ("news-limit", 503, "As many news wait as may", true);
    /// An account with as many webhook subscriptions as it may have.
    pub SUBSCRIPTION_LIMIT = ("subscription-limit", 409, "The account has as many webhooks as it may", false);
    /// A lease that is no longer the caller's.
    pub LEASE_LOST = ("lease-lost", 409, "The lease is no longer held", false);
}

/// What the caller is told. Conflicts that a command decides again never come so far; those that do are contention.
pub fn store_problem(error: &StoreError) -> Problem {
    let problem = match error {
        StoreError::VersionConflict { .. }
        | StoreError::StockShort(_)
        | StoreError::CreditShort(_)
        | StoreError::Contended(_) => contention(),
        StoreError::CursorMoved(_) => Problem::new(
            CURSOR_MOVED,
            "Another instance has delivered these news; read the cursor anew and go on from there.",
        ),
        StoreError::BoundReached(key) => outage_limit(&Bound::of(key)),
        StoreError::KeyUsed(_) => Problem::new(codes::REQUEST_IN_PROGRESS, "Send it again with the same key.")
            .with_retry_after(SignedDuration::from_secs(1)),
        StoreError::PurchaseOrderTaken(order) => {
            duplicate_purchase_order().with_extension("order_id", order.to_string())
        }
        StoreError::LeaseLost => {
            Problem::new(LEASE_LOST, "Another instance works on it now; lease again and go on with what you get.")
        }
        StoreError::DocumentKnown(document) => Problem::new(
            DUPLICATE_CONTROL_NUMBER,
            "A document with this control number was stored before with other content; send it under a new number.",
        )
        .with_extension("document_id", document.document_id.to_string()),
        StoreError::SessionKnown { .. } => Problem::new(
            SESSION_EXISTS,
            "A session with this id was opened before for another partner, account or content; open one under a new id.",
        ),
        StoreError::SessionLimit => Problem::new(
            SESSION_LIMIT,
            "Too many sessions of this partner are open; wait until some have ended, and open it again.",
        )
        .with_retry_after(SignedDuration::from_secs(60)),
        StoreError::SubscriptionLimit => Problem::new(
            SUBSCRIPTION_LIMIT,
            "The account has as many webhooks as it may; delete one that is not used, or ask the seller for more.",
        ),
        StoreError::SubscriptionChanged(_) => Problem::new(
            codes::PRECONDITION_FAILED,
            "The webhook has changed since you read it, or is gone; read it again and decide anew.",
        ),
        StoreError::SessionChanged(_) => Problem::new(
            codes::PRECONDITION_FAILED,
            "The session has changed since you read it, or has ended; read it again and decide anew.",
        ),
        StoreError::ParkedFull => Problem::new(
            NEWS_LIMIT,
            "As many news wait for a person as may; look at some of them (GET /v1/news) before sending more.",
        )
        .with_retry_after(SignedDuration::from_secs(60)),
        StoreError::Full => Problem::new(STORAGE_FULL, "Nothing was stored; send it again later.")
            .with_retry_after(SignedDuration::from_secs(30)),
        StoreError::Failed(_) | StoreError::ClocksApart(_) | StoreError::NewerRelease => {
            Problem::new(STORE_UNAVAILABLE, "Nothing is known to be stored; send it again.")
                .with_retry_after(SignedDuration::from_secs(5))
        }
    };
    problem.caused_by(error)
}

/// The ERP does not answer, and the order lies beyond what is taken then.
pub fn outage_limit(bound: &Bound) -> Problem {
    let what = match bound {
        Bound::OrderValue { .. } | Bound::AccountValue | Bound::ItemQuantity { .. } => {
            "Nothing was taken: order less now, or send it again later"
        }
        Bound::Disabled | Bound::PriceAge | Bound::StockAge | Bound::CreditAge => {
            "Nothing was taken: send it again later"
        }
    };
    let why = bound.to_string();
    let mut letters = why.chars();
    let why = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect::<String>());
    let detail = format!("{}. {what}, with the same key.", why.unwrap_or_default());
    Problem::new(OUTAGE_LIMIT, detail)
        .with_extension("bound", bound.word())
        .with_retry_after(COME_AGAIN)
}

/// Too many wanted the same thing; nothing was written.
pub fn contention() -> Problem {
    Problem::new(
        codes::CONTENTION,
        "Others took the same stock, credit or order at the same time; send it again.",
    )
    .with_retry_after(SignedDuration::from_secs(1))
}

/// The purchase order is another order already, and its content differs.
pub fn duplicate_purchase_order() -> Problem {
    Problem::new(
        DUPLICATE_PURCHASE_ORDER,
        "This purchase order number is an order already, with other content. Use a new number, or cancel that order \
         first.",
    )
}
