//! What the log holds of a visit: nothing that opens it.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit as Fields},
    span,
};

use super::*;

/// Everything that is traced, at every level.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<String>>);

impl Fields for Tape {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl Subscriber for Tape {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

#[tokio::test]
async fn no_ticket_is_in_the_log() {
    let world = World::new().await;
    let tape = Tape::default();
    let _guard = tracing::subscriber::set_default(tape.clone());
    let start = world.open(oci("create", bolts("1"))).await;
    let first = world.get(&start).await.location();
    world.get(&start).await;
    let base = &format!("{}/", first.rsplit_once('/').unwrap().0);
    world.stub.down.lock().unwrap().push("prices");
    for page in [
        "",
        "cart",
        "product?item=SKU-0001",
        "product?item=none",
        "return",
        "nowhere",
        "?q=secret-search",
    ] {
        world.get(&format!("{base}{page}")).await;
    }
    world
        .post(&format!("{base}cart"), &[("EA:SKU-0001", "x")])
        .await;
    world.post(&format!("{base}return"), &[]).await;
    let bad = base.replace('.', "-");
    world.get(&bad).await;
    let log = tape.0.lock().unwrap().clone();
    assert!(
        log.contains("/punchout/shop/{partner}/{visit}/cart"),
        "{log}"
    );
    for path in [&*start, &**base] {
        let ticket = path.trim_end_matches('/').rsplit('/').next().unwrap();
        let hash = ticket.split_once('.').unwrap().1;
        assert!(!log.contains(hash), "{log}");
    }
    assert!(!log.contains("secret-search"), "{log}");
}
