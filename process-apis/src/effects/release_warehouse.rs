//! Releases what ships from one site to its warehouse, once: what to do next, given what is known. Pure.
//!
//! A second release ships twice, so what follows an unknown outcome depends on what the warehouse can do. `unique`: it
//! refuses a second one, so try again. `searchable`: wait out the quiet period, search by the release reference (the
//! order's reference and the site) twice, try once more at most. `blind`: a person looks.

use canonical_model::{
    capabilities::ReleaseClass,
    fulfilment::{WarehouseRelease, WarehouseReleaseState},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{backoff::Pause, tries::Tries};
use crate::orders::state::ReleaseStage;

/// Releases of unknown outcome after which a person looks: each may have been made.
const UNKNOWNS: u32 = 2;
/// Searches in a row that must find nothing before it is told again.
const SEARCHES: u32 = 2;
/// The longest time between the two.
const SEARCH_GAP: SignedDuration = SignedDuration::from_mins(1);

/// What the doer writes down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Whether this effect is the one that began the release.
    pub begun: bool,
    /// When the time of the call that was begun and not answered ends.
    pub in_flight: Option<Timestamp>,
    /// Since when the outcome of a call is not known.
    pub unknown_since: Option<Timestamp>,
    /// Calls of unknown outcome.
    pub unknowns: u32,
    /// Calls in a row that came to nothing.
    pub failures: u32,
    /// A refusal that stands once it is clear that the warehouse does not have it.
    pub refusal: Option<String>,
    /// How often a person had it tried again.
    pub retries_seen: u32,
    /// Whether a person was asked to look since then.
    pub person_asked: bool,
    /// Searches in a row that found nothing.
    pub searches: u32,
    /// What was tried since then.
    pub tries: Tries,
    /// Which setting back of the store was heeded.
    pub set_back_heeded: Option<Timestamp>,
}

/// What is known besides the progress.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What the warehouse does about a second release.
    pub class: ReleaseClass,
    /// What a person looks for: the release, the order, its account and purchase order.
    pub about: &'a str,
    /// Where the release stands in the order; None = the order has none at this site.
    pub stage: Option<ReleaseStage>,
    /// Whether the order is still wanted.
    pub wanted: bool,
    /// How long the warehouse's search may miss a release.
    pub quiet_period: SignedDuration,
    /// How often a person had it tried again.
    pub retries: u32,
    /// When the store was set back to a state in which the warehouse may have been told without its knowing.
    pub set_back_at: Option<Timestamp>,
    /// After so long a person is asked, whatever it is that does not come to an end.
    pub settle_within: SignedDuration,
    /// Now.
    pub now: Timestamp,
}

/// What was seen last.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// Nothing: the effect was just taken up, or the order's own state has changed.
    Fresh,
    /// The warehouse took it.
    Created(WarehouseRelease),
    /// Certainly not done.
    NotDone {
        /// When to come again.
        retry_after: Option<SignedDuration>,
    },
    /// The warehouse refused it.
    Refused(String),
    /// It may have been done.
    Unknown,
    /// What the warehouse has under our reference.
    Found(Vec<WarehouseRelease>),
    /// The search came to nothing.
    SearchFailed {
        /// When to come again.
        retry_after: Option<SignedDuration>,
    },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Write down that the warehouse is about to be told: from here on the order cannot be cancelled.
    Begin,
    /// Tell it: begin an attempt, then call.
    Create,
    /// Search by reference.
    Search,
    /// The warehouse has it, under this number.
    Released(String),
    /// A person looks.
    Failed {
        /// Why, and what to do.
        detail: String,
        /// Whether it is certain that the warehouse does not have it.
        certain: bool,
    },
    /// Go on later.
    Wait(Pause),
    /// Nothing is left to do.
    Finished,
}

/// What to do next, and what to write down with it.
pub fn next_step(
    situation: Situation<'_>,
    progress: Progress,
    observation: Observation,
) -> (Step, Progress) {
    let mut planner = Planner {
        s: situation,
        p: progress,
    };
    let step = planner.step(observation);
    (step, planner.p)
}

/// Notes that the effect stops and a person is asked to look.
pub fn stopped(progress: Progress) -> Progress {
    Progress {
        person_asked: true,
        ..progress
    }
}

struct Planner<'a> {
    s: Situation<'a>,
    p: Progress,
}

impl Planner<'_> {
    fn step(&mut self, observation: Observation) -> Step {
        let in_flight = self.p.in_flight.take();
        self.note_try(in_flight, &observation);
        match observation {
            Observation::Fresh => {
                self.heed_person();
                if let Some(since) = self.heed_set_back().or(in_flight) {
                    self.note_unknown(since);
                }
                self.resume()
            }
            Observation::Created(release) => Step::Released(release.number),
            Observation::NotDone { retry_after } | Observation::SearchFailed { retry_after } => {
                self.back_off(retry_after)
            }
            Observation::Refused(detail) => self.refused(detail),
            Observation::Unknown => {
                self.note_unknown(self.s.now);
                match self.s.class {
                    ReleaseClass::Unique => self.back_off(None),
                    ReleaseClass::Searchable | ReleaseClass::Blind => self.resume(),
                }
            }
            Observation::Found(releases) => self.found(releases),
        }
    }

    fn note_try(&mut self, in_flight: Option<Timestamp>, observation: &Observation) {
        let now = self.s.now;
        let (at, what) = match (observation, in_flight) {
            (Observation::Fresh, Some(until)) => (until, "release: broken off".to_owned()),
            (Observation::NotDone { .. }, _) => (now, "release: not done".to_owned()),
            (Observation::Refused(why), _) => (now, format!("release: refused ({why})")),
            (Observation::Unknown, _) => (now, "release: no answer".to_owned()),
            (Observation::Found(found), _) => (now, format!("search: {} found", found.len())),
            (Observation::SearchFailed { .. }, _) => (now, "search: no answer".to_owned()),
            (Observation::Fresh | Observation::Created(_), _) => return,
        };
        self.p.tries.note(at, what);
    }

    /// A person had it tried again: what was counted against it counts no more. A blind warehouse was looked at by that
    /// person, since nobody else can.
    fn heed_person(&mut self) {
        if self.p.retries_seen >= self.s.retries {
            return;
        }
        let looked_at = self.s.class == ReleaseClass::Blind && self.p.person_asked;
        self.p = Progress {
            retries_seen: self.s.retries,
            person_asked: false,
            unknowns: 0,
            searches: 0,
            failures: 0,
            refusal: None,
            tries: Tries::default(),
            unknown_since: self.p.unknown_since.filter(|_| !looked_at),
            ..std::mem::take(&mut self.p)
        };
    }

    /// The warehouse may have been told, and that was forgotten since.
    fn heed_set_back(&mut self) -> Option<Timestamp> {
        let newer = self.s.set_back_at > self.p.set_back_heeded;
        let at = self.s.set_back_at.filter(|_| newer)?;
        self.p.set_back_heeded = Some(at);
        self.p.tries.note(at, "the store was set back".to_owned());
        Some(at)
    }

    fn note_unknown(&mut self, since: Timestamp) {
        self.p.unknowns = self.p.unknowns.saturating_add(1);
        self.p.unknown_since = Some(since);
        self.p.searches = 0;
    }

    fn back_off(&mut self, retry_after: Option<SignedDuration>) -> Step {
        if self
            .p
            .tries
            .took_longer_than(self.s.settle_within, self.s.now)
        {
            return self.ask("It could not be settled with the warehouse in the time it may take");
        }
        self.p.failures = self.p.failures.saturating_add(1);
        Step::Wait(Pause::BackOff {
            failures: self.p.failures,
            retry_after,
        })
    }

    /// What to do with nothing but what is written down.
    fn resume(&mut self) -> Step {
        match self.s.stage {
            None | Some(ReleaseStage::Released) => Step::Finished,
            Some(ReleaseStage::Waiting) if self.s.wanted => {
                self.p.begun = true;
                Step::Begin
            }
            Some(ReleaseStage::Waiting) => Step::Finished,
            // Another effect began it, and sees to it.
            Some(ReleaseStage::Begun) if !self.p.begun => Step::Finished,
            Some(ReleaseStage::Begun) => match (self.p.unknown_since, self.s.class) {
                (None, _) => Step::Create,
                (Some(_), ReleaseClass::Unique) if self.p.refusal.is_none() => Step::Create,
                (Some(since), ReleaseClass::Unique | ReleaseClass::Searchable) => {
                    self.search_when_quiet(since)
                }
                (Some(_), ReleaseClass::Blind) => {
                    self.ask("The warehouse did not answer, and cannot be searched")
                }
            },
        }
    }

    fn search_when_quiet(&self, since: Timestamp) -> Step {
        let quiet = since
            .saturating_add(self.s.quiet_period)
            .unwrap_or(Timestamp::MAX);
        if self.s.now < quiet {
            Step::Wait(Pause::Until(quiet))
        } else {
            Step::Search
        }
    }

    fn refused(&mut self, detail: String) -> Step {
        let Some(since) = self.p.unknown_since else {
            return self.certainly_refused(&detail);
        };
        // It may have been refused because an earlier release was made after all.
        if self.s.class == ReleaseClass::Blind {
            return self.ask(&format!(
                "The warehouse refused it ({detail}) after not answering before"
            ));
        }
        self.p.refusal = Some(detail);
        self.search_when_quiet(since)
    }

    fn certainly_refused(&mut self, detail: &str) -> Step {
        self.p.begun = false;
        self.p.unknown_since = None;
        let detail = format!(
            "The warehouse did not take it: {detail} ({}).{} Put that right and retry the order, or cancel it.",
            self.s.about, self.p.tries
        );
        Step::Failed {
            detail,
            certain: true,
        }
    }

    fn found(&mut self, releases: Vec<WarehouseRelease>) -> Step {
        self.p.failures = 0;
        let mut live: Vec<String> = releases
            .into_iter()
            .filter(|release| release.state != WarehouseReleaseState::Cancelled)
            .map(|release| release.number)
            .collect();
        if live.len() > 1 {
            let numbers = live.join(", ");
            return self.ask(&format!(
                "The warehouse has it more than once ({numbers}): cancel all but one there"
            ));
        }
        if let Some(number) = live.pop() {
            return Step::Released(number);
        }
        self.found_none()
    }

    fn found_none(&mut self) -> Step {
        self.p.searches = self.p.searches.saturating_add(1);
        if self.p.searches < SEARCHES {
            let gap = self.s.quiet_period.min(SEARCH_GAP);
            let again = self.s.now.saturating_add(gap).unwrap_or(Timestamp::MAX);
            return Step::Wait(Pause::Until(again));
        }
        if let Some(detail) = self.p.refusal.take() {
            return self.certainly_refused(&detail);
        }
        if self.s.class != ReleaseClass::Unique && self.p.unknowns >= UNKNOWNS {
            let times = self.p.unknowns;
            return self.ask(&format!(
                "The warehouse did not answer {times} times, and does not show the release"
            ));
        }
        self.p.unknown_since = None;
        self.resume()
    }

    /// All that a person needs.
    fn ask(&self, what: &str) -> Step {
        let next = match self.s.class {
            ReleaseClass::Unique => {
                "If you retry the order, it is released again, and what is there already is taken for it."
            }
            ReleaseClass::Searchable => {
                "If you retry the order, it is looked for again, and released where it is not there."
            }
            ReleaseClass::Blind => {
                "Cancel there what you find; if you then retry the order, it is released again."
            }
        };
        let Situation { about, .. } = self.s;
        let detail = format!(
            "{what}. Look in the warehouse for {about}.{} {next} It cannot be cancelled while the warehouse may have it.",
            self.p.tries
        );
        Step::Failed {
            detail,
            certain: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn at(stage: ReleaseStage) -> Situation<'static> {
        let quiet_period = SignedDuration::from_secs(5);
        Situation {
            class: ReleaseClass::Searchable,
            about: "release OW1-EAST of order OW1 (account ACME, purchase order PO-1)",
            settle_within: SignedDuration::from_hours(72),
            stage: Some(stage),
            wanted: true,
            quiet_period,
            retries: 0,
            set_back_at: None,
            now: now(),
        }
    }

    fn later(situation: Situation<'_>, seconds: i64) -> Situation<'_> {
        Situation {
            now: now() + SignedDuration::from_secs(seconds),
            ..situation
        }
    }

    fn release(state: WarehouseReleaseState) -> WarehouseRelease {
        let site = canonical_model::SiteId::new("EAST").unwrap();
        WarehouseRelease {
            number: "R-1".to_owned(),
            release_reference: "OW1-EAST".to_owned(),
            site,
            state,
        }
    }

    #[test]
    fn it_is_begun_in_the_order_before_the_warehouse_is_told() {
        let (step, progress) = next_step(
            at(ReleaseStage::Waiting),
            Progress::default(),
            Observation::Fresh,
        );
        assert_eq!(step, Step::Begin);
        let (step, progress) = next_step(at(ReleaseStage::Begun), progress, Observation::Fresh);
        assert_eq!(step, Step::Create);
        let taken = Observation::Created(release(WarehouseReleaseState::Released));
        let (step, _) = next_step(at(ReleaseStage::Begun), progress, taken);
        assert_eq!(step, Step::Released("R-1".to_owned()));
    }

    #[test]
    fn a_cancelled_order_and_one_that_another_effect_sees_to_are_left_alone() {
        let unwanted = Situation {
            wanted: false,
            ..at(ReleaseStage::Waiting)
        };
        assert_eq!(
            next_step(unwanted, Progress::default(), Observation::Fresh).0,
            Step::Finished
        );
        assert_eq!(
            next_step(
                at(ReleaseStage::Begun),
                Progress::default(),
                Observation::Fresh
            )
            .0,
            Step::Finished
        );
        assert_eq!(
            next_step(
                at(ReleaseStage::Released),
                Progress::default(),
                Observation::Fresh
            )
            .0,
            Step::Finished
        );
    }

    #[test]
    fn after_an_unknown_outcome_it_searches_before_it_tells_again() {
        let begun = Progress {
            begun: true,
            ..Progress::default()
        };
        let (step, progress) =
            next_step(at(ReleaseStage::Begun), begun.clone(), Observation::Unknown);
        assert!(matches!(step, Step::Wait(Pause::Until(_))));
        let (step, progress) = next_step(
            later(at(ReleaseStage::Begun), 5),
            progress,
            Observation::Fresh,
        );
        assert_eq!(step, Step::Search);
        let there = Observation::Found(vec![release(WarehouseReleaseState::InProgress)]);
        let situation = later(at(ReleaseStage::Begun), 5);
        assert_eq!(
            next_step(situation, progress.clone(), there).0,
            Step::Released("R-1".to_owned())
        );
        let gone = || Observation::Found(vec![release(WarehouseReleaseState::Cancelled)]);
        let (step, progress) = next_step(situation, progress, gone());
        assert!(
            matches!(step, Step::Wait(Pause::Until(_))),
            "it is searched twice"
        );
        let (step, progress) = next_step(later(situation, 10), progress, Observation::Fresh);
        assert_eq!(step, Step::Search);
        assert_eq!(next_step(situation, progress, gone()).0, Step::Create);
        // A crash during the call is an unknown outcome too.
        let crashed = Progress {
            in_flight: Some(now()),
            ..begun
        };
        assert_eq!(
            next_step(situation, crashed, Observation::Fresh).0,
            Step::Search
        );
    }

    #[test]
    fn once_the_store_was_set_back_it_is_searched_before_the_warehouse_is_told_once() {
        let waiting = Situation {
            set_back_at: Some(now()),
            ..at(ReleaseStage::Waiting)
        };
        let (step, progress) = next_step(waiting, Progress::default(), Observation::Fresh);
        assert_eq!(step, Step::Begin);
        let begun = Situation {
            stage: Some(ReleaseStage::Begun),
            ..later(waiting, 5)
        };
        let (step, progress) = next_step(begun, progress, Observation::Fresh);
        assert_eq!(step, Step::Search);
        let there = Observation::Found(vec![release(WarehouseReleaseState::InProgress)]);
        let (step, _) = next_step(begun, progress.clone(), there);
        assert_eq!(step, Step::Released("R-1".to_owned()));
        let none = || Observation::Found(Vec::new());
        let (_, progress) = next_step(begun, progress, none());
        let (step, progress) = next_step(later(begun, 5), progress, none());
        assert_eq!(step, Step::Create, "what is not there is released");
        assert_eq!(
            progress.set_back_heeded,
            Some(now()),
            "and is not in doubt again"
        );
    }

    #[test]
    fn a_release_that_stands_twice_is_a_person_s() {
        let begun = Progress {
            begun: true,
            unknown_since: Some(now()),
            unknowns: 1,
            ..Progress::default()
        };
        let second = WarehouseRelease {
            number: "R-2".to_owned(),
            ..release(WarehouseReleaseState::Released)
        };
        let found = Observation::Found(vec![
            release(WarehouseReleaseState::Released),
            second.clone(),
        ]);
        let (step, progress) = next_step(later(at(ReleaseStage::Begun), 5), begun, found);
        let Step::Failed { detail, certain } = step else {
            panic!("{step:?}")
        };
        assert!(!certain && detail.contains("R-1, R-2"), "{detail}");
        // One was cancelled, and it was tried again.
        let retried = Situation {
            retries: 1,
            ..later(at(ReleaseStage::Begun), 60)
        };
        let (step, progress) = next_step(retried, progress, Observation::Fresh);
        assert_eq!(step, Step::Search);
        let one = Observation::Found(vec![release(WarehouseReleaseState::Cancelled), second]);
        assert_eq!(
            next_step(retried, progress, one).0,
            Step::Released("R-2".to_owned())
        );
    }

    #[test]
    fn a_refusal_is_certain_unless_an_earlier_call_may_have_been_done() {
        let begun = Progress {
            begun: true,
            ..Progress::default()
        };
        let refused = || Observation::Refused("Closed.".to_owned());
        let (step, progress) = next_step(at(ReleaseStage::Begun), begun.clone(), refused());
        assert!(matches!(step, Step::Failed { certain: true, .. }));
        assert!(!progress.begun);
        let doubtful = Progress {
            unknown_since: Some(now()),
            unknowns: 1,
            ..begun
        };
        let (step, progress) = next_step(at(ReleaseStage::Begun), doubtful, refused());
        assert!(matches!(step, Step::Wait(Pause::Until(_))));
        let none = || Observation::Found(Vec::new());
        let situation = later(at(ReleaseStage::Begun), 5);
        let (_, progress) = next_step(situation, progress, none());
        let (step, _) = next_step(situation, progress, none());
        assert!(matches!(step, Step::Failed { certain: true, .. }));
    }

    #[test]
    fn two_unknown_outcomes_are_left_to_a_person_who_may_have_it_tried_again() {
        let mut progress = Progress {
            begun: true,
            ..Progress::default()
        };
        let mut situation = at(ReleaseStage::Begun);
        let none = || Observation::Found(Vec::new());
        for round in 1..=2_i64 {
            progress = next_step(situation, progress, Observation::Unknown).1;
            situation = later(situation, 10 * round);
            progress = next_step(situation, progress, none()).1;
            let (step, after) = next_step(situation, progress, none());
            match (round, step) {
                (1, Step::Create) => {}
                (2, Step::Failed { detail, certain }) => {
                    assert!(!certain);
                    for needed in ["OW1-EAST", "ACME", "PO-1", "release: no answer", "retry"] {
                        assert!(detail.contains(needed), "{needed}: {detail}");
                    }
                }
                (_, other) => panic!("{other:?}"),
            }
            progress = after;
        }
        let retried = Situation {
            retries: 1,
            ..later(situation, 60)
        };
        assert_eq!(
            next_step(retried, stopped(progress), Observation::Fresh).0,
            Step::Search
        );
    }

    #[test]
    fn a_warehouse_that_refuses_a_second_release_is_simply_told_again() {
        let unique = Situation {
            class: ReleaseClass::Unique,
            ..at(ReleaseStage::Begun)
        };
        let begun = Progress {
            begun: true,
            ..Progress::default()
        };
        let (step, progress) = next_step(unique, begun, Observation::Unknown);
        assert!(matches!(step, Step::Wait(Pause::BackOff { .. })));
        assert_eq!(
            next_step(unique, progress, Observation::Fresh).0,
            Step::Create
        );
    }

    #[test]
    fn a_blind_warehouse_is_told_once_and_again_when_a_person_has_looked() {
        let blind = Situation {
            class: ReleaseClass::Blind,
            ..at(ReleaseStage::Begun)
        };
        let begun = Progress {
            begun: true,
            ..Progress::default()
        };
        let (step, progress) = next_step(blind, begun, Observation::Unknown);
        assert!(
            matches!(step, Step::Failed { certain: false, .. }),
            "{step:?}"
        );
        let retried = Situation {
            retries: 1,
            ..blind
        };
        let (step, _) = next_step(retried, stopped(progress.clone()), Observation::Fresh);
        assert_eq!(step, Step::Create);
        // A retry of something else, before anybody was asked about this.
        let (step, _) = next_step(retried, progress, Observation::Fresh);
        assert!(matches!(step, Step::Failed { .. }), "{step:?}");
    }

    #[test]
    fn what_does_not_come_to_an_end_is_a_person_s_after_its_time() {
        let mut progress = Progress {
            begun: true,
            ..Progress::default()
        };
        let away = || Observation::NotDone { retry_after: None };
        let (step, after) = next_step(at(ReleaseStage::Begun), progress, away());
        assert!(matches!(step, Step::Wait(_)));
        progress = after;
        let days = later(at(ReleaseStage::Begun), 72 * 3600);
        assert!(matches!(
            next_step(days, progress, away()).0,
            Step::Failed { certain: false, .. }
        ));
    }
}
