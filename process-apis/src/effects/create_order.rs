//! Creates an order in the ERP, once: what to do next, given what is known. Pure; one path for each class of ERP.
//!
//! What follows an unknown outcome depends on what the ERP can do. `unique`: it refuses a second one, so try again, and
//! take "already there" for success after comparing. `staged`: orders are created blocked; list by reference (unless
//! nothing was ever in doubt), write the choice down, release that one only, cancel the others. `searchable`: wait out the quiet period, search twice, try
//! once more at most. `blind`: a person looks.

use canonical_model::{
    ErpOrderNumber,
    capabilities::CreateClass,
    erp_order::{CreateErpOrder, ErpOrder, ErpOrderState, ErpTotals},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    backoff::Pause,
    read_back::{Seen, difference},
    tries::Tries,
};

/// Creates of unknown outcome after which a `staged` ERP is left to a person: each may leave a blocked order behind.
const STAGED_UNKNOWNS: u32 = 5;
/// The same for `searchable`, where each may leave one that is not blocked.
const SEARCHABLE_UNKNOWNS: u32 = 2;
/// Looks at least, and as long as the search may lag, for something that must be there before a person is asked.
const LOOKS: u32 = 5;
/// The longest time between two searches that must both find nothing.
const SEARCH_GAP: SignedDuration = SignedDuration::from_mins(1);

/// What the doer writes down: enough to go on after a crash at any point.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The call that was begun and not answered, and when its time ends.
    pub in_flight: Option<InFlight>,
    /// Whether the ERP may have an order of ours.
    pub may_exist: bool,
    /// Whether the outcome of a create was ever unknown, even if later searches found nothing.
    pub doubt: bool,
    /// The number the ERP answered with.
    pub known: Option<ErpOrderNumber>,
    /// Since when the outcome of a create is not known.
    pub unknown_since: Option<Timestamp>,
    /// Creates of unknown outcome.
    pub unknowns: u32,
    /// Searches in a row that found nothing.
    pub searches: u32,
    /// Since when the ERP has something, by its own word, that its search does not show.
    pub unseen_since: Option<Timestamp>,
    /// Calls in a row that came to nothing.
    pub failures: u32,
    /// A refusal that stands once it is clear that the ERP has no order of ours.
    pub refusal: Option<String>,
    /// Orders to cancel, since another was chosen.
    pub surplus: Vec<ErpOrderNumber>,
    /// Orders that the ERP cancelled since none is wanted any more; its search may go on showing them, or never have
    /// shown them.
    pub cancelled: Vec<ErpOrderNumber>,
    /// How often a person had it tried again.
    pub retries_seen: u32,
    /// Whether a person was asked to look since then.
    pub person_asked: bool,
    /// What was tried since then.
    pub tries: Tries,
    /// Which setting back of the store was heeded.
    pub set_back_heeded: Option<Timestamp>,
    /// What the order that was read last comes to there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

impl Progress {
    /// What an order comes to in the ERP, if it was read.
    pub fn totals_of(&self, number: &ErpOrderNumber) -> Option<ErpTotals> {
        let seen = self.seen.as_ref().filter(|seen| seen.number == *number);
        seen.map(|seen| seen.totals.clone())
    }
}

/// A call that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InFlight {
    /// Which.
    pub call: Mutation,
    /// When its time ends.
    pub until: Timestamp,
}

/// The calls that change something in the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutation {
    /// Create.
    Create,
    /// Release a blocked one.
    Release,
    /// Cancel.
    Cancel,
}

/// What is known besides the progress.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What the ERP does about a second create.
    pub class: CreateClass,
    /// How long its search may miss an order.
    pub quiet_period: SignedDuration,
    /// What is to be created.
    pub asked: &'a CreateErpOrder,
    /// Whether it is still wanted: nobody asked for its cancellation.
    pub wanted: bool,
    /// Whether the order has been accepted already.
    pub accepted: bool,
    /// The choice that was written down.
    pub chosen: Option<&'a ErpOrderNumber>,
    /// How often a person had it tried again.
    pub retries: u32,
    /// When the store was set back to a state in which a create may have been done that it does not know of.
    pub set_back_at: Option<Timestamp>,
    /// After so long a person is asked, whatever it is that does not come to an end.
    pub settle_within: SignedDuration,
    /// Now.
    pub now: Timestamp,
}

/// What was seen last.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// Nothing: the effect was just taken up.
    Fresh,
    /// The ERP created it.
    Created(ErpOrder),
    /// Certainly not done.
    NotDone {
        /// When to come again.
        retry_after: Option<SignedDuration>,
    },
    /// The ERP refused to create it.
    Refused(String),
    /// The ERP has it already.
    Conflict,
    /// A create may have been done.
    Unknown,
    /// What the ERP has under our reference, lowest number first.
    Listed(Vec<ErpOrder>),
    /// The choice is written down.
    Chosen,
    /// The ERP released it.
    Released,
    /// The ERP refused to release it.
    ReleaseRefused(String),
    /// The ERP cancelled it.
    CancelDone(ErpOrderNumber),
    /// The ERP refused to cancel it.
    CancelRefused(ErpOrderNumber, String),
    /// A list, release or cancel came to nothing that counts: it is looked at again.
    Failed {
        /// When to come again.
        retry_after: Option<SignedDuration>,
    },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Create it: begin an attempt, then call.
    Create,
    /// List by reference.
    List,
    /// Write the choice down.
    Choose(ErpOrderNumber),
    /// Release it.
    Release(ErpOrderNumber),
    /// Cancel it.
    Cancel(ErpOrderNumber),
    /// The ERP has it: the order is accepted.
    Accept(ErpOrderNumber),
    /// It was not wanted any more, and the ERP has none.
    HasNone,
    /// The ERP refused it: a person may put right why.
    Refused(String),
    /// It cannot be settled: a person looks.
    Unknown(String),
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

/// Notes that a call is begun, before it is.
pub fn begun(mut progress: Progress, call: Mutation, until: Timestamp) -> Progress {
    progress.in_flight = Some(InFlight { call, until });
    progress.may_exist |= call == Mutation::Create;
    progress
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
        self.note_try(in_flight.as_ref(), &observation);
        match observation {
            Observation::Fresh => {
                self.heed_person();
                let broken_off = in_flight
                    .filter(|begun| begun.call == Mutation::Create)
                    .map(|begun| begun.until);
                if let Some(since) = self.heed_set_back().or(broken_off) {
                    self.note_unknown(since);
                }
                self.resume()
            }
            Observation::Created(order) => self.created(order),
            Observation::NotDone { retry_after } => {
                // Only what an earlier call left unknown may still be there.
                self.p.may_exist = self.p.doubt || self.p.known.is_some();
                self.back_off(retry_after)
            }
            Observation::Failed { retry_after } => self.back_off(retry_after),
            Observation::Refused(detail) => self.refused(detail),
            Observation::Conflict => {
                (self.p.may_exist, self.p.doubt) = (true, true);
                self.p.unseen_since.get_or_insert(self.s.now);
                if self.s.class == CreateClass::Blind {
                    return Step::Unknown(self.tell("the ERP says that it has the order already"));
                }
                Step::List
            }
            Observation::Unknown => self.unknown(),
            Observation::Listed(orders) => {
                self.p.failures = 0;
                self.listed(&orders)
            }
            Observation::Chosen => self.s.chosen.cloned().map_or(Step::List, Step::Release),
            Observation::Released => self.s.chosen.cloned().map_or(Step::List, Step::Accept),
            Observation::ReleaseRefused(detail) => {
                self.p.refusal = Some(detail);
                Step::List
            }
            Observation::CancelDone(number) => {
                self.p.failures = 0;
                self.p.surplus.retain(|other| *other != number);
                if !self.s.accepted {
                    self.p.cancelled.push(number);
                }
                self.resume()
            }
            Observation::CancelRefused(number, detail) => self.cancel_refused(&number, &detail),
        }
    }

    /// A person had it tried again: what was counted against it counts no more. A blind ERP was looked at by that
    /// person, since nobody else can; a buyer who cancels before anybody was asked has looked at nothing.
    fn heed_person(&mut self) {
        if self.p.retries_seen >= self.s.retries {
            return;
        }
        let looked_at = self.s.class == CreateClass::Blind && self.p.person_asked;
        self.p = Progress {
            retries_seen: self.s.retries,
            person_asked: false,
            unknowns: 0,
            searches: 0,
            failures: 0,
            refusal: None,
            tries: Tries::default(),
            unknown_since: if looked_at {
                None
            } else {
                self.p.unknown_since
            },
            may_exist: self.p.known.is_some() || (!looked_at && self.p.may_exist),
            doubt: !looked_at && self.p.doubt,
            ..std::mem::take(&mut self.p)
        };
    }

    /// A create may have been done that was forgotten since.
    fn heed_set_back(&mut self) -> Option<Timestamp> {
        let newer = self.s.set_back_at > self.p.set_back_heeded;
        let at = self.s.set_back_at.filter(|_| newer)?;
        self.p.set_back_heeded = Some(at);
        self.p.tries.note(at, "the store was set back".to_owned());
        Some(at)
    }

    fn note_try(&mut self, in_flight: Option<&InFlight>, observation: &Observation) {
        let call = match in_flight.map(|begun| begun.call) {
            Some(Mutation::Create) => "create",
            Some(Mutation::Release) => "release",
            Some(Mutation::Cancel) => "cancel",
            None => "search",
        };
        let (at, what) = match (observation, in_flight) {
            (Observation::Fresh, Some(begun)) => (begun.until, format!("{call}: broken off")),
            (Observation::NotDone { .. }, _) => (self.s.now, "create: not done".to_owned()),
            (Observation::Refused(why), _) => (self.s.now, format!("create: refused ({why})")),
            (Observation::Conflict, _) => (self.s.now, "create: there already".to_owned()),
            (Observation::Unknown, _) => (self.s.now, "create: no answer".to_owned()),
            (Observation::Listed(orders), _) => {
                let found = orders.len();
                (self.s.now, format!("search: {found} found"))
            }
            (Observation::ReleaseRefused(why), _) => {
                (self.s.now, format!("release: refused ({why})"))
            }
            (Observation::CancelRefused(_, why), _) => {
                (self.s.now, format!("cancel: refused ({why})"))
            }
            (Observation::Failed { .. }, _) => (self.s.now, format!("{call}: no answer")),
            (
                Observation::Fresh
                | Observation::Created(_)
                | Observation::Chosen
                | Observation::Released
                | Observation::CancelDone(_),
                _,
            ) => return,
        };
        self.p.tries.note(at, what);
    }

    fn note_unknown(&mut self, since: Timestamp) {
        self.p.unknowns = self.p.unknowns.saturating_add(1);
        self.p.unknown_since = Some(since);
        self.forget_searches();
        self.p.may_exist = true;
        self.p.doubt = true;
    }

    fn back_off(&mut self, retry_after: Option<SignedDuration>) -> Step {
        if self
            .p
            .tries
            .took_longer_than(self.s.settle_within, self.s.now)
        {
            return self.give_up();
        }
        self.p.failures = self.p.failures.saturating_add(1);
        Step::Wait(Pause::BackOff {
            failures: self.p.failures,
            retry_after,
        })
    }

    fn give_up(&mut self) -> Step {
        if self.s.accepted {
            // What is left stays blocked, and the sweep looks at it.
            self.p.surplus.clear();
            return Step::Finished;
        }
        Step::Unknown(self.tell("it could not be settled in the time it may take"))
    }

    /// What to do with nothing but what is written down.
    fn resume(&mut self) -> Step {
        if self.s.accepted {
            return self
                .p
                .surplus
                .first()
                .cloned()
                .map_or(Step::Finished, Step::Cancel);
        }
        if !self.s.wanted {
            return self.unwanted();
        }
        if self.s.chosen.is_some() {
            return Step::List;
        }
        if let Some(known) = self.p.known.clone() {
            return if self.s.class == CreateClass::Blind {
                Step::Accept(known)
            } else {
                Step::List
            };
        }
        let Some(since) = self.p.unknown_since else {
            return Step::Create;
        };
        match self.s.class {
            CreateClass::Unique if self.p.refusal.is_none() => Step::Create,
            CreateClass::Unique | CreateClass::Staged | CreateClass::Searchable => {
                self.list_when_quiet(since)
            }
            CreateClass::Blind => {
                Step::Unknown(self.tell("the ERP did not answer, and cannot be searched"))
            }
        }
    }

    fn unwanted(&mut self) -> Step {
        if !self.p.may_exist && self.s.chosen.is_none() {
            return Step::HasNone;
        }
        match (self.s.class, self.p.unknown_since, self.still_there(&[])) {
            (CreateClass::Blind, None, Some(known)) => Step::Cancel(known),
            (CreateClass::Blind, None, None) => Step::HasNone,
            (CreateClass::Blind, Some(_), _) => {
                Step::Unknown(self.tell(
                    "it is to be cancelled, but the ERP did not answer and cannot be searched",
                ))
            }
            (
                CreateClass::Unique | CreateClass::Staged | CreateClass::Searchable,
                Some(since),
                _,
            ) => self.list_when_quiet(since),
            (CreateClass::Unique | CreateClass::Staged | CreateClass::Searchable, None, _) => {
                Step::List
            }
        }
    }

    /// An order that is ours for certain, that was not cancelled and does not stand in the list: the search lags behind.
    fn still_there(&self, listed: &[ErpOrder]) -> Option<ErpOrderNumber> {
        let mut ours = self.p.known.iter().chain(self.s.chosen);
        let seen = |number: &ErpOrderNumber| {
            self.p.cancelled.contains(number) || listed.iter().any(|order| order.number == *number)
        };
        ours.find(|number| !seen(number)).cloned()
    }

    fn list_when_quiet(&self, since: Timestamp) -> Step {
        let quiet = since
            .saturating_add(self.s.quiet_period)
            .unwrap_or(Timestamp::MAX);
        if self.s.now < quiet {
            Step::Wait(Pause::Until(quiet))
        } else {
            Step::List
        }
    }

    fn created(&mut self, order: ErpOrder) -> Step {
        self.p.failures = 0;
        self.p.known = Some(order.number.clone());
        self.note_totals(&order);
        if !self.s.wanted {
            return Step::Cancel(order.number);
        }
        match self.s.class {
            CreateClass::Staged if self.is_the_only_one(&order) => Step::Choose(order.number),
            CreateClass::Staged => Step::List,
            CreateClass::Unique | CreateClass::Searchable | CreateClass::Blind => {
                self.accept(&order)
            }
        }
    }

    /// Whether an answer leaves nothing to look for: every create was answered, and this is what was asked for, blocked.
    /// One that came to the ERP twice on the way stays blocked there until the sweep finds it.
    fn is_the_only_one(&self, order: &ErpOrder) -> bool {
        let is_seen = !order.as_asked && order.state == ErpOrderState::Blocked;
        is_seen && !self.p.doubt && difference(self.s.asked, order).is_none()
    }

    /// What the ERP adds is told with the acceptance, which may come after a crash.
    fn note_totals(&mut self, order: &ErpOrder) {
        if let Some(seen) = Seen::of(order) {
            self.p.seen = Some(seen);
        }
    }

    fn accept(&mut self, order: &ErpOrder) -> Step {
        self.note_totals(order);
        match difference(self.s.asked, order) {
            None => Step::Accept(order.number.clone()),
            Some(differs) => {
                let what = format!(
                    "the ERP has {} under our reference, but {differs}",
                    order.number
                );
                Step::Unknown(self.tell(&what))
            }
        }
    }

    fn refused(&mut self, detail: String) -> Step {
        if !self.p.doubt && self.p.known.is_none() {
            self.p.may_exist = false;
            return if self.s.wanted {
                Step::Refused(detail)
            } else {
                Step::HasNone
            };
        }
        // It may have been refused because an earlier create was done after all.
        self.p.refusal = Some(detail);
        match self.s.class {
            CreateClass::Blind => {
                Step::Unknown(self.tell("the ERP refused it after not answering before"))
            }
            CreateClass::Unique | CreateClass::Staged | CreateClass::Searchable => {
                // Written down, so that it is looked for after the wait and not created once more.
                let since = *self.p.unknown_since.get_or_insert(self.s.now);
                self.list_when_quiet(since)
            }
        }
    }

    fn unknown(&mut self) -> Step {
        self.note_unknown(self.s.now);
        if !self.s.wanted {
            return self.unwanted();
        }
        match self.s.class {
            CreateClass::Unique => self.back_off(None),
            CreateClass::Staged | CreateClass::Searchable | CreateClass::Blind => self.resume(),
        }
    }

    fn listed(&mut self, orders: &[ErpOrder]) -> Step {
        let live: Vec<&ErpOrder> = orders
            .iter()
            .filter(|order| order.state != ErpOrderState::Cancelled)
            .collect();
        if self.s.accepted {
            return self.resume();
        }
        if !self.s.wanted {
            return self.listed_unwanted(orders, &live);
        }
        if let Some(chosen) = self.s.chosen {
            let found = orders.iter().find(|order| order.number == *chosen);
            return self.listed_chosen(chosen.clone(), found, &live);
        }
        if live.is_empty() {
            return self.listed_none();
        }
        self.forget_searches();
        match self.s.class {
            CreateClass::Staged => self.choose(&live),
            CreateClass::Unique | CreateClass::Searchable | CreateClass::Blind => {
                match live.as_slice() {
                    [only] => self.accept(only),
                    several => {
                        let numbers = several
                            .iter()
                            .map(|order| order.number.as_str())
                            .collect::<Vec<_>>()
                            .join(", ");
                        Step::Unknown(self.tell(&format!(
                            "the ERP has several orders under our reference: {numbers}"
                        )))
                    }
                }
            }
        }
    }

    /// Whatever the ERP has is cancelled, one after the other; only then, and when nothing can come any more, it has none.
    fn listed_unwanted(&self, orders: &[ErpOrder], live: &[&ErpOrder]) -> Step {
        let stands = live
            .iter()
            .map(|order| &order.number)
            .find(|number| !self.p.cancelled.contains(number));
        if let Some(number) = stands.cloned().or_else(|| self.still_there(orders)) {
            return Step::Cancel(number);
        }
        let since = self.p.unknown_since.max(self.p.unseen_since);
        match since.map(|since| self.list_when_quiet(since)) {
            Some(Step::Wait(pause)) => Step::Wait(pause),
            _ => Step::HasNone,
        }
    }

    fn listed_chosen(
        &mut self,
        chosen: ErpOrderNumber,
        found: Option<&ErpOrder>,
        live: &[&ErpOrder],
    ) -> Step {
        if let Some(order) = found {
            self.forget_searches();
            self.note_totals(order);
        }
        match found.map(|order| order.state) {
            Some(ErpOrderState::Open | ErpOrderState::Completed) => {
                self.note_surplus(&chosen, live);
                Step::Accept(chosen)
            }
            Some(ErpOrderState::Blocked) => {
                self.note_surplus(&chosen, live);
                self.p
                    .refusal
                    .take()
                    .map_or(Step::Release(chosen), Step::Refused)
            }
            Some(ErpOrderState::Cancelled) => {
                let what = format!("the ERP's order {chosen}, chosen for it, was cancelled there");
                Step::Unknown(self.tell(&what))
            }
            None => self.look_again(&format!("the ERP no longer shows {chosen}, chosen for it")),
        }
    }

    /// The lowest number, unless one was released by hand: two must never be.
    fn choose(&mut self, live: &[&ErpOrder]) -> Step {
        let mut open = live
            .iter()
            .filter(|order| order.state != ErpOrderState::Blocked);
        let chosen = match (open.next(), open.next()) {
            (Some(_), Some(_)) => {
                return Step::Unknown(
                    self.tell("the ERP has several orders under our reference that are in work"),
                );
            }
            (Some(one), None) => Some(one),
            (None, _) => live
                .iter()
                .find(|order| difference(self.s.asked, order).is_none())
                .or_else(|| live.first()),
        };
        let Some(chosen) = chosen else {
            return self.listed_none();
        };
        if let Step::Unknown(detail) = self.accept(chosen) {
            return Step::Unknown(detail);
        }
        let number = chosen.number.clone();
        self.note_surplus(&number, live);
        Step::Choose(number)
    }

    fn note_surplus(&mut self, chosen: &ErpOrderNumber, live: &[&ErpOrder]) {
        let blocked = live
            .iter()
            .filter(|order| order.state == ErpOrderState::Blocked);
        self.p.surplus = blocked
            .map(|order| order.number.clone())
            .filter(|number| number != chosen)
            .collect();
    }

    fn listed_none(&mut self) -> Step {
        if let Some(known) = self.p.known.clone() {
            if self.s.class == CreateClass::Staged {
                // Its search lags behind its own answer; the answer is as good.
                return Step::Choose(known);
            }
            return self.look_again(&format!(
                "the ERP answered with {known}, but does not show it"
            ));
        }
        let Some(since) = self.p.unknown_since else {
            return self
                .look_again("the ERP says that it has the order already, but does not show it");
        };
        self.p.searches = self.p.searches.saturating_add(1);
        if self.s.class == CreateClass::Searchable && self.p.searches < 2 {
            let gap = self.s.quiet_period.min(SEARCH_GAP);
            return Step::Wait(Pause::Until(
                self.s.now.saturating_add(gap).unwrap_or(Timestamp::MAX),
            ));
        }
        if let Step::Wait(pause) = self.list_when_quiet(since) {
            return Step::Wait(pause);
        }
        if let Some(detail) = self.p.refusal.take() {
            self.p.unknown_since = None;
            return Step::Refused(detail);
        }
        let most = if self.s.class == CreateClass::Staged {
            STAGED_UNKNOWNS
        } else {
            SEARCHABLE_UNKNOWNS
        };
        if self.s.class != CreateClass::Unique && self.p.unknowns >= most {
            let what = format!(
                "the ERP did not answer {} times, and shows no order of ours",
                self.p.unknowns
            );
            return Step::Unknown(self.tell(&what));
        }
        self.p.unknown_since = None;
        self.forget_searches();
        Step::Create
    }

    fn forget_searches(&mut self) {
        (self.p.searches, self.p.unseen_since) = (0, None);
    }

    /// Each pause is longer than the one before: its search may lag for all of the quiet period.
    fn look_again(&mut self, what: &str) -> Step {
        let since = *self.p.unseen_since.get_or_insert(self.s.now);
        self.p.failures = self.p.searches;
        self.p.searches = self.p.searches.saturating_add(1);
        let may_lag = matches!(self.list_when_quiet(since), Step::Wait(_));
        if self.p.searches >= LOOKS && !may_lag {
            Step::Unknown(self.tell(what))
        } else {
            self.back_off(None)
        }
    }

    fn cancel_refused(&mut self, number: &ErpOrderNumber, detail: &str) -> Step {
        if self.s.accepted {
            // It stays blocked, which harms nothing; the sweep tells of it.
            self.p.surplus.retain(|other| other != number);
            return self.resume();
        }
        let what = format!("it is to be cancelled, but the ERP keeps {number}: {detail}");
        Step::Unknown(self.tell(&what))
    }

    /// All that a person needs.
    fn tell(&self, what: &str) -> String {
        let CreateErpOrder {
            reference,
            purchase_order_number,
            account,
            ..
        } = self.s.asked;
        let next = match (self.s.class, self.s.wanted) {
            (CreateClass::Unique, true) => {
                "If you retry the order, it is created again, and what is there already is taken for it."
            }
            (CreateClass::Staged | CreateClass::Searchable, true) => {
                "If you retry the order, it is looked for again, and created where it is not there."
            }
            (CreateClass::Blind, true) => {
                "Cancel there what you find; if you then retry the order, it is created again."
            }
            (CreateClass::Blind, false) => {
                "Cancel there what you find; if you then retry the order, it ends as cancelled."
            }
            (_, false) => {
                "If you retry the order, it is looked for again, and what is there is cancelled."
            }
        };
        let cancel = match (self.s.wanted, self.s.class) {
            (false, _) => "",
            (true, CreateClass::Blind) => {
                " If you cancel the order, it ends here; what the ERP has of it is yours to cancel there."
            }
            (true, _) => " If you cancel the order, what the ERP has of it is cancelled too.",
        };
        let tries = &self.p.tries;
        format!(
            "{what}. Look in the ERP for the reference {reference} (account {account}, purchase order \
             {purchase_order_number}).{tries} {next}{cancel}",
        )
    }
}

#[cfg(test)]
#[path = "create_order_tests.rs"]
mod tests;
