//! Releases what ships from one site to its warehouse, once: what to do next, given what is known. Pure.
//!
//! The release reference (the order's reference and the site) is the search key: after anything but a clear answer the
//! warehouse is searched before it is told again.

use canonical_model::fulfilment::{WarehouseRelease, WarehouseReleaseState};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::backoff::Pause;
use crate::orders::state::ReleaseStage;

/// Attempts of unknown outcome after which a person looks.
const UNKNOWNS: u32 = 3;

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
}

/// What is known besides the progress.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// Where the release stands in the order; None = the order has none at this site.
    pub stage: Option<ReleaseStage>,
    /// Whether the order is still wanted.
    pub wanted: bool,
    /// How long the warehouse's search may miss a release.
    pub quiet_period: SignedDuration,
    /// How often a person had it tried again.
    pub retries: u32,
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
    situation: Situation,
    mut p: Progress,
    observation: Observation,
) -> (Step, Progress) {
    let step = step(situation, &mut p, observation);
    (step, p)
}

fn step(s: Situation, p: &mut Progress, observation: Observation) -> Step {
    let in_flight = p.in_flight.take();
    match observation {
        Observation::Fresh => {
            if p.retries_seen < s.retries {
                let taken = std::mem::take(p);
                *p = Progress {
                    retries_seen: s.retries,
                    unknowns: 0,
                    failures: 0,
                    refusal: None,
                    ..taken
                };
            }
            if let Some(until) = in_flight {
                note_unknown(p, until);
            }
            resume(s, p)
        }
        Observation::Created(release) => Step::Released(release.number),
        Observation::NotDone { retry_after } | Observation::SearchFailed { retry_after } => {
            back_off(p, retry_after)
        }
        Observation::Refused(detail) if p.unknown_since.is_some() => {
            p.refusal = Some(detail);
            Step::Search
        }
        Observation::Refused(detail) => refused(p, detail),
        Observation::Unknown => {
            note_unknown(p, s.now);
            resume(s, p)
        }
        Observation::Found(releases) => found(s, p, releases),
    }
}

fn note_unknown(p: &mut Progress, since: Timestamp) {
    p.unknowns = p.unknowns.saturating_add(1);
    p.unknown_since = Some(since);
}

fn back_off(p: &mut Progress, retry_after: Option<SignedDuration>) -> Step {
    p.failures = p.failures.saturating_add(1);
    Step::Wait(Pause::BackOff {
        failures: p.failures,
        retry_after,
    })
}

fn refused(p: &mut Progress, detail: String) -> Step {
    p.begun = false;
    p.unknown_since = None;
    let detail = format!(
        "The warehouse did not take it: {detail} Put that right and retry the order, or cancel it."
    );
    Step::Failed {
        detail,
        certain: true,
    }
}

fn resume(s: Situation, p: &mut Progress) -> Step {
    match s.stage {
        None | Some(ReleaseStage::Released) => Step::Finished,
        Some(ReleaseStage::Waiting) if s.wanted => {
            p.begun = true;
            Step::Begin
        }
        Some(ReleaseStage::Waiting) => Step::Finished,
        // Another effect began it, and sees to it.
        Some(ReleaseStage::Begun) if !p.begun => Step::Finished,
        Some(ReleaseStage::Begun) => match p.unknown_since {
            None => Step::Create,
            Some(since) => {
                let quiet = since
                    .saturating_add(s.quiet_period)
                    .unwrap_or(Timestamp::MAX);
                if s.now < quiet {
                    Step::Wait(Pause::Until(quiet))
                } else {
                    Step::Search
                }
            }
        },
    }
}

fn found(s: Situation, p: &mut Progress, releases: Vec<WarehouseRelease>) -> Step {
    p.failures = 0;
    let mut live: Vec<String> = releases
        .into_iter()
        .filter(|release| release.state != WarehouseReleaseState::Cancelled)
        .map(|release| release.number)
        .collect();
    if live.len() > 1 {
        let numbers = live.join(", ");
        let detail = format!(
            "The warehouse has it more than once ({numbers}): cancel all but one there, then retry the order."
        );
        return Step::Failed {
            detail,
            certain: false,
        };
    }
    if let Some(number) = live.pop() {
        return Step::Released(number);
    }
    if let Some(detail) = p.refusal.take() {
        return refused(p, detail);
    }
    if p.unknowns >= UNKNOWNS {
        let detail = format!(
            "The warehouse did not answer {} times, and does not show the release. Look there, then retry the order.",
            p.unknowns,
        );
        return Step::Failed {
            detail,
            certain: false,
        };
    }
    p.unknown_since = None;
    resume(s, p)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn at(stage: ReleaseStage) -> Situation {
        let quiet_period = SignedDuration::from_secs(5);
        Situation {
            stage: Some(stage),
            wanted: true,
            quiet_period,
            retries: 0,
            now: now(),
        }
    }

    fn later(situation: Situation, seconds: i64) -> Situation {
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
        let gone = Observation::Found(vec![release(WarehouseReleaseState::Cancelled)]);
        assert_eq!(next_step(situation, progress, gone).0, Step::Create);
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
        assert_eq!(step, Step::Search);
        let (step, _) = next_step(
            at(ReleaseStage::Begun),
            progress,
            Observation::Found(Vec::new()),
        );
        assert!(matches!(step, Step::Failed { certain: true, .. }));
    }

    #[test]
    fn three_unknown_outcomes_are_left_to_a_person_who_may_have_it_tried_again() {
        let mut progress = Progress {
            begun: true,
            ..Progress::default()
        };
        let mut situation = at(ReleaseStage::Begun);
        for round in 1..=3_i64 {
            progress = next_step(situation, progress, Observation::Unknown).1;
            situation = later(situation, 10 * round);
            let (step, after) = next_step(situation, progress, Observation::Found(Vec::new()));
            assert_eq!(
                matches!(step, Step::Failed { certain: false, .. }),
                round == 3
            );
            progress = after;
        }
        let retried = Situation {
            retries: 1,
            ..later(situation, 60)
        };
        assert_eq!(
            next_step(retried, progress, Observation::Fresh).0,
            Step::Search
        );
    }
}
