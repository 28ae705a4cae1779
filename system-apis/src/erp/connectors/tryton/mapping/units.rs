//! Units. Tryton's are global and have symbols of its own; a pack carries how many base units it holds in its symbol, such as
//! `XCT-12`, because its factor is a binary number.

use std::collections::{BTreeMap, HashMap};

use canonical_model::{UnitConversion, UnitOfMeasure};
use rust_decimal::Decimal;

use super::{super::wire, Implausible, Row};

/// Tryton's symbol, and the code of UN/ECE Rec 20.
const SYMBOLS: &[(&str, &str)] = &[
    ("u", "EA"),
    ("kg", "KGM"),
    ("g", "GRM"),
    ("lb", "LBR"),
    ("oz", "ONZ"),
    ("m", "MTR"),
    ("cm", "CMT"),
    ("mm", "MMT"),
    ("ft", "FOT"),
    ("in", "INH"),
    ("yd", "YRD"),
    ("l", "LTR"),
    ("gal", "GLL"),
    ("h", "HUR"),
    ("d", "DAY"),
];
/// Digits to which factors are compared: they are binary numbers.
const FACTOR_DIGITS: u32 = 9;

/// One unit.
#[derive(Debug, Clone)]
pub(in super::super) struct Unit {
    pub(in super::super) id: i64,
    pub(in super::super) code: UnitOfMeasure,
    /// The decimals that a quantity in it may have.
    pub(in super::super) digits: u32,
    pub(in super::super) symbol: String,
    category: i64,
    factor: Decimal,
    /// How many base units, above and below the line.
    pack: Option<(u32, u32)>,
}

/// The units that have a code, by id.
#[derive(Debug, Default)]
pub(in super::super) struct Units(HashMap<i64, Unit>);

/// The code that a symbol stands for, and how many base units a pack holds.
fn read(symbol: &str) -> Option<(UnitOfMeasure, Option<(u32, u32)>)> {
    if let Some((_, code)) = SYMBOLS.iter().find(|(known, _)| *known == symbol) {
        return Some((UnitOfMeasure::from_code(code).ok()?, None));
    }
    let (code, size) = symbol.split_once('-')?;
    let (above, below) = size.split_once('/').unwrap_or((size, "1"));
    let pack = (above.parse().ok()?, below.parse().ok()?);
    let code = UnitOfMeasure::from_code(code).ok()?;
    (pack.0 > 0 && pack.1 > 0).then_some((code, Some(pack)))
}

impl Units {
    pub(in super::super) fn of(units: Vec<wire::Unit>) -> Self {
        let known = units.into_iter().filter_map(|unit| {
            let (code, pack) = read(&unit.symbol)?;
            let unit = Unit {
                id: unit.id,
                code,
                digits: unit.digits,
                symbol: unit.symbol,
                category: unit.category,
                factor: unit.factor.0,
                pack,
            };
            Some((unit.id, unit))
        });
        Self(known.collect())
    }

    /// The code of a symbol.
    pub(in super::super) fn code(symbol: &str) -> Option<UnitOfMeasure> {
        read(symbol).map(|(code, _)| code)
    }

    /// The unit in which a product is counted.
    pub(in super::super) fn base(&self, product: &wire::Product) -> Result<&Unit, Implausible> {
        let id = product.default_uom;
        let unit = self.0.get(&id).filter(|unit| unit.pack.is_none());
        let of = Row(product.code.as_deref().unwrap_or_default());
        unit.ok_or_else(|| of.refuse("default_uom", id, "has no code of Rec 20"))
    }

    /// The unit in which a product is usually sold.
    pub(in super::super) fn sold_by(&self, product: &wire::Product) -> Result<&Unit, Implausible> {
        let base = self.base(product)?;
        let Some(id) = product.sale_uom.filter(|id| *id != base.id) else {
            return Ok(base);
        };
        let unit = self.0.get(&id).filter(|unit| unit.holds(base));
        let of = Row(product.code.as_deref().unwrap_or_default());
        unit.ok_or_else(|| of.refuse("sale_uom", id, "is no pack of its base unit"))
    }

    /// The unit of this code, as this product has it.
    pub(in super::super) fn find(
        &self,
        product: &wire::Product,
        code: UnitOfMeasure,
    ) -> Option<&Unit> {
        let base = self.base(product).ok()?;
        if base.code == code {
            return Some(base);
        }
        self.packs(product, base).remove(code.code())
    }

    /// The packs of a product by code. Where there are several of one code it is the one by which the product has a number;
    /// where there is none such, nobody can say which is meant.
    fn packs(&self, product: &wire::Product, base: &Unit) -> BTreeMap<&str, &Unit> {
        let mut by_code: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
        for unit in self.0.values() {
            if unit.category == base.category && unit.code != base.code && unit.holds(base) {
                by_code.entry(unit.code.code()).or_default().push(unit);
            }
        }
        let is_named = |unit: &&Unit| {
            let mut names = product.identifiers.iter();
            names.any(|name| matches!(name.code.split_once(':'), Some((symbol, _)) if symbol == unit.symbol))
        };
        let chosen = by_code.into_iter().filter_map(|(code, units)| {
            let named: Vec<&Unit> = units.iter().copied().filter(is_named).collect();
            match (named.as_slice(), units.as_slice()) {
                ([one], _) | ([], [one]) => Some((code, *one)),
                _ambiguous => None,
            }
        });
        chosen.collect()
    }

    /// Its packs with their exact factors.
    pub(in super::super) fn conversions(
        &self,
        product: &wire::Product,
    ) -> Result<Vec<UnitConversion>, Implausible> {
        let base = self.base(product)?;
        let packs = self.packs(product, base).into_values();
        let conversions = packs.filter_map(|unit| {
            let (numerator, denominator) = unit.pack?;
            Some(UnitConversion {
                unit: unit.code,
                numerator,
                denominator,
            })
        });
        Ok(conversions.collect())
    }

    /// The code of a unit by id.
    pub(in super::super) fn code_of(&self, id: i64) -> Option<UnitOfMeasure> {
        self.0.get(&id).map(|unit| unit.code)
    }
}

impl Unit {
    /// Whether it is the pack of this base unit that its symbol says.
    fn holds(&self, base: &Self) -> bool {
        let Some((above, below)) = self.pack else {
            return false;
        };
        let product = |factor: Decimal, by: u32| {
            let product = factor.checked_mul(Decimal::from(by))?;
            Some(product.round_dp(FACTOR_DIGITS))
        };
        let own = product(self.factor, below);
        own.is_some() && own == product(base.factor, above)
    }
}
