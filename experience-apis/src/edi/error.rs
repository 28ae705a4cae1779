//! The channel's own error codes.

service_runtime::error_codes! {
    /// The body holds no ISA, so there is nobody to acknowledge anything to.
    pub NOT_AN_INTERCHANGE = ("not-an-interchange", 400, "No X12 interchange", false);
}
