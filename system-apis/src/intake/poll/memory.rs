//! What a reader remembers beside the cursor: what it has delivered of the overlap, and which shipments it knows to be open.
//! Lost without harm: what is delivered twice changes nothing. Pure.

use std::collections::{HashMap, HashSet};

use canonical_model::{ShipmentNumber, shipment::ShipmentNews};

use crate::intake::feed::{Change, Position, Stamp};

/// More of the overlap than this is delivered again each time.
const MOST_SEEN: usize = 50_000;
/// More open shipments than this are not looked after.
const MOST_OPEN: usize = 20_000;

/// What was delivered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    seen: HashSet<Position>,
    open: HashMap<ShipmentNumber, Open>,
}

#[derive(Debug)]
struct Open {
    last: ShipmentNews,
    missed: bool,
}

impl Memory {
    /// Whether this change was delivered.
    pub(super) fn knows(&self, change: &Change) -> bool {
        self.seen.contains(&change.at)
    }

    /// These were delivered.
    pub(super) fn delivered(&mut self, changes: impl IntoIterator<Item = Position>) {
        for at in changes {
            if self.seen.len() < MOST_SEEN {
                self.seen.insert(at);
            }
        }
    }

    /// Nothing before the mark is read again.
    pub(super) fn forget_before(&mut self, mark: Stamp) {
        self.seen.retain(|at| at.stamp >= mark);
    }

    /// A shipment was delivered as it is: one that holds what has not left is looked after.
    pub(super) fn note(&mut self, shipment: &ShipmentNews) {
        if shipment
            .lines
            .iter()
            .all(|line| line.shipped >= line.picked)
        {
            self.open.remove(&shipment.shipment);
        } else if self.open.len() < MOST_OPEN || self.open.contains_key(&shipment.shipment) {
            let open = Open {
                last: shipment.clone(),
                missed: false,
            };
            self.open.insert(shipment.shipment.clone(), open);
        }
    }

    /// The open shipments, by number.
    pub(super) fn open(&self) -> Vec<ShipmentNumber> {
        let mut open: Vec<_> = self.open.keys().cloned().collect();
        open.sort();
        open
    }

    /// The source misses some of these that were asked for: what is to be told of those that it missed twice in a row. They
    /// hold nothing, which is newer than what was known and older than anything that the source may yet say of them.
    pub(super) fn missed(
        &mut self,
        asked: &[ShipmentNumber],
        missing: &[ShipmentNumber],
    ) -> Vec<ShipmentNews> {
        let missing: HashSet<_> = missing.iter().collect();
        let mut gone = Vec::new();
        for number in asked {
            let Some(open) = self.open.get_mut(number) else {
                continue;
            };
            let twice = open.missed && missing.contains(number);
            open.missed = missing.contains(number);
            if twice {
                gone.push(ShipmentNews {
                    version: open.last.version.saturating_add(1),
                    lines: Vec::new(),
                    ..open.last.clone()
                });
            }
        }
        gone
    }

    /// These were told.
    pub(super) fn gone(&mut self, shipments: &[ShipmentNews]) {
        for shipment in shipments {
            self.open.remove(&shipment.shipment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shipment;
    use super::*;

    #[test]
    fn a_shipment_that_is_missed_twice_holds_nothing_any_more() {
        let mut memory = Memory::default();
        for (number, shipped) in [("SH-1", 0), ("SH-2", 0), ("SH-3", 5)] {
            memory.note(&shipment(number, 7, 5, shipped));
        }
        let open = memory.open();
        assert_eq!(
            open.len(),
            2,
            "what has left is nobody's to delete: {open:?}"
        );
        let missing = [open[0].clone()];
        assert_eq!(
            memory.missed(&open, &missing),
            [],
            "a search may have erred"
        );
        assert_eq!(memory.missed(&open, &[]), []);
        assert_eq!(memory.missed(&open, &missing), [], "twice in a row");
        let gone = memory.missed(&open, &missing);
        assert_eq!(gone.len(), 1);
        assert_eq!((gone[0].version, gone[0].lines.len()), (8, 0));
        // Not told yet: it is found again.
        assert_eq!(memory.missed(&open, &missing), gone);
        memory.gone(&gone);
        assert_eq!(memory.open(), [open[1].clone()]);
        memory.note(&shipment("SH-2", 8, 5, 5));
        assert!(memory.open().is_empty());
    }
}
