//! Callers: an order is put into the words of its channel once, and sent so until an answer settles it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use service_runtime::clock::Clock;
use tests::{
    Answer, EdiPartner, Operator, PortalUser, PurchaseOrder,
    punchout::{CartItem, CxmlBuyer, Order},
    segments,
};

use crate::{
    estate::Estate,
    orders::{Channel, PLENTIFUL, PlannedOrder, SCARCE},
    outside::Outside,
};

/// The accounts and the clients of the issuer that act for them.
pub(crate) const USERS: [(&str, &str); 3] = [
    ("ACME", "acme-buyer"),
    ("ACME-WEST", "acme-west-buyer"),
    ("BOREALIS", "borealis-buyer"),
];
/// The longest a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an answer says of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is acknowledged.
    Taken {
        /// Its id, where the channel tells it.
        order_id: Option<String>,
        /// How it stands, where the channel tells it.
        status: Option<String>,
    },
    /// It is refused, for good.
    Refused(String),
    /// Certainly not done: come again.
    Later(String),
    /// Nobody knows: an answer was lost, or says so.
    Unclear(String),
}

/// An order in the words of its channel: every sending is the same.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// Account, key and body.
    Portal(&'static str, String, Value),
    /// An interchange.
    Edi(String),
    /// A document.
    Cxml(String),
}

/// Callers of every channel, towards one instance.
pub(crate) struct Callers {
    users: RwLock<BTreeMap<&'static str, PortalUser>>,
    edi: EdiPartner,
    cxml: CxmlBuyer,
    operator: Operator,
    /// What one piece costs ACME.
    prices: BTreeMap<String, String>,
    clock: Clock,
    url: String,
}

impl Callers {
    /// Callers of one instance of `experience-apis`, who have looked at the prices.
    pub(crate) async fn of(estate: &Estate, url: &str, process: &str) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let http = &estate.http;
        let mut callers = Self {
            users: RwLock::default(),
            edi: EdiPartner::new(http.clone(), url, "acme-edi", "acme-edi-demo"),
            cxml: CxmlBuyer::new(http.clone(), url, &estate.site),
            operator: Operator::new(http.clone(), process, clock.clone())?,
            prices: BTreeMap::new(),
            clock,
            url: url.to_owned(),
        };
        callers.log_in(&estate.outside).await?;
        for item in PLENTIFUL.iter().chain(&SCARCE) {
            let seen = callers
                .user("ACME")?
                .get(&format!("/products/{item}"))
                .await?;
            let price = seen.at("/price/breaks/0/unit_price/amount");
            anyhow::ensure!(!price.is_empty(), "{item} has no price: {}", seen.text);
            callers.prices.insert((*item).to_owned(), price);
        }
        Ok(callers)
    }

    /// New tokens for everybody: they live a quarter of an hour.
    async fn log_in(&self, outside: &Outside) -> anyhow::Result<()> {
        for (account, client) in USERS {
            let token = outside.token(client).await?;
            let user = PortalUser::new(outside.http.clone(), &self.url, token, account);
            let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
            users.insert(account, user);
        }
        Ok(())
    }

    /// A person at the seller's.
    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The buyer of an account.
    pub(crate) fn user(&self, account: &str) -> anyhow::Result<PortalUser> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        let user = users.get(account).cloned();
        user.with_context(|| format!("nobody acts for {account}"))
    }

    /// An order in the words of its channel, under a control number or document id of its own.
    pub(crate) fn write(&self, order: &PlannedOrder) -> Request {
        self.write_again(order, order.channel, order.sequence)
    }

    /// The same order over another channel, or in another document.
    pub(crate) fn write_again(
        &self,
        order: &PlannedOrder,
        channel: Channel,
        control: u32,
    ) -> Request {
        match channel {
            Channel::Portal => {
                let lines: Vec<Value> = order
                    .lines
                    .iter()
                    .map(|(item, pieces)| self.portal_line(order.account, item, *pieces))
                    .collect();
                let body = json!({"purchase_order_number": order.number, "lines": lines});
                let key = format!("{}-{control}", order.number);
                Request::Portal(order.account, key, body)
            }
            Channel::Edi => {
                let lines: Vec<[String; 5]> = order
                    .lines
                    .iter()
                    .map(|(item, pieces)| {
                        let price = self.prices.get(*item).map_or("", String::as_str);
                        [&pieces.to_string(), "EA", price, "VP", item].map(str::to_owned)
                    })
                    .collect();
                let document = PurchaseOrder {
                    number: order.number.clone(),
                    ship_to: ("92".to_owned(), "0001".to_owned()),
                    control,
                    lines,
                };
                Request::Edi(document.interchange(self.clock.now()))
            }
            Channel::Cxml => {
                let payload_id = format!("{}.{control}@procure.example.com", order.number);
                let order = self.cxml_order(order);
                Request::Cxml(self.cxml.order_document(&payload_id, &order))
            }
        }
    }

    /// With the price that ACME was told: all its channels state it, so that an order is the same in each.
    fn portal_line(&self, account: &str, item: &str, pieces: u32) -> Value {
        let mut line =
            json!({"item": item, "quantity": {"value": pieces.to_string(), "unit": "EA"}});
        let price = self.prices.get(item).filter(|_| account == "ACME");
        if let (Some(price), Some(line)) = (price, line.as_object_mut()) {
            let price = json!({"amount": price, "currency": "USD", "unit": "EA"});
            line.insert("expected_unit_price".to_owned(), price);
        }
        line
    }

    /// The order as a procurement system has it.
    pub(crate) fn cxml_order(&self, order: &PlannedOrder) -> Order {
        let items: Vec<CartItem> = order
            .lines
            .iter()
            .map(|(item, pieces)| self.cart_item(item, *pieces))
            .collect();
        Order::of(&order.number, &items)
    }

    /// The procurement system.
    pub(crate) fn cxml(&self) -> &CxmlBuyer {
        &self.cxml
    }

    fn cart_item(&self, item: &str, pieces: u32) -> CartItem {
        CartItem {
            quantity: pieces.to_string(),
            part: item.to_owned(),
            unit_price: self.prices.get(item).cloned().unwrap_or_default(),
            currency: "USD".to_owned(),
            description: item.to_owned(),
            unit: "EA".to_owned(),
            class: "31000000".to_owned(),
            class_domain: "UNSPSC".to_owned(),
            auxiliary: String::new(),
        }
    }

    /// Sends it once.
    pub(crate) async fn send(&self, request: &Request) -> Said {
        let sending = async {
            match request {
                Request::Portal(account, key, body) => {
                    let user = self.user(account)?;
                    Ok(portal(&user.post("/orders", key, body).await?))
                }
                Request::Edi(interchange) => Ok(edi(&self.edi.send(interchange.clone()).await?)),
                Request::Cxml(document) => {
                    let answer = self.cxml.post(document.clone()).await?;
                    Ok(cxml(&answer))
                }
            }
        };
        match tokio::time::timeout(PATIENCE, sending).await {
            Ok(Ok(said)) => said,
            Ok(Err(error)) => lost(&error),
            Err(_elapsed) => Said::Unclear("no answer in time".to_owned()),
        }
    }

    /// Reads below `/portal/v1` for an account.
    pub(crate) async fn get(&self, account: &str, path: &str) -> anyhow::Result<Answer> {
        let user = self.user(account)?;
        let request = user.request(Method::GET, path).timeout(PATIENCE);
        user.send(request).await
    }
}

/// What a call that broke says: nothing was sent where no connection came about.
pub(crate) fn lost(error: &anyhow::Error) -> Said {
    let text = format!("{error:#}");
    let unsent = error
        .downcast_ref::<reqwest::Error>()
        .is_some_and(reqwest::Error::is_connect);
    if unsent {
        Said::Later(text)
    } else {
        Said::Unclear(text)
    }
}

/// What an answer says that is no acknowledgment.
pub(crate) fn not_taken(answer: &Answer) -> Said {
    let text = format!("{} {}", answer.status, answer.text);
    let again = answer.at("/retryable") == "true";
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Said::Later(text),
        // The request before this one is still at work.
        StatusCode::CONFLICT if answer.at("/code") == "request-in-progress" => Said::Later(text),
        status if status.is_server_error() || again => Said::Unclear(text),
        _ => Said::Refused(text),
    }
}

fn portal(answer: &Answer) -> Said {
    if answer.status == StatusCode::ACCEPTED {
        return Said::Taken {
            order_id: Some(answer.at("/order_id")).filter(|id| !id.is_empty()),
            status: Some(answer.at("/status")),
        };
    }
    not_taken(answer)
}

fn edi(answer: &Answer) -> Said {
    if answer.status != StatusCode::OK {
        return not_taken(answer);
    }
    let verdicts: Vec<String> = segments(&answer.text)
        .iter()
        .filter(|segment| segment.first().is_some_and(|name| name == "AK5"))
        .filter_map(|segment| segment.get(1).cloned())
        .collect();
    match verdicts.as_slice() {
        [verdict] if verdict == "A" || verdict == "E" => Said::Taken {
            order_id: None,
            status: None,
        },
        _ => Said::Refused(answer.text.clone()),
    }
}

fn cxml(answer: &Answer) -> Said {
    if answer.status != StatusCode::OK {
        return not_taken(answer);
    }
    let code = answer
        .text
        .split_once("<Status code=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .and_then(|(code, _)| code.parse::<u16>().ok());
    match code {
        Some(200) => Said::Taken {
            order_id: None,
            status: None,
        },
        Some(500..) | None => Said::Unclear(answer.text.clone()),
        Some(_) => Said::Refused(answer.text.clone()),
    }
}

/// Callers of every instance, taken in turn.
#[derive(Clone)]
pub(crate) struct Crowd {
    callers: Arc<Vec<Callers>>,
}

impl Crowd {
    /// One group of callers for each instance.
    pub(crate) async fn of(estate: &Estate) -> anyhow::Result<Self> {
        let process = &estate.layer(tests::processes::Binary::Process)?.url;
        let mut callers = Vec::new();
        for url in estate.experience_urls() {
            callers.push(Callers::of(estate, &url, process).await?);
        }
        anyhow::ensure!(!callers.is_empty(), "there is nobody to call");
        Ok(Self {
            callers: Arc::new(callers),
        })
    }

    /// The callers whose turn it is.
    pub(crate) fn turn(&self, number: u32) -> anyhow::Result<&Callers> {
        let number = usize::try_from(number)?;
        let one = number.checked_rem(self.callers.len()).unwrap_or(0);
        self.callers.get(one).context("there is nobody to call")
    }

    /// New tokens for everybody.
    pub(crate) async fn log_in(&self, outside: &Outside) -> anyhow::Result<()> {
        for callers in self.callers.iter() {
            callers.log_in(outside).await?;
        }
        Ok(())
    }
}
