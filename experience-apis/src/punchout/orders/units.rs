//! Units as buyers write them in cXML: what was agreed, then UN/ECE Recommendations 20 and 21, then the X12 codes that
//! American systems send in their place. Pure.

use canonical_model::UnitOfMeasure;
use edi::x12::unit;

use crate::punchout::profile::Profile;

/// X12 codes that stand for something else in Recommendation 21 or in common use (a case or a can, a pallet or a pail, a
/// set or a sheet or the German piece): they are agreed with the partner, or not known.
const SEVERAL_MEANINGS: [&str; 4] = ["CA", "PA", "PL", "ST"];

/// Our unit; `None` = it is not known, and never guessed.
pub(in crate::punchout) fn read(profile: &Profile, text: &str) -> Option<UnitOfMeasure> {
    if let Some(agreed) = profile.units.get(text) {
        return Some(*agreed);
    }
    let unece = if is_listed(text) {
        text
    } else {
        let code = Some(text).filter(|code| !SEVERAL_MEANINGS.contains(code));
        code.and_then(unit::to_unece)?
    };
    UnitOfMeasure::from_code(unece).ok()
}

/// A code of Recommendation 20 that is in use here, or a package of Recommendation 21.
fn is_listed(code: &str) -> bool {
    code == "XZZ" || unit::from_unece(code).is_some()
}
