//! What a warehouse says of a shipment: whether it fits the order, and what becomes of the lines. Pure.
//!
//! News are absolute: each says how the whole shipment stands, under the warehouse's own version. So the newest version
//! alone counts, whatever was lost, doubled or overtaken on the way.

use canonical_model::{
    ItemNumber, ShipmentNumber, SiteId, UnitOfMeasure,
    intake::NewsReason,
    order::LineQuantities,
    promise::Cover,
    shipment::{Shipment, ShipmentLine, ShipmentNews, ShipmentNewsLine, ShipmentStatus, Sscc},
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    event::{OrderEvent, ReceivedLine, Released},
    state::{OrderState, ReleaseStage, SCHEMA_SHIPPED},
};

/// Digits behind the point that a quantity has at most.
const MOST_DIGITS: u32 = 9;

/// A shipment as a warehouse said it stands, in the units ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShipmentRecorded {
    /// The backend instance that said so.
    pub source: String,
    /// Its number there.
    pub shipment: ShipmentNumber,
    /// Its version there.
    pub version: u64,
    /// The site it leaves.
    pub site: SiteId,
    /// What it holds, by line; a line that is not named holds nothing.
    pub lines: Vec<ShipmentLine>,
    /// Who carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// The carrier's numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracking_numbers: Vec<String>,
    /// Its cartons and pallets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssccs: Vec<Sscc>,
    /// When it became so, by the warehouse's clock.
    pub occurred_at: Timestamp,
}

/// What becomes of news of a shipment.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// This version or a newer one was applied before.
    Known,
    /// They cannot be judged yet: the source is asked.
    Wait(NewsReason),
    /// They do not fit the order: a person looks.
    Refuse(NewsReason),
    /// They happen.
    Apply(Vec<OrderEvent>),
}

/// Judges news of a source. `asked` = they are the source's answer to our question, and not what it sent: then nothing is
/// missing before them, and what it picks it has.
pub fn judge(state: &OrderState, source: &str, news: &ShipmentNews, asked: bool) -> Verdict {
    if !state.unknown_events.is_empty() {
        return Verdict::Wait(NewsReason::NotUnderstood);
    }
    let earlier = find(state, source, &news.shipment);
    let known = earlier.map_or(0, |earlier| earlier.version);
    if news.version <= known {
        return Verdict::Known;
    }
    if state.is_closed() {
        return Verdict::Refuse(NewsReason::OrderEnded);
    }
    if !state.shipping_sites().contains(&news.site)
        || earlier.is_some_and(|earlier| earlier.site != news.site)
    {
        return Verdict::Refuse(NewsReason::WrongSite);
    }
    let stage = state.release_stage(&news.site);
    let released = match stage {
        Some(ReleaseStage::Released) => None,
        // The call that told the warehouse has no answer yet; that the warehouse picks is the answer.
        Some(ReleaseStage::Begun) if asked => news.release_number.clone(),
        Some(ReleaseStage::Begun | ReleaseStage::Waiting) | None => None,
    };
    if released.is_none() && stage != Some(ReleaseStage::Released) {
        return Verdict::Wait(NewsReason::NotReleased);
    }
    let told = news.sales_order_number.as_ref();
    if told.is_some_and(|told| state.sales_order_number.as_ref() != Some(told)) {
        return Verdict::Refuse(NewsReason::WrongOrder);
    }
    if !asked && news.version > known.saturating_add(1) {
        return Verdict::Wait(NewsReason::Gap);
    }
    match lines(state, source, news) {
        Err(reason) => Verdict::Refuse(reason),
        Ok(lines) => {
            let released = released.map(|release_number| {
                OrderEvent::Released(Released {
                    site: news.site.clone(),
                    release_number,
                })
            });
            let recorded = recorded(source, news, lines);
            Verdict::Apply(
                released
                    .into_iter()
                    .chain([event(earlier, recorded)])
                    .collect(),
            )
        }
    }
}

fn find<'a>(
    state: &'a OrderState,
    source: &str,
    shipment: &ShipmentNumber,
) -> Option<&'a ShipmentRecorded> {
    state
        .shipments
        .iter()
        .find(|known| known.source == source && known.shipment == *shipment)
}

fn recorded(source: &str, news: &ShipmentNews, lines: Vec<ShipmentLine>) -> ShipmentRecorded {
    ShipmentRecorded {
        source: source.to_owned(),
        shipment: news.shipment.clone(),
        version: news.version,
        site: news.site.clone(),
        lines,
        carrier: news.carrier.clone(),
        tracking_numbers: news.tracking_numbers.clone(),
        ssccs: news.ssccs.clone(),
        occurred_at: news.occurred_at,
    }
}

/// The word is that of what has come on furthest.
fn event(earlier: Option<&ShipmentRecorded>, now: ShipmentRecorded) -> OrderEvent {
    let sum = |lines: &[ShipmentLine], part: fn(&ShipmentLine) -> Decimal| {
        lines
            .iter()
            .map(part)
            .fold(Decimal::ZERO, Decimal::saturating_add)
    };
    let before = earlier.map_or(&[][..], |earlier| &earlier.lines);
    let rose = |part| sum(&now.lines, part) > sum(before, part);
    let (shipped, packed) = (rose(|line| line.shipped), rose(|line| line.packed));
    let moved = shipped || packed || rose(|line| line.picked);
    let any = |part| !sum(&now.lines, part).is_zero();
    let word = if shipped || (!moved && any(|line| line.shipped)) {
        OrderEvent::Shipped
    } else if packed || (!moved && any(|line| line.packed)) {
        OrderEvent::Packed
    } else {
        OrderEvent::Picked
    };
    word(Box::new(now))
}

/// What ships of a line from a site: in the unit ordered and in the item's base unit.
struct Share<'a> {
    item: &'a ItemNumber,
    base_unit: UnitOfMeasure,
    ordered: Decimal,
    base: Decimal,
}

impl<'a> Share<'a> {
    fn of(line: &'a ReceivedLine, site: &SiteId) -> Option<Self> {
        let parts = line.schedule.iter().zip(&line.base_quantities);
        let here = parts.filter(|(part, _)| part.site == *site && part.cover != Cover::LeadTime);
        let (ordered, base) = here.fold(
            (Decimal::ZERO, Decimal::ZERO),
            |(ordered, base), (part, quantity)| {
                (
                    ordered.saturating_add(part.quantity.value),
                    base.saturating_add(*quantity),
                )
            },
        );
        let sound = line.problems.is_empty() && base > Decimal::ZERO;
        Some(Self {
            item: line.item.as_ref().filter(|_| sound)?,
            base_unit: line.base_unit?,
            ordered,
            base,
        })
    }

    /// So much in the unit ordered; None where digits would be lost.
    fn in_ordered_unit(&self, base: Decimal) -> Option<Decimal> {
        let above = base.checked_mul(self.ordered)?;
        let value = above.checked_div(self.base)?.normalize();
        let exact = value.scale() <= MOST_DIGITS && value.checked_mul(self.base) == Some(above);
        exact.then_some(value)
    }
}

/// The lines of the news in the units ordered, if they fit what was released at the site.
fn lines(
    state: &OrderState,
    source: &str,
    news: &ShipmentNews,
) -> Result<Vec<ShipmentLine>, NewsReason> {
    let mut lines: Vec<ShipmentLine> = Vec::new();
    for named in &news.lines {
        let held = held(state, &news.site, named)?;
        match lines.iter_mut().find(|line| line.line == held.line) {
            Some(line) => add(line, &held),
            None => lines.push(held),
        }
    }
    lines.retain(|line| !line.picked.is_zero());
    lines.sort_by_key(|line| line.line);
    for line in &lines {
        let ordered = ordered_at(state, line.line, &news.site);
        let elsewhere = picked_elsewhere(state, source, news, line.line);
        if elsewhere.saturating_add(line.picked) > ordered {
            return Err(NewsReason::OverShipped);
        }
    }
    let earlier = find(state, source, &news.shipment);
    let before = earlier.into_iter().flat_map(|earlier| &earlier.lines);
    let mut left = before.filter(|before| !before.shipped.is_zero());
    let reduced = left
        .any(|before| of_line(&lines, before.line).is_none_or(|now| now.shipped < before.shipped));
    if reduced {
        return Err(NewsReason::ShippedReduced);
    }
    Ok(lines)
}

/// One line of the news in the unit ordered.
fn held(
    state: &OrderState,
    site: &SiteId,
    named: &ShipmentNewsLine,
) -> Result<ShipmentLine, NewsReason> {
    let share = line_of(state, named.line).and_then(|line| Share::of(line, site));
    let share = share
        .filter(|share| *share.item == named.item)
        .ok_or(NewsReason::UnknownLine)?;
    if share.base_unit != named.unit {
        return Err(NewsReason::WrongUnit);
    }
    let ShipmentNewsLine {
        picked,
        packed,
        shipped,
        ..
    } = named;
    if *shipped < Decimal::ZERO || shipped > packed || packed > picked {
        return Err(NewsReason::InconsistentQuantities);
    }
    if *picked > share.base {
        return Err(NewsReason::OverShipped);
    }
    let convert = |quantity: &Decimal| {
        share
            .in_ordered_unit(*quantity)
            .ok_or(NewsReason::InexactQuantity)
    };
    Ok(ShipmentLine {
        line: named.line,
        picked: convert(picked)?,
        packed: convert(packed)?,
        shipped: convert(shipped)?,
    })
}

fn line_of(state: &OrderState, number: u32) -> Option<&ReceivedLine> {
    state.order.lines.iter().find(|line| line.line == number)
}

fn ordered_at(state: &OrderState, line: u32, site: &SiteId) -> Decimal {
    let share = line_of(state, line).and_then(|line| Share::of(line, site));
    share.map_or(Decimal::ZERO, |share| share.ordered)
}

/// Picked of a line at the site for other shipments.
fn picked_elsewhere(state: &OrderState, source: &str, news: &ShipmentNews, line: u32) -> Decimal {
    let others = state.shipments.iter().filter(|other| {
        other.site == news.site && !(other.source == source && other.shipment == news.shipment)
    });
    others
        .filter_map(|other| of_line(&other.lines, line))
        .map(|held| held.picked)
        .fold(Decimal::ZERO, Decimal::saturating_add)
}

fn of_line(lines: &[ShipmentLine], line: u32) -> Option<&ShipmentLine> {
    lines.iter().find(|held| held.line == line)
}

fn add(line: &mut ShipmentLine, more: &ShipmentLine) {
    line.picked = line.picked.saturating_add(more.picked);
    line.packed = line.packed.saturating_add(more.packed);
    line.shipped = line.shipped.saturating_add(more.shipped);
}

/// The state with the shipment as it now stands: of each line, what it held before goes back to `released`, and what it
/// holds now is taken from there.
pub fn record(state: &mut OrderState, recorded: &ShipmentRecorded) {
    state.schema = state.schema.max(SCHEMA_SHIPPED);
    let same = |known: &ShipmentRecorded| {
        known.source == recorded.source && known.shipment == recorded.shipment
    };
    let before = state.shipments.iter().position(same);
    let before = before.and_then(|at| {
        state
            .shipments
            .get_mut(at)
            .map(|known| std::mem::replace(known, recorded.clone()))
    });
    if before.is_none() {
        state.shipments.push(recorded.clone());
        let key = |known: &ShipmentRecorded| (known.source.clone(), known.shipment.clone());
        state.shipments.sort_by_cached_key(key);
    }
    let before = before.map(|before| before.lines).unwrap_or_default();
    for (line, quantities) in state.order.lines.iter().zip(&mut state.quantities) {
        if let Some(held) = of_line(&before, line.line) {
            let back = ShipmentLine {
                picked: -held.picked,
                packed: -held.packed,
                shipped: -held.shipped,
                ..held.clone()
            };
            take(quantities, &back);
        }
        if let Some(held) = of_line(&recorded.lines, line.line) {
            take(quantities, held);
        }
    }
}

/// Each part of the line holds what has come so far and no further.
fn take(quantities: &mut LineQuantities, held: &ShipmentLine) {
    let LineQuantities {
        released,
        picked,
        packed,
        shipped,
        ..
    } = quantities;
    *released = released.saturating_sub(held.picked).normalize();
    *picked = picked
        .saturating_add(held.picked)
        .saturating_sub(held.packed)
        .normalize();
    *packed = packed
        .saturating_add(held.packed)
        .saturating_sub(held.shipped)
        .normalize();
    *shipped = shipped.saturating_add(held.shipped).normalize();
}

/// The shipment as callers see it.
pub fn shown(recorded: &ShipmentRecorded) -> Shipment {
    Shipment {
        shipment: recorded.shipment.clone(),
        site: recorded.site.clone(),
        status: ShipmentStatus::of(&recorded.lines),
        version: recorded.version,
        lines: recorded.lines.clone(),
        carrier: recorded.carrier.clone(),
        tracking_numbers: recorded.tracking_numbers.clone(),
        ssccs: recorded.ssccs.clone(),
        updated_at: recorded.occurred_at,
    }
}

#[cfg(test)]
#[path = "shipment_tests.rs"]
mod tests;
