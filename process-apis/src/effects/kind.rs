//! The kinds of effects: a closed list, through which the worker finds what to do.
//!
//! A kind names its word in the store, the key under which its effects run one at a time, and the points at which a test
//! can kill it.

use canonical_model::{AccountId, CompanyId};
use service_runtime::{around_call, around_commit, crash::Around};

/// What can be done outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectKind {
    /// Creates an order in the ERP.
    CreateErpOrder,
    /// Cancels an order that the ERP has.
    CancelErpOrder,
    /// Releases what ships from a site to its warehouse.
    ReleaseToWarehouse,
    /// Takes the order that takes the place of one that has ended.
    TakeReplacement,
    /// Looks for what the ERP has of an order besides the one it was accepted as.
    SweepErpOrder,
}

/// Under which key effects of a kind run one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serial {
    /// Each for itself.
    No,
    /// Those of one account, where its ERP takes only one at a time.
    ByAccountWhereAsked,
}

/// Where a test can kill an effect of a kind.
#[derive(Debug, Clone, Copy)]
pub struct EffectPoints {
    /// Around the count of an attempt; None where nothing outside is changed.
    pub attempt: Option<Around>,
    /// Around each call, by what it does.
    pub calls: &'static [Around],
    /// Around the commit of what it came to.
    pub settle: Around,
    /// Around the commit that lets it wait or ends it, without a word on the order.
    pub write: Around,
}

impl EffectPoints {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Around> + use<> {
        let commits = [self.settle, self.write];
        let calls = self.calls.iter().copied();
        self.attempt.into_iter().chain(calls).chain(commits)
    }
}

/// The points around the calls of each kind.
pub mod calls {
    use super::{Around, around_call};

    /// The create of an order.
    pub const CREATE: Around = around_call!("effect.create_erp_order.create");
    /// The list of the orders with its reference.
    pub const LIST: Around = around_call!("effect.create_erp_order.list");
    /// The release of a blocked order.
    pub const RELEASE: Around = around_call!("effect.create_erp_order.release");
    /// The cancellation of a surplus or unwanted order.
    pub const CANCEL_SURPLUS: Around = around_call!("effect.create_erp_order.cancel");
    /// The facts that a provisional order stands on, read again.
    pub const FACTS_AGAIN: Around = around_call!("effect.create_erp_order.facts");
    /// The cancellation of an accepted order.
    pub const CANCEL: Around = around_call!("effect.cancel_erp_order.cancel");
    /// The look at an order that is to be cancelled.
    pub const READ: Around = around_call!("effect.cancel_erp_order.read");
    /// The release to a warehouse.
    pub const TELL_WAREHOUSE: Around = around_call!("effect.release_to_warehouse.create");
    /// The search in a warehouse.
    pub const SEARCH_WAREHOUSE: Around = around_call!("effect.release_to_warehouse.search");
    /// The list of what else the ERP has of an order.
    pub const LIST_GHOSTS: Around = around_call!("effect.sweep_erp_order.list");
    /// The cancellation of what else it has.
    pub const CANCEL_GHOST: Around = around_call!("effect.sweep_erp_order.cancel");
    /// The facts on which a replacement is decided.
    pub const FACTS: Around = around_call!("effect.take_replacement.facts");
}

macro_rules! points {
    ($kind:literal, [$($call:expr),*]) => {
        EffectPoints {
            attempt: Some(around_commit!("effect.", $kind, ".attempt")),
            ..points!($kind, only [$($call),*])
        }
    };
    ($kind:literal, only [$($call:expr),*]) => {
        EffectPoints {
            attempt: None,
            calls: &[$($call),*],
            settle: around_commit!("effect.", $kind, ".settle"),
            write: around_commit!("effect.", $kind, ".write"),
        }
    };
}

impl EffectKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::CreateErpOrder,
        Self::CancelErpOrder,
        Self::ReleaseToWarehouse,
        Self::TakeReplacement,
        Self::SweepErpOrder,
    ];

    /// As the store has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CreateErpOrder => "create_erp_order",
            Self::CancelErpOrder => "cancel_erp_order",
            Self::ReleaseToWarehouse => "release_to_warehouse",
            Self::TakeReplacement => "take_replacement",
            Self::SweepErpOrder => "sweep_erp_order",
        }
    }

    /// The kind of a word; None where a later release wrote it.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Under which key its effects run one at a time.
    pub const fn serial(self) -> Serial {
        match self {
            Self::CreateErpOrder => Serial::ByAccountWhereAsked,
            Self::CancelErpOrder
            | Self::ReleaseToWarehouse
            | Self::TakeReplacement
            | Self::SweepErpOrder => Serial::No,
        }
    }

    /// The key of an effect of this kind, where the account's ERP takes only one at a time as `asked` says.
    pub fn serial_key(
        self,
        company: &CompanyId,
        account: &AccountId,
        asked: bool,
    ) -> Option<String> {
        match self.serial() {
            Serial::ByAccountWhereAsked if asked => Some(format!("create:{company}:{account}")),
            Serial::ByAccountWhereAsked | Serial::No => None,
        }
    }

    /// Whether it is done in the background: only what nothing else waits for.
    pub const fn is_background(self) -> bool {
        match self {
            Self::CreateErpOrder
            | Self::CancelErpOrder
            | Self::ReleaseToWarehouse
            | Self::TakeReplacement => false,
            Self::SweepErpOrder => true,
        }
    }

    /// Where a test can kill it.
    pub const fn points(self) -> EffectPoints {
        match self {
            Self::CreateErpOrder => points!(
                "create_erp_order",
                [
                    calls::CREATE,
                    calls::LIST,
                    calls::RELEASE,
                    calls::CANCEL_SURPLUS,
                    calls::FACTS_AGAIN
                ]
            ),
            Self::CancelErpOrder => points!("cancel_erp_order", [calls::CANCEL, calls::READ]),
            Self::ReleaseToWarehouse => points!(
                "release_to_warehouse",
                [calls::TELL_WAREHOUSE, calls::SEARCH_WAREHOUSE]
            ),
            Self::TakeReplacement => points!("take_replacement", only[calls::FACTS]),
            Self::SweepErpOrder => {
                points!("sweep_erp_order", [calls::LIST_GHOSTS, calls::CANCEL_GHOST])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_killed_around_its_calls_and_its_commits() {
        for kind in EffectKind::ALL {
            let points = kind.points();
            assert!(!points.calls.is_empty(), "{kind:?} names no call");
            for around in points.all() {
                let before = around.before.name();
                assert!(
                    before.starts_with(&format!("effect.{}.", kind.word())),
                    "{before} is not one of {kind:?}"
                );
                assert!(before.contains(".before_") && around.after.name().contains(".after_"));
            }
        }
    }

    #[test]
    fn a_word_of_a_later_release_is_no_kind() {
        for kind in EffectKind::ALL {
            assert_eq!(EffectKind::of(kind.word()), Some(kind));
        }
        assert_eq!(EffectKind::of("paint_the_order"), None);
    }
}
