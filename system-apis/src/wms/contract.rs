//! What every WMS connector must do against a live server, whatever the WMS: run [`run`], [`breaks`] and [`lies`] from the
//! connector's own tests.
//!
//! The world says which numbers exist there; nothing else of the server is assumed. What the connector can do is printed.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Uri, header},
    response::IntoResponse,
};
use canonical_model::{
    ErpOrderNumber, ItemNumber, OrderReference, PurchaseOrderNumber, Quantity, ShipToId,
    ShipmentNumber, SiteId, UnitOfMeasure,
    account::Address,
    capabilities::ReleaseClass,
    fulfilment::{CreateWarehouseRelease, WarehouseReleaseLine, WarehouseReleaseState},
    shipment::ShipmentNews,
};
use jiff::civil::Date;
use rust_decimal::{Decimal, dec};
use sandbox::fault::{Fault, FaultConfig, FaultPlan, FaultProxy, FaultRule};
use service_runtime::http_client::backend_client;

use super::connector::{NewsPath, ReleasedLine, WmsConnector};
use crate::{
    connector::ConnectorError,
    intake::feed::{Change, ChangeFeed, From, Position, Stamp, Told},
};

/// What exists on the server.
pub(crate) struct World {
    pub(crate) site: SiteId,
    /// Another site of it.
    pub(crate) other_site: SiteId,
    /// Kept in pieces there, and enough of it.
    pub(crate) item: ItemNumber,
    pub(crate) ship_to: ShipToId,
    pub(crate) ship_date: Date,
    /// Stands in the references of this run: a server may have seen others. Letters and digits.
    pub(crate) run: String,
    /// How many calls a create makes before the one that creates, and after it until the release is one.
    pub(crate) calls_before_create: usize,
    /// Whether what is created counts as a release at once; if not, its next create finds it.
    pub(crate) is_one_step: bool,
    /// A key without which a release in an answer makes no sense, as it stands there.
    pub(crate) needed_key: &'static str,
    /// Who works there.
    pub(crate) floor: Box<dyn Floor>,
}

/// People who work on a release.
#[async_trait]
pub(crate) trait Floor: Send + Sync {
    /// Picks so much of its only line.
    async fn pick(&self, release: &str, quantity: Decimal);
    /// Packs what is picked.
    async fn pack(&self, release: &str);
    /// Lets go what is packed.
    async fn ship(&self, release: &str);
}

impl World {
    fn release(&self, name: &str) -> CreateWarehouseRelease {
        let order = format!("OW{}{name}", self.run);
        CreateWarehouseRelease {
            release_reference: format!("{order}-{}", self.site),
            order_reference: OrderReference::new(order).unwrap(),
            sales_order_number: ErpOrderNumber::new("0000100001").unwrap(),
            purchase_order_number: PurchaseOrderNumber::new("PO-4711").unwrap(),
            site: self.site.clone(),
            ship_to_name: "Acme Plant 1".to_owned(),
            ship_to_id: self.ship_to.clone(),
            ship_to: Address {
                lines: vec!["1 Plant Rd".to_owned()],
                city: "Columbus".to_owned(),
                region: Some("OH".to_owned()),
                postal_code: Some("43004".to_owned()),
                country: "US".to_owned(),
            },
            lines: vec![WarehouseReleaseLine {
                order_line: 7,
                item: self.item.clone(),
                quantity: Quantity::new(dec!(12), UnitOfMeasure::EACH),
                ship_date: self.ship_date,
            }],
        }
    }
}

/// Checks everything that an undisturbed server must do.
pub(crate) async fn run(wms: Arc<dyn WmsConnector>, world: &World) {
    println!("{:#?}", wms.capabilities());
    releases(wms.as_ref(), world).await;
    refusals(wms.as_ref(), world).await;
    let told = floor(wms.as_ref(), world).await;
    let feed = Arc::clone(&wms).change_feed();
    let declared = wms.capabilities().news;
    assert_eq!(feed.is_some(), declared == NewsPath::ChangeFeed);
    if let Some(feed) = feed {
        changes(feed.as_ref(), &told).await;
    }
}

async fn releases(wms: &dyn WmsConnector, world: &World) {
    let wanted = world.release("R");
    let reference = wanted.release_reference.as_str();
    assert!(wms.find_releases(reference).await.unwrap().is_empty());
    let first = wms.create_release(&wanted).await.unwrap();
    assert_eq!(first.release_reference, wanted.release_reference);
    assert_eq!(
        (&first.site, first.state),
        (&world.site, WarehouseReleaseState::Released)
    );
    // Another whose reference goes on where this one ends.
    let mut longer = world.release("R");
    longer.release_reference.push('2');
    wms.create_release(&longer).await.unwrap();

    let second = wms.create_release(&wanted).await;
    let found = wms.find_releases(reference).await.unwrap();
    for record in &found {
        assert_eq!(record.lines, ReleasedLine::wanted(&wanted), "as asked for");
    }
    let found: Vec<_> = found.into_iter().map(|record| record.release).collect();
    match (wms.capabilities().release_class, second) {
        (ReleaseClass::Unique, Err(ConnectorError::Conflict { existing })) => {
            assert_eq!(existing, first.number);
            assert_eq!(found, [first]);
        }
        (ReleaseClass::Searchable | ReleaseClass::Blind, Ok(second)) => {
            assert_eq!(found, [first, second], "lowest first")
        }
        (class, second) => panic!("it is {class:?}, but a second create gave {second:?}"),
    }
}

/// What a person has to look at is refused with a sentence, and nothing is made.
async fn refusals(wms: &dyn WmsConnector, world: &World) {
    let mut item = world.release("I");
    item.lines[0].item = ItemNumber::new("NO-SUCH-ITEM").unwrap();
    let mut site = world.release("S");
    site.site = SiteId::new("NOWHERE").unwrap();
    let mut unit = world.release("U");
    unit.lines[0].quantity = Quantity::new(dec!(12), UnitOfMeasure::from_code("KGM").unwrap());
    for release in [item, site, unit] {
        let refused = wms.create_release(&release).await.unwrap_err();
        assert!(
            matches!(&refused, ConnectorError::Rejected { message } if !message.is_empty()),
            "{refused:?}"
        );
        let found = wms.find_releases(&release.release_reference).await;
        assert!(found.unwrap().is_empty());
    }
    let nobodys = ShipmentNumber::new("999999999").unwrap();
    let missing = wms.shipment(&nobodys).await.unwrap_err();
    assert!(matches!(missing, ConnectorError::NotFound), "{missing:?}");
}

/// Picked short, packed and shipped: how the shipment stands after each step.
async fn floor(wms: &dyn WmsConnector, world: &World) -> Vec<ShipmentNews> {
    let wanted = world.release("F");
    let release = wms.create_release(&wanted).await.unwrap();
    let number = release.number.as_str();
    let mut told: Vec<ShipmentNews> = Vec::new();
    for (step, state) in [
        WarehouseReleaseState::InProgress,
        WarehouseReleaseState::InProgress,
        WarehouseReleaseState::Shipped,
    ]
    .into_iter()
    .enumerate()
    {
        match step {
            0 => world.floor.pick(number, dec!(10)).await,
            1 => world.floor.pack(number).await,
            _ => world.floor.ship(number).await,
        }
        let shipment = told.last().map_or_else(
            || world_shipment(number),
            |last: &ShipmentNews| last.shipment.clone(),
        );
        let now = wms.shipment(&shipment).await.unwrap();
        assert_eq!(now.order_reference, wanted.order_reference);
        assert_eq!(
            (&now.site, now.release_number.as_deref()),
            (&world.site, Some(number))
        );
        let [line] = now.lines.as_slice() else {
            panic!("{now:?}")
        };
        assert_eq!(
            (line.line, &line.item, line.unit),
            (7, &world.item, UnitOfMeasure::EACH)
        );
        let so_far = |least: usize| if step < least { dec!(0) } else { dec!(10) };
        assert_eq!(
            (line.picked, line.packed, line.shipped),
            (dec!(10), so_far(1), so_far(2)),
            "short: {now:?}"
        );
        assert!(told.last().is_none_or(|last| last.version < now.version));
        told.push(now);
        if step != 2 || state != WarehouseReleaseState::Shipped {
            let found = wms.find_releases(&wanted.release_reference).await.unwrap();
            assert_eq!(found[0].release.state, state);
            assert!(found[0].is_for(&wanted), "what was asked for stays");
        }
    }
    told
}

/// The number of a release's first shipment.
fn world_shipment(release: &str) -> ShipmentNumber {
    let text = release
        .strip_prefix("PR-")
        .map_or_else(|| release.to_owned(), |number| format!("SH-{number}-1"));
    ShipmentNumber::new(text).unwrap()
}

/// Everything from there on, page by page: each place once, in order.
async fn all_changes(feed: &dyn ChangeFeed, mut from: From) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    loop {
        let page = feed.changes(&from).await.unwrap();
        let last = page.changes.last().map(|last| last.at.clone());
        all.extend(page.changes);
        match last.filter(|_| page.more) {
            Some(last) => from = From::After(last),
            None => return all,
        }
    }
}

async fn changes(feed: &dyn ChangeFeed, told: &[ShipmentNews]) {
    let last = told.last().unwrap();
    let holds = |all: &[Change]| {
        let found = all.iter().filter(
            |change| matches!(&change.told, Told::Shipment(news) if news.shipment == last.shipment),
        );
        found.cloned().collect::<Vec<_>>()
    };
    let all = all_changes(feed, From::Beginning).await;
    assert!(all.is_sorted_by_key(|change| change.at.stamp));
    let found = holds(&all);
    let [change] = found.as_slice() else {
        panic!("once, as it is now: {found:?}")
    };
    assert_eq!(change.told, Told::Shipment(Box::new(last.clone())));
    let Position { stamp, .. } = change.at;
    let since = all_changes(feed, From::Since(stamp)).await;
    assert_eq!(holds(&since).len(), 1, "from its stamp on");
    assert!(since.len() <= all.len());
    let after = all_changes(feed, From::After(change.at.clone())).await;
    assert!(holds(&after).is_empty(), "after its place");
    let later = all_changes(feed, From::Since(Stamp(stamp.0 + 1))).await;
    assert!(holds(&later).is_empty(), "after its stamp");
    let nobodys = ShipmentNumber::new("999999999").unwrap();
    let sought = [nobodys.clone(), last.shipment.clone()];
    assert_eq!(feed.missing(&sought).await.unwrap(), [nobodys]);
}

fn always(fault: Fault, skip: usize) -> FaultPlan {
    let rule = FaultRule {
        skip: u64::try_from(skip).unwrap(),
        ..FaultRule::new("", fault)
    };
    FaultPlan::of_rules(vec![rule])
}

/// Breaks the call that creates in every way, and then a read: what may have been done is unknown, a read is just
/// unavailable; and after looking, at most one more create leads to exactly one release. `connect` makes a connector to an
/// address with a time-out of some seconds.
pub(crate) async fn breaks(
    connect: impl Fn(&str) -> Arc<dyn WmsConnector>,
    upstream: &str,
    world: &World,
) {
    let status = |status| Fault::Status {
        status,
        retry_after_s: Some(3),
    };
    // What the connector must say of a create, and whether it was done there.
    let cases = [
        ("L", Fault::DropAfterCommit, "outcome_unknown", true),
        (
            "C",
            Fault::Truncate { at: Some(5) },
            "outcome_unknown",
            true,
        ),
        ("D", Fault::DropConnection, "outcome_unknown", false),
        ("O", status(503), "outcome_unknown", false),
        ("T", status(429), "throttled", false),
    ];
    for (name, fault, create_class, done) in cases {
        let proxy = FaultProxy::start(upstream, FaultConfig::default())
            .await
            .unwrap();
        let wms = connect(&proxy.url());
        let wanted = world.release(name);
        let reference = wanted.release_reference.as_str();
        // With what it looks up once.
        assert!(wms.find_releases(reference).await.unwrap().is_empty());
        let plan = always(fault.clone(), world.calls_before_create);
        proxy.set_plan(plan).unwrap();
        let create = wms.create_release(&wanted).await.unwrap_err();
        assert_eq!(create.outcome(), create_class, "{name}: {create:?}");
        proxy.set_plan(always(fault, 0)).unwrap();
        let read = wms.find_releases(reference).await.unwrap_err();
        let read_class = if name == "T" {
            "throttled"
        } else {
            "unavailable"
        };
        assert_eq!(read.outcome(), read_class, "{name}: {read:?}");
        for error in [create, read] {
            if let ConnectorError::Throttled { retry_after } = error {
                assert_eq!(retry_after, Some(std::time::Duration::from_secs(3)));
            }
        }
        proxy.set_plan(FaultPlan::default()).unwrap();
        let found = wms.find_releases(reference).await.unwrap();
        assert_eq!(
            found.len(),
            usize::from(done && world.is_one_step),
            "{name}"
        );
        if found.is_empty() {
            wms.create_release(&wanted).await.unwrap();
        }
        let found = wms.find_releases(reference).await.unwrap();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(found[0].is_for(&wanted));
    }
}

/// What a server answers that does not tell the truth.
#[derive(Clone)]
struct Liar {
    http: reqwest::Client,
    upstream: String,
    lie: Arc<dyn Fn(String) -> String + Send + Sync>,
}

impl Liar {
    async fn start(
        upstream: &str,
        lie: impl Fn(String) -> String + Send + Sync + 'static,
    ) -> String {
        let liar = Self {
            http: backend_client(&Default::default()).unwrap(),
            upstream: upstream.trim_end_matches('/').to_owned(),
            lie: Arc::new(lie),
        };
        let router = Router::new().fallback(answer).with_state(liar);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }
}

async fn answer(
    State(liar): State<Liar>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let url = format!("{}{uri}", liar.upstream);
    let mut request = liar.http.request(method, url).body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let told = request.send().await.unwrap();
    let status = told.status();
    let text = (liar.lie)(told.text().await.unwrap());
    (status, [(header::CONTENT_TYPE, "application/json")], text)
}

/// Answers for somebody else, without what is needed, and without end.
pub(crate) async fn lies(
    connect: impl Fn(&str) -> Arc<dyn WmsConnector>,
    upstream: &str,
    world: &World,
) {
    let wanted = world.release("W");
    let reference = wanted.release_reference.clone();
    let honest = connect(upstream);
    let release = honest.create_release(&wanted).await.unwrap();

    let (here, there) = (
        format!("\"{}\"", world.site),
        format!("\"{}\"", world.other_site),
    );
    let elsewhere = Liar::start(upstream, move |told| told.replace(&here, &there)).await;
    let found = connect(&elsewhere).find_releases(&reference).await.unwrap();
    assert_eq!(found[0].release.site, world.other_site, "as it is told");
    assert!(!found[0].is_for(&wanted), "and it is not what was wanted");

    let key = world.needed_key;
    let without = Liar::start(upstream, move |told| told.replace(key, "\"unheard_of\"")).await;
    let nonsense = connect(&without)
        .find_releases(&reference)
        .await
        .unwrap_err();
    assert_eq!(nonsense.outcome(), "protocol", "{nonsense:?}");

    let (asked, other) = (
        wanted.order_reference.to_string(),
        world.release("V").order_reference,
    );
    let mixed_up = Liar::start(upstream, move |told| told.replace(&asked, other.as_str())).await;
    let others = connect(&mixed_up).find_releases(&reference).await;
    assert!(
        others
            .as_ref()
            .map_or_else(|error| error.outcome() == "protocol", Vec::is_empty),
        "{others:?}"
    );

    let endless = Liar::start(upstream, |told| told + &" ".repeat(9 * 1024 * 1024)).await;
    let endless = connect(&endless)
        .find_releases(&reference)
        .await
        .unwrap_err();
    assert_eq!(endless.outcome(), "protocol", "{endless:?}");

    let found = honest.find_releases(&reference).await.unwrap();
    assert_eq!(found[0].release, release, "and nothing has changed");
}
