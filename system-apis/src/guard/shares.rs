//! How instances share the calls a second of one backend: each writes into one document what it holds, by compare and set.
//!
//! No clock of another is believed. Whoever holds a share renews it, and counts its end from before it wrote; the others
//! count from when they last saw it renewed, and longer. An instance that vanished may only be cut off, and then goes on by
//! its stated share: as much is set aside for it until it is forgotten. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// What is gained was given up so long ago, before it is used: no second then holds both.
pub(crate) const SETTLING: Duration = Duration::from_millis(1_100);
/// For an instance that vanished its stated share is set aside so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Who holds how much of a backend's budget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shares {
    instances: BTreeMap<String, Held>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// Calls a second.
    calls: u32,
    /// Counts its renewals.
    beat: u64,
    /// It was not renewed in time.
    #[serde(default)]
    lost: bool,
}

/// How a budget is shared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Calls a second that the backend allows.
    pub(crate) calls: u32,
    /// What an instance goes on by that is cut off.
    pub(crate) stated: u32,
    /// For how long a share is held.
    pub(crate) lease: Duration,
}

/// What one instance has seen of the others.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    seen: BTreeMap<String, (Held, Instant)>,
    /// The last renewal of its own that was written.
    written: Option<u64>,
}

/// What an instance does to hold its share.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// What it writes.
    pub(crate) shares: Shares,
    /// The calls a second that are its own then.
    pub(crate) calls: u32,
    /// If these are more than it had: how long it waits before it uses them.
    pub(crate) settling: Duration,
    beat: u64,
}

impl Observer {
    /// What this instance writes after it has read `shares` now; nothing read = there was no document.
    pub(crate) fn renew(
        &mut self,
        read: Option<Shares>,
        me: &str,
        terms: Terms,
        now: Instant,
    ) -> Renewal {
        // A document that is not there, or not the one that was written, does not tell what others still hold.
        let known = read.is_some();
        let mut shares = read.unwrap_or_default();
        let found = shares.instances.get(me).map(|held| held.beat);
        let settling = if known && (self.written.is_none() || self.written == found) {
            SETTLING
        } else {
            SETTLING + terms.lease + terms.lease / 2
        };
        self.look(&mut shares, me, terms, now);
        let beat = found.or(self.written).map_or(0, |beat| beat + 1);
        let (mut others, mut lost, mut live, mut before_me) = (0_u32, 0_u32, 1_u32, 0_u32);
        for (name, held) in &shares.instances {
            match (name == me, held.lost) {
                (true, _) => {}
                (false, true) => lost += 1,
                (false, false) => {
                    others = others.saturating_add(held.calls);
                    live += 1;
                    before_me += u32::from(name.as_str() < me);
                }
            }
        }
        // Those who live keep their own stated share, however many have vanished.
        let spare = terms
            .calls
            .saturating_sub(terms.stated.saturating_mul(live));
        let pool = terms.calls - terms.stated.saturating_mul(lost).min(spare);
        let even = pool / live + u32::from(before_me < pool % live);
        let calls = even.min(pool.saturating_sub(others));
        let held = Held {
            calls,
            beat,
            lost: false,
        };
        shares.instances.insert(me.to_owned(), held);
        Renewal {
            shares,
            calls,
            settling,
            beat,
        }
    }

    /// A renewal is written.
    pub(crate) fn confirm(&mut self, renewal: &Renewal) {
        self.written = Some(renewal.beat);
    }

    /// What this instance writes when it ends.
    pub(crate) fn leave(mut shares: Shares, me: &str) -> Shares {
        shares.instances.remove(me);
        shares
    }

    /// Tells those who vanished, and forgets them in time.
    fn look(&mut self, shares: &mut Shares, me: &str, terms: Terms, now: Instant) {
        self.seen
            .retain(|name, _| shares.instances.contains_key(name));
        let seen = &mut self.seen;
        shares.instances.retain(|name, held| {
            if name == me {
                return true;
            }
            let (last, since) = seen.entry(name.clone()).or_insert((*held, now));
            if last != held {
                (*last, *since) = (*held, now);
            }
            let unchanged = now.duration_since(*since);
            if held.lost {
                return unchanged < FORGOTTEN_AFTER;
            }
            if unchanged >= terms.lease + terms.lease / 2 {
                held.lost = true;
                held.calls = 0;
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        calls: 20,
        stated: 6,
        lease: Duration::from_secs(6),
    };

    /// Some instances, each with what it has seen, and the one document.
    struct Cluster {
        shares: Shares,
        observers: BTreeMap<&'static str, Observer>,
        now: Instant,
    }

    impl Cluster {
        fn new() -> Self {
            Self {
                shares: Shares::default(),
                observers: BTreeMap::new(),
                now: Instant::now(),
            }
        }

        fn renew(&mut self, who: &'static str) -> u32 {
            let observer = self.observers.entry(who).or_default();
            let read = self.shares.clone();
            let renewal = observer.renew(Some(read), who, TERMS, self.now);
            observer.confirm(&renewal);
            self.shares = renewal.shares;
            let calls = renewal.calls;
            let written: u32 = self.shares.instances.values().map(|held| held.calls).sum();
            assert!(written <= TERMS.calls, "{:?}", self.shares);
            calls
        }

        /// Rounds of renewals, two seconds apart; what each holds in the end.
        fn rounds(&mut self, rounds: u32, who: &[&'static str]) -> Vec<u32> {
            let mut held = Vec::new();
            for _ in 0..rounds {
                self.now += Duration::from_secs(2);
                held = who.iter().map(|who| self.renew(who)).collect();
            }
            held
        }
    }

    #[test]
    fn one_has_all_and_who_joins_gets_its_part_when_it_is_given_up() {
        let mut cluster = Cluster::new();
        assert_eq!(cluster.renew("a"), 20);
        assert_eq!(cluster.renew("b"), 0, "nothing is given up yet");
        assert_eq!(cluster.renew("a"), 10);
        assert_eq!(cluster.renew("b"), 10);
        assert_eq!(cluster.rounds(3, &["a", "b", "c"]), [7, 7, 6]);
    }

    #[test]
    fn who_vanishes_is_counted_at_what_it_may_go_on_by_and_then_forgotten() {
        let mut cluster = Cluster::new();
        cluster.rounds(3, &["a", "b", "c"]);
        assert_eq!(
            cluster.rounds(4, &["a", "b"]),
            [7, 7],
            "it may still hold its own"
        );
        assert_eq!(cluster.rounds(3, &["a", "b"]), [7, 7], "6 are set aside");
        assert_eq!(cluster.rounds(310, &["a", "b"]), [10, 10]);
    }

    #[test]
    fn who_was_cut_off_is_one_of_them_again() {
        let mut cluster = Cluster::new();
        cluster.rounds(3, &["a", "b"]);
        assert_eq!(cluster.rounds(8, &["a"]), [14]);
        assert_eq!(cluster.rounds(3, &["a", "b"]), [10, 10]);
    }

    #[test]
    fn however_many_have_vanished_who_lives_keeps_its_stated_share() {
        let mut cluster = Cluster::new();
        for who in ["b", "c", "d", "e", "f"] {
            cluster.renew(who);
        }
        assert_eq!(cluster.rounds(10, &["a"]), [6]);
    }

    #[test]
    fn a_document_that_was_lost_is_not_believed_before_all_others_have_renewed() {
        let mut cluster = Cluster::new();
        cluster.rounds(3, &["a", "b"]);
        let long = SETTLING + TERMS.lease * 3 / 2;
        let observer = cluster.observers.get_mut("a").unwrap();
        let lost = observer.renew(None, "a", TERMS, cluster.now);
        assert_eq!((lost.calls, lost.settling), (20, long));
        let empty = observer.renew(Some(Shares::default()), "a", TERMS, cluster.now);
        assert_eq!(empty.settling, long);
        let whole = observer.renew(Some(cluster.shares.clone()), "a", TERMS, cluster.now);
        assert_eq!(whole.settling, SETTLING);
    }

    #[test]
    fn who_ends_gives_its_part_back_at_once() {
        let mut cluster = Cluster::new();
        cluster.rounds(3, &["a", "b"]);
        cluster.shares = Observer::leave(cluster.shares.clone(), "b");
        assert_eq!(cluster.renew("a"), 20);
    }
}
