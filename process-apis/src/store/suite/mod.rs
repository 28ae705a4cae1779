//! What every store must do, whatever engine it is: each engine's tests run all of it by `store_suite!`.

pub(super) mod bounds;
pub(super) mod channel_twins;
pub(super) mod documents;
pub(super) mod effects;
pub(super) mod ledger_twins;
pub(super) mod ledgers;
pub(super) mod news;
pub(super) mod races;
pub(super) mod retention;
pub(super) mod sending;
pub(super) mod sessions;
pub(super) mod streams;
pub(super) mod subscriptions;

use std::sync::Arc;

use canonical_model::{
    AccountId, CompanyId, OrderId, OrderReference, PurchaseOrderNumber,
    order::{HoldKind, OrderStatus},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::{
    AuditEntry, Cause, Commit, IdempotencyAnswer, NewEvent, OrderRow, Owner, ReservationRow,
    StateRow, Store, StreamChange, StreamKind, Written,
};

/// Runs the suite: a test for each name, each on a store of its own that `$open` makes, given a directory. An `async`
/// one answers the store and what is to be dropped after it, or None where the test is skipped.
macro_rules! store_suite {
    (|$directory:ident| $open:expr) => {
        $crate::store::suite::store_suite!(async |$directory: &std::path::Path| Some((std::sync::Arc::new($open), ())));
    };
    ($open:expr) => {
        $crate::store::suite::store_suite! { $open;
            streams: a_stream_moves_by_its_expected_version, an_idempotency_key_has_one_answer,
                of_racing_orders_one_has_the_purchase_order, a_freed_purchase_order_can_be_used_again,
                orders_are_listed_newest_first_within_their_filters, the_feed_is_in_order, the_feed_is_filtered,
                no_position_is_given_again_after_the_store_was_set_back,
                the_feed_wakes_who_waits, one_failing_commit_does_not_spoil_others,
                facts_of_decisions_come_back_as_they_were,
                a_decision_that_is_there_already_is_no_contention, expired_reservations_are_found_oldest_first, held_reservations_are_of_one_account,
                what_has_expired_is_swept;
            ledgers: stock_is_right_before_during_and_after_the_confirmation, a_claim_on_a_future_receipt,
                a_parent_s_credit_is_not_taken_twice, a_hundred_units_go_to_a_hundred_claims,
                a_parent_s_last_credit_goes_to_so_many_and_no_more,
                a_release_comes_before_the_claim_that_needs_it,
                what_a_commit_gives_back_it_may_take_of_a_row_that_is_short, a_late_confirmation_ends_the_claim_at_once,
                what_the_source_may_count_already_is_known,
                a_forced_claim_is_taken_whatever_the_limit, a_failed_claim_leaves_nothing;
            bounds: concurrent_claims_never_pass_a_bound, what_an_owner_took_is_given_back_once,
                a_reached_bound_leaves_nothing_of_the_commit, sums_are_of_one_company_and_by_name;
            effects: effects_of_a_key_are_leased_one_at_a_time, the_oldest_that_is_due_comes_first_of_all_keys,
                a_long_queue_of_one_key_comes_one_at_a_time_in_its_order, an_expired_lease_is_taken_over,
                attempts_are_counted_by_compare_and_set, outcomes_need_the_lease, a_stopped_effect_waits_until_it_is_resumed,
                what_is_parked_waits_until_it_is_woken_oldest_first, what_is_parked_is_woken_by_the_gate_at_which_it_waits,
                what_is_on_its_way_into_an_erp_is_counted,
                whoever_leases_is_told_that_the_store_was_set_back;
            races: units_are_raced_for, credit_is_raced_for, a_key_is_raced_for, a_document_is_raced_for,
                control_numbers_are_raced_for, sessions_are_raced_for, leases_are_raced_for;
            documents: a_document_is_stored_once, control_numbers_rise_and_a_second_lease_keeps_them,
                an_answer_is_said_once, a_document_is_rendered_and_delivered, documents_are_leased_within_their_scope,
                a_refused_commit_tells_the_document_as_it_stood_before, what_a_refused_commit_held_is_swept_at_once;
            sending: documents_of_an_order_are_sent_one_after_the_other, a_document_put_off_or_refused_counts_for_its_order,
                a_rendered_document_is_free_to_be_sent_within_its_channel;
            sessions: a_session_is_opened_once, a_refused_commit_tells_the_session_as_it_stood_before, of_concurrent_changes_of_a_session_one_is_made, a_session_ends_by_the_clock,
                sessions_are_found_by_key_newest_first, a_partner_has_so_many_living_sessions_and_no_more,
                ended_sessions_are_swept_some_time_later;
            subscriptions: a_subscription_is_changed_by_who_has_read_it, subscriptions_are_counted_and_listed_by_account,
                a_subscription_with_news_is_leased_to_one, failing_subscriptions_do_not_take_the_room_of_others,
                what_waits_is_leased_when_it_is_due, a_change_undoes_the_round_it_meets,
                a_rewind_forgets_what_failed_after_it, a_disabled_subscription_begins_anew_where_it_stopped,
                a_change_that_is_no_new_beginning_leaves_the_times, of_an_order_one_event_waits,
                dead_letters_are_kept_for_a_time;
            news: a_cursor_moves_from_where_it_stands_or_nothing_happens, of_racing_readers_one_moves_the_cursor,
                parked_news_are_replaced_by_newer_ones_only, parked_news_that_are_due_are_taken_by_one,
                quarantined_news_are_listed_until_a_person_puts_them_aside, no_more_news_wait_than_may,
                an_order_is_found_by_its_reference;
            retention: what_ended_is_removed_and_what_stands_is_not, what_waits_for_a_person_is_not_removed,
                decisions_go_with_what_they_are_about;
        }
    };
    ($open:expr; $($module:ident: $($name:ident),+;)+) => { $($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            if let Some((store, _kept)) = ($open)(directory.path()).await {
                $crate::store::suite::$module::$name(store).await;
            }
        }
    )+)+ };
}
pub(super) use store_suite;

type Shared = Arc<dyn Store>;

fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(second)
}

fn company() -> CompanyId {
    CompanyId::new("US01").unwrap()
}

fn account(number: &str) -> AccountId {
    AccountId::new(number).unwrap()
}

fn cause(second: i64) -> Cause {
    Cause {
        company: company(),
        at: at(second),
        principal: "buyer@example.com".to_owned(),
        channel: "portal".to_owned(),
        correlation_id: "c-1".to_owned(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
    }
}

/// A commit that says its cause and nothing else.
fn empty(second: i64) -> Commit {
    Commit {
        cause: Some(cause(second)),
        ..Commit::default()
    }
}

fn event(event_type: &'static str) -> NewEvent {
    NewEvent {
        event_type,
        type_version: 1,
        data: Written::of(&json!({"what": event_type})).unwrap(),
    }
}

fn order_change(id: Uuid, expected_version: u64, purchase_order: &str) -> StreamChange {
    StreamChange {
        kind: StreamKind::Order,
        id,
        expected_version,
        account: account("A-1"),
        events: vec![event("order.received")],
        row: StateRow::Order(OrderRow {
            state: Written::of(&json!({"order": id, "after": expected_version + 1})).unwrap(),
            reference: OrderReference::of(OrderId(id)),
            purchase_order_number: PurchaseOrderNumber::new(purchase_order).unwrap(),
            release_number: None,
            holds_purchase_order: true,
            status: OrderStatus::Received,
            holds: Vec::new(),
        }),
    }
}

/// Changes the order's row before it is committed.
fn with_row(mut change: StreamChange, edit: impl FnOnce(&mut OrderRow)) -> StreamChange {
    if let StateRow::Order(row) = &mut change.row {
        edit(row);
    }
    change
}

pub(super) fn order(id: Uuid, expected_version: u64, purchase_order: &str) -> Commit {
    Commit {
        changes: vec![order_change(id, expected_version, purchase_order)],
        ..empty(0)
    }
}

fn held(change: StreamChange, holds: &[HoldKind]) -> StreamChange {
    with_row(change, |row| {
        row.status = OrderStatus::Held;
        row.holds = holds.to_vec();
    })
}

fn reservation(id: Uuid, expires_at: Option<Timestamp>) -> Commit {
    let change = StreamChange {
        kind: StreamKind::Reservation,
        id,
        expected_version: 0,
        account: account("A-1"),
        events: vec![event("reservation.held")],
        row: StateRow::Reservation(ReservationRow {
            state: Written::of(&json!({})).unwrap(),
            expires_at,
        }),
    };
    Commit {
        changes: vec![change],
        ..empty(0)
    }
}

fn answer(key: &str, expires_at: Timestamp) -> IdempotencyAnswer {
    IdempotencyAnswer {
        scope: "US01/buyer/create_order".to_owned(),
        key: key.to_owned(),
        fingerprint: "f".repeat(64),
        status: 202,
        body: json!({"order_id": "1"}),
        subject: Some(Uuid::from_u128(1)),
        expires_at,
    }
}

fn audit(action: &str) -> AuditEntry {
    AuditEntry {
        action: action.to_owned(),
        subject: "order 1".to_owned(),
        detail: json!({"lines": 3}),
    }
}

fn owner(number: u128) -> Owner {
    Owner {
        kind: StreamKind::Order,
        id: Uuid::from_u128(number),
    }
}
