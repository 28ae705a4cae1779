//! The dialect's own error codes.

service_runtime::error_codes! {
    /// The order is refused: it is not what left, or it cannot be delivered.
    pub ORDER_DIFFERS = ("order-differs", 422, "The order cannot be taken as it is", false);
    /// The buyer's number was received before with other content.
    pub DUPLICATE_PURCHASE_ORDER = ("duplicate-purchase-order", 409, "The purchase order was ordered before", false);
}
