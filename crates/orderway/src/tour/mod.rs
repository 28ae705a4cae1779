//! The tour: a portal order, an X12 850 and a punchout, from the buyer's side, each step said in plain words.

mod edi;
mod http;
mod portal;
mod punchout;

use std::{io::Write as _, time::Duration};

use anyhow::Context as _;
use orderway::{
    Estate,
    books::{BookedOrder, Standing},
};
use sandbox::Procurement;
use service_runtime::{
    clock::Clock,
    http_client::{BackendClientConfig, backend_client},
};

/// How often is looked for what comes by itself, and how often at most.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOKS: u32 = 120;

/// Sends the documents and says what became of them; an error is a step that did not go as it should.
pub(crate) async fn run(
    estate: &Estate,
    procurement: &Procurement,
    clock: &Clock,
) -> anyhow::Result<()> {
    let http = backend_client(&BackendClientConfig::default())?;
    say(&format!(
        "Orderway is up.\n  channels        {}   (experience-apis)\n  orders          {}   (process-apis)\n  \
         backends        {}   (system-apis)\n",
        estate.experience_url, estate.process_url, estate.system_url
    ))?;
    let now = clock.now();
    let portal = portal::order(estate, &http, now).await?;
    let edi = edi::order(estate, &http, now).await?;
    let punchout = punchout::order(estate, &http, procurement).await?;
    say("What the ERP has now:\n")?;
    for number in [portal, edi, punchout] {
        let order = booked(estate, &number).await?;
        let [first, second] = &order.numbers;
        say(&format!(
            "  sales order {}: of account {}, {} line(s), under {} and {}\n",
            order.id,
            order.account,
            order.lines.len(),
            first,
            second
        ))?;
    }
    say("\n")
}

/// The order of a purchase order number once the ERP has it in work, from its own books.
async fn booked(estate: &Estate, number: &str) -> anyhow::Result<BookedOrder> {
    let books = estate.books("NWI")?;
    for _ in 0..LOOKS {
        let orders = books.orders_of(number).await?;
        let live = |order: &BookedOrder| order.standing == Standing::Live;
        if let Some(order) = orders.into_iter().find(live) {
            return Ok(order);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    anyhow::bail!(
        "the ERP has no order {number} in work: look why it is held (GET /v1/holds of process-apis). In Tryton earlier tours may \
         have used up the account's credit: tests/backends/tryton up --fresh"
    )
}

/// Says what to open and what to try, before it waits to be told to stop.
pub(crate) fn say_what_to_try(estate: &Estate, procurement: &Procurement) -> anyhow::Result<()> {
    let (portal, issuer) = (&estate.experience_url, estate.sandbox.issuer_url());
    say(&format!(
        "Open  {}   a buyer's procurement system: shop by cXML or OCI, order, see the confirmation\n\
         \x20     {portal}/docs   {}/docs   {}/docs\n\nTry\n\
         \x20 TOKEN=$(curl -s {issuer}/token -d grant_type=client_credentials -d client_id=acme-buyer \\\n\
         \x20   -d client_secret=acme-buyer-secret | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n\
         \x20 curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Orderway-Account: ACME' '{portal}/portal/v1/products?search=bearing&limit=2'\n\
         \x20 curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Orderway-Account: ACME' '{portal}/portal/v1/orders'\n\
         \x20 curl -s -u acme-edi:acme-edi-demo '{portal}/edi/v1/acme-edi/mailbox?state=delivered'\n\
         \x20 curl -s {}/erp/control/orders\n\
         \x20 curl -s -X PUT {}/__fault/rules -d '{{\"latency\":{{\"kind\":\"fixed\",\"ms\":2000}}}}'   # a slow ERP; {{}} heals it\n\n\
         Ctrl-C ends it.\n",
        procurement.url,
        estate.process_url,
        estate.system_url,
        estate.sandbox.erp_url(),
        estate.erp_proxy.control_url(),
    ))
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush().context("the output cannot be written")
}
