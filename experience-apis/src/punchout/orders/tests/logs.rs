//! Nothing that is logged holds a secret or a document.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{
    Ask, Line, World,
    buyer::Says,
    world::{OUR_SECRET, THEIR_SECRET},
};

/// Writes down every field of every event and span.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<String>>);

impl Visit for Recorder {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn no_secret_is_logged() {
    let recorder = Recorder::default();
    // With a single subscriber, a place that another test reaches first is asked nothing of ours.
    let second = tracing::Dispatch::new(Recorder::default());
    let guard = tracing::subscriber::set_default(recorder.clone());
    let world = World::new().await;
    let order = Ask::order("new", &[Line::default()]);
    world.post(order.text()).await;
    world
        .post(
            Ask {
                from: "AN01-OTHER",
                ..order.clone()
            }
            .text(),
        )
        .await;
    world
        .post(
            Ask {
                sender: "AN01-NOBODY",
                ..order.clone()
            }
            .text(),
        )
        .await;
    world.post(order.text().replace("</Sender>", "")).await;
    world.stub.owe_order("accepted", |_| ());
    for says in [Says::Http(500), Says::Text(OUR_SECRET.to_owned())] {
        world.buyer.says.lock().unwrap().push_back(says);
        world.confirm().await;
    }
    drop((guard, second));
    let logged = recorder.0.lock().unwrap().clone();
    assert!(
        logged.contains("a confirmation is sent again"),
        "it listens: {logged}"
    );
    assert!(logged.contains("cXML answered"), "{logged}");
    for secret in [THEIR_SECRET, OUR_SECRET] {
        assert!(!logged.contains(secret), "{logged}");
    }
    assert!(
        !logged.contains("<ItemOut") && !logged.contains("PurchaseOrder {"),
        "{logged}"
    );
}
