//! A live Tryton whose masters are changed by somebody else: what the layer has cached of them is told no longer.

use std::time::Duration;

use canonical_model::{AccountId, ItemNumber};
use serde::Deserialize;
use serde_json::{Value, json};
use service_runtime::config::HumanDuration;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    bus_tests::Server,
    config::Config,
    erp::{
        config::ErpConnectorConfig,
        connectors::tryton::{client::TrytonErpConnector, config::TrytonErp},
        feed::{MasterFeed, Of, Part},
    },
    intake::feed::Stamp,
    tests::Layer,
    transport::Effect,
    tryton::{
        Context, Search, Tryton,
        live::{Live, live},
    },
};

/// No other test asks for it.
const ITEM: &str = "SKU-0166";
/// Liveness only; far less than the five minutes for which a price is fresh.
const PATIENCE: Duration = Duration::from_secs(60);
/// They change the same price.
static ALONE: Mutex<()> = Mutex::const_new(());

#[derive(Deserialize)]
struct Line {
    id: i64,
    formula: String,
}

/// A person who keeps the price list.
struct Clerk {
    tryton: Tryton,
    context: Context,
    line: Line,
    _alone: MutexGuard<'static, ()>,
}

impl Clerk {
    async fn of(live: &Live) -> Self {
        let alone = ALONE.lock().await;
        let tryton = Tryton::new(&live.administrator("erp")).unwrap();
        let context = tryton.context().await.unwrap();
        // For any quantity, on the list that BOREALIS has.
        let domain = json!([
            ["product.code", "=", ITEM],
            ["price_list.name", "=", "RETAIL"],
            ["quantity", "=", null]
        ]);
        let search = Search::of(domain, 1, &["formula"]);
        let lines: Vec<Line> = tryton
            .search_read("product.price_list.line", &search, &context)
            .await
            .unwrap();
        let line = lines.into_iter().next().unwrap();
        Self {
            tryton,
            context,
            line,
            _alone: alone,
        }
    }

    async fn says(&self, formula: &str) {
        let line = [self.line.id];
        let values = json!({"formula": formula});
        self.tryton
            .write("product.price_list.line", &line, &values, &self.context)
            .await
            .unwrap();
    }

    /// Puts the price back, whatever came of it.
    async fn around<T>(self, work: impl AsyncFnOnce(&Self) -> T) -> T {
        let worked =
            futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(work(&self)));
        let worked = worked.await;
        self.says(&self.line.formula).await;
        worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// An instance before this Tryton, with all that runs beside its requests.
async fn instance(live: &Live, change: impl FnOnce(&mut Config)) -> Layer {
    let server = live.server("erp");
    let mut layer = Layer::changed(|config| {
        let erp = config.erp.get_mut("main").unwrap();
        erp.connector = ErpConnectorConfig::Tryton(TrytonErp::at(server));
        erp.read_timeout = HumanDuration::from_secs(60);
        erp.changes.interval = HumanDuration::from_millis(200);
        change(config);
    })
    .await;
    let background = layer.background.take().unwrap();
    tokio::spawn(background.run(CancellationToken::new()));
    layer
}

/// What one of them costs, and whether that was told from the cache.
async fn price(layer: &Layer) -> (String, bool) {
    let query = json!({"account": "BOREALIS", "items": [ITEM]});
    let answer = layer.post("/v1/companies/NWI/prices/query", &query).await;
    let kept = answer.headers()["cache-status"].to_str().unwrap() == "system-apis; hit";
    let answer: Value = answer.json().await.unwrap();
    let price = answer.pointer("/schedules/0/records/0/unit_price");
    let price = price.and_then(Value::as_str);
    (price.unwrap_or_else(|| panic!("{answer}")).to_owned(), kept)
}

async fn until_it_costs(layer: &Layer, wanted: &str) {
    let patience = Instant::now() + PATIENCE;
    loop {
        let (price, _) = price(layer).await;
        if price == wanted {
            return;
        }
        assert!(Instant::now() < patience, "it still costs {price}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whoever asked for the price a moment ago is answered from the cache; nothing was thrown out meanwhile.
async fn until_it_is_kept(layer: &Layer) -> String {
    let patience = Instant::now() + PATIENCE;
    loop {
        let (price, kept) = price(layer).await;
        if kept {
            return price;
        }
        assert!(Instant::now() < patience, "it is never kept");
    }
}

#[tokio::test]
async fn a_price_that_was_changed_is_told_before_the_old_one_has_aged() {
    let Some(live) = live() else { return };
    let clerk = Clerk::of(&live).await;
    let layer = instance(&live, |_usual| {}).await;
    clerk
        .around(async |clerk| {
            let before = until_it_is_kept(&layer).await;
            assert_ne!(before, "4711.1");
            clerk.says("Decimal(\"4711.1\")").await;
            until_it_costs(&layer, "4711.1").await;
        })
        .await;
}

/// What is not read is told from the cache, so only the other can have told.
#[tokio::test]
async fn what_one_instance_reads_the_others_throw_out_too() {
    let (Some(live), Some(server)) = (live(), Server::start()) else {
        return;
    };
    let clerk = Clerk::of(&live).await;
    let reader = instance(&live, |config| config.bus = server.bus()).await;
    let other = instance(&live, |config| {
        config.bus = server.bus();
        let erp = config.erp.get_mut("main").unwrap();
        erp.changes.interval = HumanDuration::from_secs(0);
    })
    .await;
    clerk
        .around(async |clerk| {
            until_it_is_kept(&reader).await;
            until_it_is_kept(&other).await;
            clerk.says("Decimal(\"4712.1\")").await;
            until_it_costs(&other, "4712.1").await;
        })
        .await;
}

/// Somebody writes a record anew; the part of the feed that it belongs to tells whose it is.
async fn touched(
    clerk: &Clerk,
    feed: &dyn MasterFeed,
    part: &str,
    (model, domain, field): (&str, Value, &str),
    of: &Of,
) {
    let (tryton, context) = (&clerk.tryton, &clerk.context);
    let part = *feed.parts().iter().find(|one| one.name == part).unwrap();
    let fields = [field];
    let search = Search::of(domain, 1, &fields);
    let found: Vec<Value> = tryton.search_read(model, &search, context).await.unwrap();
    let before = feed.newest(part).await.unwrap().unwrap();
    let id = found[0]["id"].as_i64().unwrap();
    let values = json!({field: found[0][field]});
    tryton.write(model, &[id], &values, context).await.unwrap();
    told_once(feed, part, before, of).await;
}

/// It is told after that stamp, and not after its own.
async fn told_once(feed: &dyn MasterFeed, part: Part, before: Stamp, of: &Of) {
    let page = feed.changed(part, before).await.unwrap();
    assert!(!page.more, "{}: {} rows", part.name, page.rows.len());
    let mut stamps: Vec<Stamp> = page
        .rows
        .iter()
        .filter(|row| row.of == *of)
        .map(|row| row.at.stamp)
        .collect();
    stamps.sort_unstable();
    let told = *stamps.last().unwrap_or_else(|| panic!("{page:?}"));
    assert!(told > before, "{}: {page:?}", part.name);
    let rest = feed.changed(part, told).await.unwrap();
    assert!(rest.rows.iter().all(|row| row.at.stamp > told), "{rest:?}");
}

#[tokio::test]
async fn every_part_tells_whose_facts_have_changed() {
    let Some(live) = live() else { return };
    let clerk = Clerk::of(&live).await;
    let feed = TrytonErpConnector::new(&TrytonErp::at(live.server("erp"))).unwrap();
    let item = Of::Item(ItemNumber::new(ITEM).unwrap());
    let account = Of::Account(AccountId::new("BOREALIS").unwrap());
    let of = |field: &str, value: &str| json!([[field, "=", value]]);
    let retail = of("name", "RETAIL");
    let list = ("product.price_list", retail, "name");
    touched(&clerk, &feed, "price_lists", list, &Of::Everything).await;
    let line = (
        "product.price_list.line",
        of("product.code", ITEM),
        "formula",
    );
    touched(&clerk, &feed, "price_list_lines", line, &Of::Everything).await;
    let product = ("product.product", of("code", ITEM), "description");
    touched(&clerk, &feed, "products", product, &item).await;
    let template = ("product.template", of("code", ITEM), "name");
    touched(&clerk, &feed, "products", template, &item).await;
    let party = ("party.party", of("code", "BOREALIS"), "name");
    touched(&clerk, &feed, "parties", party, &account).await;
    let address = ("party.address", of("party.code", "BOREALIS"), "street");
    touched(&clerk, &feed, "parties", address, &account).await;

    // What is done cannot be written: a draft like it, which goes again.
    let part = *feed.parts().last().unwrap();
    let before = feed.newest(part).await.unwrap().unwrap();
    let fields = [
        "product",
        "unit",
        "from_location",
        "to_location",
        "company",
        "currency",
        "unit_price",
    ];
    let search = Search::of(of("product.code", ITEM), 1, &fields);
    let (tryton, context) = (&clerk.tryton, &clerk.context);
    let moves: Vec<Value> = tryton
        .search_read("stock.move", &search, context)
        .await
        .unwrap();
    let mut draft = moves[0].clone();
    draft["quantity"] = json!(1);
    draft.as_object_mut().unwrap().remove("id");
    let made = tryton
        .create("stock.move", &[draft], context)
        .await
        .unwrap();
    told_once(&feed, part, before, &item).await;
    let arguments = (made, context);
    let gone = tryton.call::<_, Value>("model.stock.move.delete", &arguments, Effect::Changes);
    gone.await.unwrap();
}
