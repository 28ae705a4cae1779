//! Tables of the transaction sets this crate can check, and which group each set belongs to.

pub mod po850;

/// Element 479 (GS01) for the sets of this trade; an unknown pair is left to the caller's agreement.
const FUNCTIONAL_IDS: [(&str, &str); 10] = [
    ("850", "PO"),
    ("855", "PR"),
    ("856", "SH"),
    ("810", "IN"),
    ("846", "IB"),
    ("860", "PC"),
    ("865", "CA"),
    ("997", "FA"),
    ("999", "FA"),
    ("870", "RS"),
];

/// Whether a set may stand in a group of this kind (GS01).
pub(crate) fn goes_with(functional_id: &str, set_id: &str) -> bool {
    let of_set = FUNCTIONAL_IDS.iter().find(|(set, _)| *set == set_id);
    match of_set {
        Some((_, expected)) => *expected == functional_id,
        None => !FUNCTIONAL_IDS.iter().any(|(_, id)| *id == functional_id),
    }
}
