//! Every place at which a test may kill this layer: around each durable step and each call downward.
//!
//! With the feature `crash-points` the binary prints them (`process-apis crash-points`); without it none is compiled in.
//!
//! Whoever adds a commit or a call adds its points here, and runs it between them: `ORDER_TAKE.run(store.commit(…))`.
//! Those of an effect stand with its kind, in [`EffectKind::points`].

use service_runtime::{
    around_call, around_commit,
    crash::{Around, CrashPoint},
};

use crate::effects::EffectKind;

/// An order is taken, and its idempotency answer with it.
pub const ORDER_TAKE: Around = around_commit!("order.take");
/// The first answer is given to a repetition, and kept under its key.
pub const ORDER_REPEAT: Around = around_commit!("order.repeat");
/// A person's command on an order.
pub const ORDER_COMMAND: Around = around_commit!("order.command");
/// An order is to take the place of another.
pub const ORDER_REPLACE: Around = around_commit!("order.replace");
/// The first answer is given to a change that changes nothing.
pub const ORDER_REPLACE_REPEAT: Around = around_commit!("order.replace_repeat");
/// Stock is reserved.
pub const RESERVATION_TAKE: Around = around_commit!("reservation.take");
/// A reservation is given back.
pub const RESERVATION_RELEASE: Around = around_commit!("reservation.release");
/// A reservation has run out.
pub const RESERVATION_EXPIRE: Around = around_commit!("reservation.expire");
/// Prices are locked.
pub const QUOTE_LOCK: Around = around_commit!("quote.lock");
/// A newer stock figure is installed.
pub const STOCK_INSTALL: Around = around_commit!("stock.install");
/// A newer credit figure is installed.
pub const CREDIT_INSTALL: Around = around_commit!("credit.install");
/// An inbound document is stored, before anything is acknowledged.
pub const DOCUMENT_STORE: Around = around_commit!("document.store");
/// Documents are leased to a channel.
pub const DOCUMENT_LEASE: Around = around_commit!("document.lease");
/// A document is answered, rendered, delivered, postponed or refused.
pub const DOCUMENT_CHANGE: Around = around_commit!("document.change");
/// A channel's session changes.
pub const SESSION_CHANGE: Around = around_commit!("session.change");
/// News of a backend are taken.
pub const INTAKE_TAKE: Around = around_commit!("intake.take");
/// News that wait are leased, to be asked about.
pub const INTAKE_LEASE: Around = around_commit!("intake.lease");
/// A warehouse is asked how a shipment stands.
pub const SHIPMENT_PULL: Around = around_call!("intake.shipment");
/// What it said is taken.
pub const INTAKE_PULL: Around = around_commit!("intake.pull");
/// A person decides on news that fit no order.
pub const NEWS_COMMAND: Around = around_commit!("news.command");
/// A webhook subscription is made, changed or ended.
pub const SUBSCRIPTION_CHANGE: Around = around_commit!("subscription.change");
/// Subscriptions are leased to be served.
pub const WEBHOOK_LEASE: Around = around_commit!("webhook.lease");
/// An event is posted to a subscriber.
pub const WEBHOOK_SEND: Around = around_call!("webhook.send");
/// What a round of webhooks came to.
pub const WEBHOOK_SETTLE: Around = around_commit!("webhook.settle");
/// An instance takes the lease of the bus.
pub const BUS_LEASE: Around = around_commit!("bus.lease");
/// Events are sent to the bus, and confirmed by it.
pub const BUS_SEND: Around = around_call!("bus.send");
/// How far the bus has been published to is written down.
pub const BUS_SAVE: Around = around_commit!("bus.save");
/// Rows past their time are deleted.
pub const SWEEP: Around = around_commit!("housekeeping.sweep");
/// Effects are leased to a worker.
pub const EFFECT_LEASE: Around = around_commit!("effect.lease");
/// What an ERP can do is asked for an effect.
pub const CAPABILITIES: Around = around_call!("effect.capabilities");

/// Those that belong to no effect.
const STEPS: &[Around] = &[
    ORDER_TAKE,
    ORDER_REPEAT,
    ORDER_COMMAND,
    ORDER_REPLACE,
    ORDER_REPLACE_REPEAT,
    RESERVATION_TAKE,
    RESERVATION_RELEASE,
    RESERVATION_EXPIRE,
    QUOTE_LOCK,
    STOCK_INSTALL,
    CREDIT_INSTALL,
    DOCUMENT_STORE,
    DOCUMENT_LEASE,
    DOCUMENT_CHANGE,
    SESSION_CHANGE,
    INTAKE_TAKE,
    INTAKE_LEASE,
    SHIPMENT_PULL,
    INTAKE_PULL,
    NEWS_COMMAND,
    SUBSCRIPTION_CHANGE,
    WEBHOOK_LEASE,
    WEBHOOK_SEND,
    WEBHOOK_SETTLE,
    BUS_LEASE,
    BUS_SEND,
    BUS_SAVE,
    SWEEP,
    EFFECT_LEASE,
    CAPABILITIES,
];

/// All of them.
pub fn all() -> Vec<CrashPoint> {
    let effects = EffectKind::ALL.iter().flat_map(|kind| kind.points().all());
    let steps = STEPS.iter().copied().chain(effects);
    steps.flat_map(Around::both).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), all.len());
    }
}
