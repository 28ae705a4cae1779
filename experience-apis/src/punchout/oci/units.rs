//! Units of measure: OCI's three-character ISO codes against UN/ECE Recommendations 20 and 21.
//!
//! The ISO codes are those of Recommendation 20 as it was when OCI was written, with packages among them. Codes that
//! stand for one thing there and for another in common use (`ST` a sheet, or the German piece; `CA` a can, or the
//! American case; `PL` a pail, or a pallet) are in no table here: they are agreed with the partner, or refused.

use std::collections::BTreeMap;

use canonical_model::UnitOfMeasure;

/// Codes that are the same in both.
const SAME: [&str; 42] = [
    "EA", "C62", "H87", "PR", "SET", "KT", "DZN", "GRO", "CEN", "MIL", "RM", "AS", "KGM", "GRM",
    "LBR", "ONZ", "TNE", "STN", "LTR", "MLT", "GLL", "QTL", "PTL", "OZA", "MTR", "CMT", "MMT",
    "FOT", "INH", "YRD", "LF", "MTK", "FTK", "YDK", "MTQ", "FTQ", "YDQ", "HUR", "DAY", "WEE",
    "MON", "ANN",
];

/// ISO code and ours, where they differ; the first of two is the one that is written.
const OTHERS: [(&str, &str); 15] = [
    ("PCE", "H87"),
    ("PC", "H87"),
    ("BX", "XBX"),
    ("CT", "XCT"),
    ("CS", "XCS"),
    ("PK", "XPK"),
    ("PA", "XPA"),
    ("BG", "XBG"),
    ("BO", "XBO"),
    ("BE", "XBE"),
    ("DR", "XDR"),
    ("JR", "XJR"),
    ("PF", "XPX"),
    ("RO", "XRO"),
    ("TU", "XTU"),
];

/// The units of one partner: what was agreed with it, and the tables above.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units<'a> {
    /// The partner's unit = ours, for all its documents.
    pub(super) theirs: &'a BTreeMap<String, UnitOfMeasure>,
    /// Ours = the ISO code that the partner wants for it.
    pub(super) iso: &'a BTreeMap<UnitOfMeasure, String>,
}

impl Units<'_> {
    /// Ours, of what stands in UNIT; `None` = it is not known, and never guessed.
    pub(super) fn read(&self, text: &str) -> Option<UnitOfMeasure> {
        let text = text.trim();
        if let Some(unit) = self.theirs.get(text) {
            return Some(*unit);
        }
        let code = text.to_ascii_uppercase();
        let mut agreed = self
            .iso
            .iter()
            .filter(|(_, iso)| iso.eq_ignore_ascii_case(&code));
        match (agreed.next(), agreed.next()) {
            (Some((ours, _)), None) => Some(*ours),
            (Some(_), Some(_)) => None,
            (None, _) => UnitOfMeasure::from_code(listed(&code)?).ok(),
        }
    }

    /// What stands in UNIT for one of ours; `None` = it has no ISO code of three characters.
    pub(super) fn write(&self, unit: UnitOfMeasure) -> Option<String> {
        if let Some(iso) = self.iso.get(&unit) {
            return Some(iso.clone());
        }
        let code = unit.code();
        let other = OTHERS.iter().find(|(_, ours)| *ours == code);
        let same = || SAME.iter().find(|same| **same == code).copied();
        other.map(|(iso, _)| *iso).or_else(same).map(str::to_owned)
    }
}

fn listed(code: &str) -> Option<&str> {
    let other = OTHERS
        .iter()
        .find(|(iso, ours)| *iso == code || *ours == code);
    let same = || SAME.contains(&code).then_some(code);
    other.map(|(_, ours)| *ours).or_else(same)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn unit(code: &str) -> UnitOfMeasure {
        UnitOfMeasure::from_code(code).unwrap()
    }

    fn agreed(iso: &[(&str, &str)]) -> BTreeMap<UnitOfMeasure, String> {
        iso.iter()
            .map(|(ours, iso)| (unit(ours), (*iso).to_owned()))
            .collect()
    }

    #[rstest]
    #[case("PCE", Some("H87"))]
    #[case(" bx ", Some("XBX"))]
    #[case("XBX", Some("XBX"))]
    #[case("EA", Some("EA"))]
    #[case("KI", Some("XCS"))]
    #[case("PAL", Some("XPX"))]
    #[case("ST", None)]
    #[case("CA", None)]
    #[case("PIECE", None)]
    #[case("", None)]
    fn units_are_read_or_not_known(#[case] text: &str, #[case] ours: Option<&str>) {
        let theirs = BTreeMap::from([("KI".to_owned(), unit("XCS"))]);
        let iso = agreed(&[("XPX", "PAL")]);
        let (theirs, iso) = (&theirs, &iso);
        let read = Units { theirs, iso }.read(text);
        assert_eq!(read.map(|unit| unit.code().to_owned()).as_deref(), ours);
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same() {
        let (theirs, iso) = (BTreeMap::new(), BTreeMap::new());
        let (theirs, iso) = (&theirs, &iso);
        let units = Units { theirs, iso };
        for code in SAME.iter().chain(OTHERS.iter().map(|(_, ours)| ours)) {
            let written = units.write(unit(code)).unwrap();
            assert!(written.len() <= 3, "{code}");
            assert_eq!(
                units.read(&written),
                Some(unit(code)),
                "{code} as {written}"
            );
        }
    }

    #[test]
    fn an_iso_code_agreed_for_two_units_is_not_guessed() {
        let (theirs, iso) = (
            BTreeMap::new(),
            agreed(&[("XCS", "KAR"), ("XCT", "KAR"), ("XST", "ST")]),
        );
        let (theirs, iso) = (&theirs, &iso);
        let units = Units { theirs, iso };
        assert_eq!(units.read("KAR"), None);
        assert_eq!(units.write(unit("XST")).as_deref(), Some("ST"));
        assert_eq!(units.read("ST"), Some(unit("XST")));
        assert_eq!(units.write(unit("XPL")), None);
    }
}
