//! The error codes of prices, promises, quotes and reservations.

service_runtime::error_codes! {
    /// A basket that a quote or a reservation was asked for has faults.
    pub BASKET_REJECTED = ("basket-rejected", 422, "The basket has faults", false);
    /// Not all of it can be held.
    pub INSUFFICIENT_STOCK = ("insufficient-stock", 409, "Not enough stock", false);
    /// The account holds as much as it may.
    pub RESERVATION_LIMIT = ("reservation-limit", 409, "The account holds as much as it may", false);
    /// It was consumed, or it expired.
    pub RESERVATION_NOT_HELD = ("reservation-not-held", 409, "The reservation holds nothing any more", false);
    /// The system of record refused for a business reason.
    pub BACKEND_REJECTED = ("backend-rejected", 422, "The backend refused this", false);
    /// The system of record has it already, or in another state.
    pub BACKEND_CONFLICT = ("backend-conflict", 409, "The backend has this reference already", false);
    /// It is not known whether the system of record did it.
    pub BACKEND_OUTCOME_UNKNOWN = ("backend-outcome-unknown", 504, "It is not known whether the backend did this", false);
    /// The system of record gave an answer that cannot be used.
    pub BACKEND_PROTOCOL = ("backend-protocol", 502, "The backend's answer makes no sense", true);
}
