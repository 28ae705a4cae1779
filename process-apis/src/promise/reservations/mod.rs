//! Reservations: stock held for a buyer for a time. All lines in full or nothing; the claims are tested in the commit
//! itself, so of two that want the last of it one gets it.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use canonical_model::{
    CompanyId, ItemNumber, OrderId, Quantity, ReservationId,
    basket::{BasketRequest, LineProblemCode},
    order::LinePolicy,
    promise::Cover,
    reservation::{Reservation, ReservationRequest, ReservationState},
};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_runtime::{
    clock::Clock,
    problem::{FieldError, Problem},
    telemetry::error_chain,
    trace::{RequestScope, TraceContext},
};
use uuid::Uuid;

use crate::{
    baskets::{
        AssessedLine, Assessment,
        assess::assess,
        codes,
        facts::{Facts, KnownReservation, Purpose, Sources, gather},
        record::{Decided, cause, decision, rejected, written},
    },
    clients::Call,
    crash_points,
    error::{contention, store_problem},
    idempotency::{Answer, Keyed, WorkError},
    policy::ReservationPolicy,
    store::{
        Cause, Commit, NewEvent, Owner, ReservationRow, StateRow, StockClaim, StockMovement, Store,
        StoreError, StreamChange, StreamKind, Versioned, Written,
    },
};

/// How often a command is decided again before it is told that too many want the same.
const ATTEMPTS: usize = 3;

/// A reservation as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredReservation {
    /// The company it is held in.
    pub company: CompanyId,
    /// The reservation.
    pub reservation: Reservation,
    /// How much of the base unit it holds of each item.
    #[serde(with = "units")]
    pub units: BTreeMap<ItemNumber, Decimal>,
}

impl StoredReservation {
    /// Whether its stock is still held.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.reservation.state == ReservationState::Held && now < self.reservation.expires_at
    }

    /// The reservation as it is now: past its time it has expired, also where the sweep has not come by.
    pub fn at(self, now: Timestamp) -> Reservation {
        let lapsed = self.reservation.state == ReservationState::Held && !self.holds_at(now);
        if lapsed {
            return Reservation {
                state: ReservationState::Expired,
                ..self.reservation
            };
        }
        self.reservation
    }
}

/// A reservation of the company; another's is as if it did not exist.
pub async fn load(
    store: &dyn Store,
    company: &CompanyId,
    id: ReservationId,
) -> Result<Option<KnownReservation>, StoreError> {
    let Some(found) = store.state(StreamKind::Reservation, id.0).await? else {
        return Ok(None);
    };
    let known = read(found)?;
    Ok(Some(known).filter(|known| known.stored.company == *company))
}

fn read(found: Versioned<Written>) -> Result<KnownReservation, StoreError> {
    let stored = found.state.read();
    let stored = stored.map_err(|error| StoreError::Failed(error.into()))?;
    Ok(KnownReservation {
        version: found.version,
        stored,
    })
}

/// Holds stock for every line, or nothing.
pub(crate) async fn reserve(
    sources: &Sources,
    call: &Call,
    request: ReservationRequest,
    keyed: &Keyed,
) -> Result<Answer, WorkError> {
    let lifetime = lifetime(request.seconds, &sources.policies.reservation)?;
    let basket = basket_of(request);
    for _ in 0..ATTEMPTS {
        let facts = gather(sources, call, &basket, Purpose::Checkout)
            .await
            .map_err(Problem::from)?;
        let now = sources.clock.now();
        let assessment = assess(&basket, LinePolicy::AllOrNothing, &facts, now);
        let reservation = decide(&facts, &assessment, now, lifetime)?;
        within_limits(sources, call, &assessment, now).await?;
        let answer = Answer::new(
            StatusCode::CREATED,
            &reservation,
            reservation.reservation_id.0,
        )?;
        let commit = commit(call, &basket, &facts, &assessment, reservation)?;
        let idempotency = Some(keyed.answer(&answer, now));
        let committed = sources.store.commit(Commit {
            idempotency,
            ..commit
        });
        match crash_points::RESERVATION_TAKE.run(committed).await {
            Ok(_) => return Ok(answer),
            Err(StoreError::StockShort(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(contention().into())
}

fn lifetime(seconds: Option<u32>, policy: &ReservationPolicy) -> Result<SignedDuration, Problem> {
    match seconds {
        Some(0) => Err(Problem::validation(vec![FieldError::new(
            "/seconds",
            "out-of-range",
            "Hold it for at least one second, or leave this out.",
        )])),
        Some(seconds) => {
            Ok(SignedDuration::from_secs(i64::from(seconds)).min(policy.max_lifetime.signed()))
        }
        None => Ok(policy.lifetime.signed()),
    }
}

fn basket_of(request: ReservationRequest) -> BasketRequest {
    let mut lines = request.lines;
    for line in &mut lines {
        line.expected_unit_price = None;
    }
    BasketRequest {
        account: request.account,
        ship_to: request.ship_to,
        requested_delivery_date: None,
        quote_id: None,
        reservation_id: None,
        ship_complete: false,
        lines,
    }
}

fn decide(
    facts: &Facts,
    assessment: &Assessment,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<Reservation, Problem> {
    let short_only = |code: LineProblemCode| code == LineProblemCode::NotAvailable;
    if assessment
        .all_problems()
        .any(|problem| !short_only(problem.code))
    {
        return Err(rejected(assessment.all_problems()));
    }
    let Some(ship_to) = &assessment.ship_to else {
        return Err(rejected(assessment.all_problems()));
    };
    let held = |line: &AssessedLine| {
        !line.schedule.is_empty()
            && line
                .schedule
                .iter()
                .all(|part| part.cover != Cover::LeadTime)
    };
    let short: Vec<&AssessedLine> = assessment.lines.iter().filter(|line| !held(line)).collect();
    if !short.is_empty() {
        return Err(insufficient(facts, &short));
    }
    Ok(Reservation {
        reservation_id: ReservationId::generate(),
        account: assessment.account.account.clone(),
        ship_to: ship_to.ship_to.clone(),
        lines: assessment.checked_lines(),
        state: ReservationState::Held,
        created_at: now,
        expires_at: now.saturating_add(lifetime).unwrap_or(now),
        decision_id: Uuid::now_v7(),
    })
}

/// Says for each short line what could be held of its item.
fn insufficient(facts: &Facts, short: &[&AssessedLine]) -> Problem {
    let mut refusal = Problem::new(
        codes::INSUFFICIENT_STOCK,
        "Nothing is held, since not all of it is there: reserve what `available` names, or order it without.",
    );
    let mut available = Vec::new();
    for line in short {
        let (some, unit) = (available_of(facts, line), line.ordered.unit);
        let pointer = format!("/lines/{}/quantity", line.line.saturating_sub(1));
        let detail = format!(
            "{some} {unit} can be held, {} are wanted.",
            line.ordered.value
        );
        refusal
            .errors
            .push(FieldError::new(pointer, "not-available", detail));
        let item = line
            .product
            .as_ref()
            .map(|product| product.item.to_string());
        available.push(serde_json::json!({
            "line": line.line,
            "item": item,
            "available": Quantity::new(some, unit),
        }));
    }
    refusal.with_extension("available", available)
}

/// What is free of a line's item over all sites by the end of the horizon, in whole units of what was ordered.
fn available_of(facts: &Facts, line: &AssessedLine) -> Decimal {
    let Some(product) = &line.product else {
        return Decimal::ZERO;
    };
    let rows = facts.stock.iter().filter(|row| row.item == product.item);
    let free = rows.fold(Decimal::ZERO, |sum, row| {
        sum.saturating_add(row.at(row.last_day))
    });
    let ratio = crate::pricing::Ratio::between(product, product.base_unit, line.ordered.unit);
    ratio
        .and_then(|ratio| ratio.nearest(free))
        .unwrap_or_default()
        .floor()
        .normalize()
}

/// An account holds a limited number of reservations, and of each item a limited quantity.
///
/// It is read before the commit and not tested in it: requests at the same instant may go beyond it together, by no
/// more than they are. It keeps stock from being locked away; what is held is always there, by the claims.
async fn within_limits(
    sources: &Sources,
    call: &Call,
    assessment: &Assessment,
    now: Timestamp,
) -> Result<(), Problem> {
    let policy = &sources.policies.reservation;
    let account = &assessment.account.account;
    // Those that have lapsed stand in the list until the sweep comes by.
    let most = policy.max_per_account.saturating_mul(2).saturating_add(100);
    let listed = sources
        .store
        .held_reservations(&call.company, account, most)
        .await;
    let listed = listed.map_err(|error| store_problem(&error))?;
    let held: Vec<StoredReservation> = listed
        .into_iter()
        .filter_map(|state| state.read().ok())
        .filter(|stored: &StoredReservation| stored.holds_at(now))
        .collect();
    let limit = |detail: String| Err(Problem::new(codes::RESERVATION_LIMIT, detail));
    if held.len() >= usize::try_from(policy.max_per_account).unwrap_or(usize::MAX) {
        return limit(format!(
            "The account holds {} reservations already: release one, order it, or wait until one expires.",
            held.len()
        ));
    }
    for (item, wanted) in assessment.units_by_item() {
        let before = held
            .iter()
            .filter_map(|stored| stored.units.get(&item))
            .sum::<Decimal>();
        if before.saturating_add(wanted) > policy.max_units_per_item {
            return limit(format!(
                "The account holds {before} of {item} and may hold {}: reserve less, or order at once.",
                policy.max_units_per_item
            ));
        }
    }
    Ok(())
}

fn commit(
    call: &Call,
    basket: &BasketRequest,
    facts: &Facts,
    assessment: &Assessment,
    reservation: Reservation,
) -> Result<Commit, Problem> {
    let (id, at) = (reservation.reservation_id.0, reservation.created_at);
    let decided = Decided {
        decision_id: reservation.decision_id,
        kind: "reservation",
        subject: id,
        account: &reservation.account,
        at,
        outcome: &reservation,
    };
    let decision = decision(&decided, basket, facts, assessment)?;
    let stored = StoredReservation {
        company: call.company.clone(),
        units: assessment.units_by_item(),
        reservation,
    };
    let owner = Owner {
        kind: StreamKind::Reservation,
        id,
    };
    let mut claims: Vec<StockClaim> = assessment
        .stock
        .iter()
        .map(|need| StockClaim {
            key: need.key.clone(),
            owner,
            line: need.line,
            day: need.day,
            quantity: need.quantity,
        })
        .collect();
    // Keys in one order for everybody, so that no two commits wait for each other.
    claims.sort_by(|left, right| left.key.cmp(&right.key).then(left.line.cmp(&right.line)));
    Ok(Commit {
        cause: Some(cause(call, at)),
        changes: vec![change(&stored, 0, "reservation.held")?],
        stock: claims.into_iter().map(StockMovement::Claim).collect(),
        decision: Some(decision),
        ..Commit::default()
    })
}

fn change(
    stored: &StoredReservation,
    version: u64,
    event_type: &'static str,
) -> Result<StreamChange, Problem> {
    let held = stored.reservation.state == ReservationState::Held;
    Ok(StreamChange {
        kind: StreamKind::Reservation,
        id: stored.reservation.reservation_id.0,
        expected_version: version,
        account: stored.reservation.account.clone(),
        events: vec![NewEvent {
            event_type,
            type_version: 1,
            data: written(&stored.reservation)?,
        }],
        row: StateRow::Reservation(ReservationRow {
            state: written(stored)?,
            expires_at: held.then_some(stored.reservation.expires_at),
        }),
    })
}

/// The end of a reservation: its stream's change, and its stock given back.
fn end(
    known: KnownReservation,
    state: ReservationState,
    event_type: &'static str,
) -> Result<(StreamChange, StockMovement), Problem> {
    let mut stored = known.stored;
    stored.reservation.state = state;
    let owner = Owner {
        kind: StreamKind::Reservation,
        id: stored.reservation.reservation_id.0,
    };
    Ok((
        change(&stored, known.version, event_type)?,
        StockMovement::Release { owner, line: None },
    ))
}

/// What an order that takes the stock over writes in its own commit, before its own claims.
pub fn consume(
    known: &KnownReservation,
    order: OrderId,
) -> Result<(StreamChange, StockMovement), Problem> {
    let (mut change, movement) = end(
        known.clone(),
        ReservationState::Consumed,
        "reservation.consumed",
    )?;
    for event in &mut change.events {
        let data = event.data.read::<Map<String, Value>>();
        let mut data = data.map_err(|error| Problem::internal(&error))?;
        data.insert("order_id".to_owned(), order.to_string().into());
        event.data = written(&data)?;
    }
    Ok((change, movement))
}

/// Gives a reservation back. Given back before, nothing changes; consumed or expired, it is refused.
pub(crate) async fn release(
    sources: &Sources,
    call: &Call,
    id: ReservationId,
    keyed: &Keyed,
) -> Result<Answer, WorkError> {
    for _ in 0..ATTEMPTS {
        let known = load(sources.store.as_ref(), &call.company, id).await?;
        let known = known.filter(|known| {
            call.context
                .may_see(known.stored.reservation.account.as_str())
        });
        let known = known.ok_or_else(Problem::not_found)?;
        let now = sources.clock.now();
        if known.stored.reservation.state == ReservationState::Released {
            return Ok(Answer::new(
                StatusCode::OK,
                &known.stored.reservation,
                id.0,
            )?);
        }
        if !known.stored.holds_at(now) {
            let detail = "The reservation was consumed by an order or has expired; there is nothing to release.";
            return Err(Problem::new(codes::RESERVATION_NOT_HELD, detail).into());
        }
        let mut released = known.stored.reservation.clone();
        released.state = ReservationState::Released;
        let answer = Answer::new(StatusCode::OK, &released, id.0)?;
        let (change, movement) = end(known, ReservationState::Released, "reservation.released")?;
        let commit = Commit {
            cause: Some(cause(call, now)),
            changes: vec![change],
            stock: vec![movement],
            idempotency: Some(keyed.answer(&answer, now)),
            ..Commit::default()
        };
        match crash_points::RESERVATION_RELEASE
            .run(sources.store.commit(commit))
            .await
        {
            Ok(_) => return Ok(answer),
            Err(StoreError::VersionConflict { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(contention().into())
}

/// Ends up to `limit` reservations whose time ran out, and says how many it ended.
///
/// One that an order took over or a buyer released at the same moment is left to them: expiry and confirmation are one compare-and-set.
pub async fn expire_due(store: &dyn Store, clock: &Clock, limit: u16) -> Result<usize, StoreError> {
    let now = clock.now();
    let mut ended = 0_usize;
    for id in store.expired_reservations(now, limit).await? {
        let Some(found) = store.state(StreamKind::Reservation, id).await? else {
            continue;
        };
        let known = match read(found) {
            Ok(known) => known,
            // One that cannot be read keeps its own stock, and nobody else's.
            Err(error) => {
                tracing::error!(reservation = %id, error = error_chain(&error), "a reservation that has run out cannot be read");
                continue;
            }
        };
        let due =
            known.stored.reservation.state == ReservationState::Held && !known.stored.holds_at(now);
        if !due {
            continue;
        }
        let cause = sweep(known.stored.company.clone(), now);
        let (change, movement) = end(known, ReservationState::Expired, "reservation.expired")
            .map_err(|problem| StoreError::Failed(problem.into()))?;
        let commit = Commit {
            cause: Some(cause),
            changes: vec![change],
            stock: vec![movement],
            ..Commit::default()
        };
        match crash_points::RESERVATION_EXPIRE
            .run(store.commit(commit))
            .await
        {
            Ok(_) => ended = ended.saturating_add(1),
            Err(StoreError::VersionConflict { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(ended)
}

fn sweep(company: CompanyId, at: Timestamp) -> Cause {
    let scope = RequestScope::current();
    let trace = scope
        .as_ref()
        .map_or_else(TraceContext::generate, |scope| scope.trace.clone());
    Cause {
        company,
        at,
        principal: "process-apis".to_owned(),
        channel: "process".to_owned(),
        correlation_id: scope.map_or_else(
            || Uuid::now_v7().to_string(),
            |scope| scope.correlation_id.clone(),
        ),
        traceparent: trace.traceparent(),
    }
}

/// Quantities by item, as decimal text.
mod units {
    use std::collections::BTreeMap;

    use canonical_model::{ItemNumber, decimal};
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        units: &BTreeMap<ItemNumber, Decimal>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        let texts: BTreeMap<&ItemNumber, String> = units
            .iter()
            .map(|(item, quantity)| (item, quantity.to_string()))
            .collect();
        texts.serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<BTreeMap<ItemNumber, Decimal>, D::Error> {
        let texts = BTreeMap::<ItemNumber, String>::deserialize(input)?;
        let parsed = texts
            .into_iter()
            .map(|(item, text)| Ok((item, decimal::parse(&text)?)));
        parsed
            .collect::<Result<_, decimal::InvalidDecimal>>()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
