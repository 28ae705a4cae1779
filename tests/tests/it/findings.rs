//! What the suites of wrong input share: a world without rate limits, problems checked as a caller reads them, and what
//! "nothing was done" means.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{
        AccountScope, CONTEXT_HEADER, CallContext, ContextKeys, ContextSigner, Hop, LayerIdentity,
    },
};
use tests::{Answer, PortalUser, Setup, World};

/// The key of the hop from experience-apis to process-apis, as the estate sets it.
pub(crate) const EXPERIENCE_TO_PROCESS: &str = "development-only-experience-to-process-key";
/// The key of the hop from process-apis to system-apis, as config/ has it.
pub(crate) const PROCESS_TO_SYSTEM: &str = "development-only-process-to-system-key";

/// The same setup for callers that may ask as often as a suite needs.
pub(crate) fn generous(setup: Setup) -> Setup {
    ["CREDENTIAL", "ACCOUNT"].iter().fold(setup, |setup, kind| {
        let name = |key: &str| format!("ORDERWAY_EXPERIENCE__LIMITS__{kind}__{key}");
        setup
            .with(&name("PER_SECOND"), "100000")
            .with(&name("BURST"), "100000")
    })
}

/// A default world without rate limits.
pub(crate) async fn generous_world() -> World {
    World::start_with(generous(Setup::default())).await.unwrap()
}

/// Sends it, and gives the answer whatever it is.
pub(crate) async fn answer_of(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer {
        status,
        headers,
        text: response.text().await.unwrap(),
    }
}

/// What is wrong with an answer that should be this problem; empty = nothing.
fn faults_of_problem(answer: &Answer, status: u16, code: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut expect = |what: &str, holds: bool| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    expect(
        &format!("the status should be {status}"),
        answer.status.as_u16() == status,
    );
    expect(
        "it should be problem+json",
        answer.header("content-type") == "application/problem+json",
    );
    expect(&format!("the code should be {code}"), text("code") == code);
    expect(
        "its type should name the page",
        text("type") == format!("/errors/{code}"),
    );
    expect(
        "its status should be the answer's",
        body["status"] == json!(answer.status.as_u16()),
    );
    expect("its title should say something", !text("title").is_empty());
    expect(
        "its detail should be a sentence",
        text("detail").split(' ').count() >= 4,
    );
    expect(
        "it should say whether to repeat it",
        body["retryable"].is_boolean(),
    );
    let correlation = answer.header("orderway-correlation-id");
    expect(
        "it should carry its id",
        !correlation.is_empty() && text("correlation_id") == correlation,
    );
    if !faults.is_empty() {
        faults.push(format!(
            "answered {}: {}",
            answer.status,
            shortened(&answer.text)
        ));
    }
    faults
}

/// The beginning of a text, for a message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(600).collect()
}

/// Collects what was not as it should be, each under the name of its case.
#[derive(Default)]
pub(crate) struct Findings(Vec<String>);

impl Findings {
    /// An answer that should be this problem; true if it is.
    pub(crate) fn problem(&mut self, case: &str, answer: &Answer, status: u16, code: &str) -> bool {
        let faults = faults_of_problem(answer, status, code);
        let sound = faults.is_empty();
        if !sound {
            self.0.push(format!("{case}: {}", faults.join("; ")));
        }
        sound
    }

    /// Something that should hold.
    pub(crate) fn check(&mut self, case: &str, holds: bool, otherwise: impl Into<String>) {
        if !holds {
            self.0.push(format!("{case}: {}", otherwise.into()));
        }
    }

    /// Fails if there is anything.
    pub(crate) fn none(self) {
        assert!(
            self.0.is_empty(),
            "{} findings:\n{}",
            self.0.len(),
            self.0.join("\n")
        );
    }
}

/// What a suite that should do nothing leaves as it was: what is shown of stock and credit, and what is recorded.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    pub(crate) erp_orders: usize,
    pub(crate) erp_creates: u64,
    pub(crate) pick_requests: usize,
    pub(crate) orders_listed: Value,
    pub(crate) events: Value,
    pub(crate) available: Vec<String>,
    pub(crate) credit_used: String,
}

/// Reads what has been done so far, for an account and some items.
pub(crate) async fn trace_of(
    world: &World,
    user: &PortalUser,
    account: &str,
    items: &[&str],
) -> Trace {
    let mut available = Vec::new();
    for item in items {
        let product = user.get(&format!("/products/{item}")).await.unwrap();
        available.push(format!(
            "{item}: {}",
            product.at("/availability/available_now")
        ));
    }
    let orders = user.get("/orders?limit=200").await.unwrap();
    assert_eq!(orders.status, 200, "{}", orders.text);
    let credit = user
        .get(&format!("/accounts/{account}/credit"))
        .await
        .unwrap();
    assert_eq!(credit.status, 200, "{}", credit.text);
    Trace {
        erp_orders: world.estate.sandbox.erp.orders().len(),
        erp_creates: world.estate.sandbox.erp.calls_of("SALESORDER_CREATE"),
        pick_requests: world.estate.sandbox.wms.pick_requests().len(),
        orders_listed: orders.json()["items"].clone(),
        events: events(world).await,
        available,
        credit_used: credit.at("/used/amount"),
    }
}

/// The whole event log, as experience-apis read it.
async fn events(world: &World) -> Value {
    let hop = Hop {
        from: LayerIdentity::ExperienceApis,
        to: LayerIdentity::ProcessApis,
    };
    let url = format!("{}/v1/events?limit=200", world.estate.process_url);
    let context = signed(hop, EXPERIENCE_TO_PROCESS);
    let answer = answer_of(world.http.get(url).header(CONTEXT_HEADER, context)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["events"].clone()
}

/// A context that allows everything, signed for a hop with a key, right or wrong.
pub(crate) fn signed(hop: Hop, key: &str) -> String {
    signed_at(hop, key, Clock::system())
}

/// The same, at another time.
pub(crate) fn signed_at(hop: Hop, key: &str, clock: Clock) -> String {
    let scopes = [
        "events:read",
        "feed:all",
        "orders:read",
        "orders:write",
        "catalog:read",
        "accounts:read",
    ];
    let scopes = scopes.map(str::to_owned).to_vec();
    signed_for(hop, key, clock, (AccountScope::All, scopes))
}

/// A context for some accounts that allows so much, at a time.
pub(crate) fn signed_for(
    hop: Hop,
    key: &str,
    clock: Clock,
    (accounts, scopes): (AccountScope, Vec<String>),
) -> String {
    let deadline = clock
        .now()
        .saturating_add(jiff::SignedDuration::from_secs(30))
        .unwrap();
    let keys = ContextKeys::new(&Secret::from(key.to_owned()), None).unwrap();
    let context = CallContext {
        principal: "tests".to_owned(),
        accounts,
        company: Some("NWI".to_owned()),
        channel: "portal".to_owned(),
        scopes,
        correlation_id: "tests".to_owned(),
        deadline,
        remaining_ms: 30_000,
        layer: hop.from,
    };
    ContextSigner::new(hop, keys, clock).sign(&context).unwrap()
}
