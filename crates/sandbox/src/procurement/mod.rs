//! A buyer's procurement system, for a person with a browser and for the tour: it punches out by cXML and OCI, shows the
//! carts that come back, orders them, and shows what the seller confirms.
//!
//! It plays the partner `acme-punchout` of the demonstration. It trusts everybody on this machine, and keeps a few carts.

mod documents;
mod pages;
mod routes;
mod seller;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use crate::{
    clock::Clock,
    server::{Server, StartError, listen},
};

/// As many carts are kept; older ones are forgotten.
const MOST_CARTS: usize = 50;
/// The secret of the partner, by cXML and OCI.
const SECRET: &str = "acme-punchout-demo";

/// A cart that came back, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cart {
    /// Its number here, and the number of its order.
    pub number: String,
    /// `cXML` or `OCI`.
    pub dialect: &'static str,
    /// The lines.
    pub lines: Vec<CartLine>,
    /// What the seller answered to the order; empty = it has not been ordered.
    pub answered: String,
    /// What the seller confirmed, newest last.
    pub confirmed: Vec<String>,
    /// As it came by OCI, to be sent as the order.
    #[serde(skip)]
    fields: Vec<(String, String)>,
}

/// A line of a cart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CartLine {
    /// The seller's number.
    pub item: String,
    /// Its price lock.
    pub lock: String,
    /// How much.
    pub quantity: String,
    /// In which unit.
    pub unit: String,
    /// Price of one unit.
    pub price: String,
    /// Its currency.
    pub currency: String,
    /// One line of text.
    pub description: String,
    /// Its class.
    pub class: String,
}

/// What is kept.
#[derive(Debug)]
struct Desk {
    gateway: String,
    own: String,
    clock: Clock,
    http: reqwest::Client,
    carts: Mutex<VecDeque<Cart>>,
}

impl Desk {
    fn carts(&self) -> MutexGuard<'_, VecDeque<Cart>> {
        self.carts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers are never used twice, also over restarts.
    fn keep(&self, cart: Cart) {
        let mut carts = self.carts();
        while carts.len() >= MOST_CARTS {
            carts.pop_front();
        }
        let stamp = self.clock.now().as_millisecond();
        let number = format!("PUNCHOUT-{stamp}-{}", carts.len());
        carts.push_back(Cart { number, ..cart });
    }

    fn change(&self, number: &str, change: impl FnOnce(&mut Cart)) {
        if let Some(cart) = self.carts().iter_mut().find(|cart| cart.number == number) {
            change(cart);
        }
    }
}

/// A running procurement system; dropping it stops it.
#[derive(Debug)]
pub struct Procurement {
    /// Its address, without a slash at the end.
    pub url: String,
    desk: Arc<Desk>,
    server: Server,
}

impl Procurement {
    /// Starts it; `gateway` is the base URL of experience-apis, which it calls with `http`.
    pub async fn start(
        address: SocketAddr,
        gateway: &str,
        clock: Clock,
        http: reqwest::Client,
    ) -> Result<Self, StartError> {
        let (listener, bound) = listen(address).await?;
        let url = format!("http://localhost:{}", bound.port());
        let desk = Arc::new(Desk {
            gateway: gateway.to_owned(),
            own: url.clone(),
            clock,
            http,
            carts: Mutex::default(),
        });
        let server = Server::start(listener, routes::router(Arc::clone(&desk)));
        Ok(Self { url, desk, server })
    }

    /// The carts that came back, oldest first.
    pub fn carts(&self) -> Vec<Cart> {
        self.desk.carts().iter().cloned().collect()
    }

    /// Lets calls under way end.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}
