//! Units of measure: X12 element 355 against UN/ECE Recommendations 20 and 21.
//!
//! The two lists share spellings that mean different things (X12 `CS` is a cassette, `ST` a set, `GR` a gram), so
//! only what stands in this table is translated. An unknown unit is nothing, never `EA`.

const UNITS: [(&str, &str); 61] = [
    ("EA", "EA"),
    ("PC", "H87"),
    ("UN", "C62"),
    ("PR", "PR"),
    ("ST", "SET"),
    ("KT", "KT"),
    ("DZ", "DZN"),
    ("GS", "GRO"),
    ("HU", "CEN"),
    ("TH", "MIL"),
    ("CA", "XCS"),
    ("CT", "XCT"),
    ("BX", "XBX"),
    ("PK", "XPK"),
    ("PH", "XPA"),
    ("BG", "XBG"),
    ("BO", "XBO"),
    ("BD", "XBE"),
    ("CN", "XCX"),
    ("DR", "XDR"),
    ("JR", "XJR"),
    ("PL", "XPX"),
    ("PA", "XPL"),
    ("RL", "XRO"),
    ("RM", "RM"),
    ("TB", "XTU"),
    ("SH", "XST"),
    ("PD", "XZZ"),
    ("AS", "AS"),
    ("KG", "KGM"),
    ("GR", "GRM"),
    ("LB", "LBR"),
    ("OZ", "ONZ"),
    ("MP", "TNE"),
    ("TN", "STN"),
    ("LT", "LTR"),
    ("ML", "MLT"),
    ("GA", "GLL"),
    ("QT", "QTL"),
    ("PT", "PTL"),
    ("FO", "OZA"),
    ("MR", "MTR"),
    ("CM", "CMT"),
    ("MM", "MMT"),
    ("FT", "FOT"),
    ("IN", "INH"),
    ("YD", "YRD"),
    ("LF", "LF"),
    ("SM", "MTK"),
    ("SF", "FTK"),
    ("SY", "YDK"),
    ("CR", "MTQ"),
    ("CF", "FTQ"),
    ("CY", "YDQ"),
    ("HR", "HUR"),
    ("DA", "DAY"),
    ("WK", "WEE"),
    ("MO", "MON"),
    ("YR", "ANN"),
    ("P1", "P1"),
    ("ZZ", "ZZ"),
];

/// The Rec 20 or 21 code of an X12 unit.
#[must_use]
pub fn to_unece(x12: &str) -> Option<&'static str> {
    UNITS
        .iter()
        .find(|(code, _)| *code == x12)
        .map(|(_, unece)| *unece)
}

/// The X12 unit of a Rec 20 or 21 code. `XZZ` (mutually defined) has none: a pad becomes one, but not every one
/// is a pad.
#[must_use]
pub fn from_unece(unece: &str) -> Option<&'static str> {
    UNITS
        .iter()
        .find(|(_, code)| *code == unece && *code != "XZZ")
        .map(|(x12, _)| *x12)
}

/// How many of the ordered unit a price is for (element 639): a price per hundred is divided by 100.
///
/// An absent code, and one that only names the kind of price (contract, quoted), means one unit of PO103. An
/// unknown code is nothing, because a guess would be wrong by a factor.
#[must_use]
pub fn price_basis(code: Option<&str>) -> Option<u32> {
    match code {
        None | Some("" | "CA" | "CT" | "DI" | "QT" | "RT" | "ST" | "UM" | "WH") => Some(1),
        Some("AP" | "CP" | "DR" | "ES" | "FX" | "NC" | "NT" | "PQ" | "PR" | "RS" | "SR") => Some(1),
        Some("LE" | "PE" | "QE" | "RE" | "TE" | "WE") => Some(1),
        Some("PN") => Some(10),
        Some("LD" | "PD" | "RD" | "TD" | "WD") => Some(12),
        Some("HP" | "LC" | "QH" | "RC" | "TC" | "WC") => Some(100),
        Some("LM" | "QS" | "RM" | "TM" | "TP" | "WM") => Some(1_000),
        Some("TT") => Some(10_000),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookalikes_are_not_mixed_up() {
        for (x12, unece) in [
            ("ST", "SET"),
            ("SH", "XST"),
            ("GR", "GRM"),
            ("GS", "GRO"),
            ("CA", "XCS"),
            ("CR", "MTQ"),
            ("TB", "XTU"),
        ] {
            assert_eq!(to_unece(x12), Some(unece));
            assert_eq!(from_unece(unece), Some(x12));
        }
        assert_eq!(
            (to_unece("CS"), to_unece("TU"), to_unece("ea"), to_unece("")),
            (None, None, None, None)
        );
        assert_eq!((from_unece("PCE"), from_unece("XZZ")), (None, None));
    }

    #[test]
    fn both_columns_name_each_unit_once() {
        for (index, (x12, unece)) in UNITS.iter().enumerate() {
            assert!(
                UNITS
                    .iter()
                    .skip(index + 1)
                    .all(|(a, b)| a != x12 && b != unece),
                "{x12} {unece}"
            );
        }
    }

    #[test]
    fn a_price_basis_is_known_or_nothing() {
        assert_eq!(price_basis(None), Some(1));
        let per = [
            ("NT", 1),
            ("LE", 1),
            ("PN", 10),
            ("LD", 12),
            ("LC", 100),
            ("LM", 1_000),
        ];
        for (code, units) in per {
            assert_eq!(price_basis(Some(code)), Some(units), "{code}");
        }
        assert_eq!(
            (
                price_basis(Some("HP")),
                price_basis(Some("TP")),
                price_basis(Some("??"))
            ),
            (Some(100), Some(1000), None)
        );
    }
}
