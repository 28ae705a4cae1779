//! A `PunchOutSetupRequest`: checked against what was agreed, its cart rebuilt where one is brought back, and answered by a
//! link to the shop.

use std::collections::BTreeMap;

use canonical_model::{ItemNumber, QuoteId, SessionId, ShipToId, quote::Quote};
use jiff::Timestamp;
use service_runtime::http_client::HopError;
use uuid::Uuid;

use super::{
    context,
    cxml::{
        envelope::Envelope,
        item::{ItemId, Place},
        setup::{self, Operation, Setup, SetupItem},
        status::{Code, Status},
    },
    fingerprint,
    lock::Lock,
    orders::{NoReply, ship_to, units},
    profile::Profile,
    visit::{
        self, CartLine, CxmlVisit, Mode, Protocol, Stage, Visit, VisitError, cart::MOST_LINES,
    },
};
use crate::{clients::process::CallError, state::AppState};

/// As many quotes as one cart may come from.
const MOST_QUOTES: usize = 50;

/// The shop is open.
#[derive(Debug)]
pub(super) struct Opened {
    /// Where the browser goes.
    pub(super) start_url: String,
    /// What the answer is about, and since when: the same for the same request.
    pub(super) session: SessionId,
    /// Since when.
    pub(super) at: Timestamp,
}

/// Opens the shop for a partner that has shown who it is.
pub(super) async fn open(
    state: &AppState,
    profile: &Profile,
    envelope: &Envelope,
    kept_form: &str,
) -> Result<Opened, NoReply> {
    let setup = setup::read(&envelope.request)?;
    let return_url = profile.return_url(&setup.return_url).map_err(|refused| {
        let sentence = format!("BrowserFormPost/URL: {refused} (return_urls).");
        Status::new(Code::Forbidden, sentence)
    })?;
    let fingerprint_of_all = fingerprint(kept_form.as_bytes());
    let name = format!("{}:{}", profile.id, envelope.payload_id);
    let session = SessionId(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()));
    // What a cart is rebuilt from may have changed since the first time.
    match visit::load(state, profile, session).await {
        Ok(first) => return opened(state, profile, first, &fingerprint_of_all),
        Err(VisitError::Gone) => {}
        Err(error) => return Err(no_visit(error)),
    }
    let ship_to = ship_to(state, profile, setup.ship_to.as_ref()).await?;
    let cookie_key = format!("cookie/{}", fingerprint(setup.buyer_cookie.as_bytes()));
    let cart = match setup.operation {
        Operation::Create => Vec::new(),
        Operation::Edit | Operation::Inspect if setup.items.is_empty() => {
            cart_of_cookie(state, profile, &cookie_key).await?
        }
        Operation::Edit | Operation::Inspect => cart_of_items(state, profile, &setup).await?,
    };
    let (mode, operation) = match setup.operation {
        Operation::Create => (Mode::Create, "create"),
        Operation::Edit => (Mode::Edit, "edit"),
        Operation::Inspect => (Mode::Inspect, "inspect"),
    };
    let extrinsics = setup.extrinsics.into_iter();
    let visit = Visit {
        protocol: Protocol::Cxml(CxmlVisit {
            buyer_cookie: setup.buyer_cookie,
            operation: operation.to_owned(),
            from: envelope.from.clone(),
            to: envelope.to.clone(),
            payload_id: envelope.payload_id.clone(),
            fingerprint: fingerprint_of_all.clone(),
            extrinsics: extrinsics.map(|one| (one.name, one.value)).collect(),
        }),
        mode,
        test: envelope.test || profile.test_mode,
        return_url: return_url.to_string(),
        cart,
        ship_to,
        selected: setup.selected.as_ref().and_then(number),
        stage: Stage::Waiting,
    };
    let opened = visit::open(state, profile, session, &visit, vec![cookie_key]).await;
    let opened = opened.map_err(no_visit)?;
    Ok(Opened {
        start_url: opened.start_url,
        session,
        at: opened.created_at,
    })
}

/// Where the cart would go; an order to another address is priced and promised anew.
async fn ship_to(
    state: &AppState,
    profile: &Profile,
    named: Option<&Place>,
) -> Result<Option<ShipToId>, NoReply> {
    let Some(place) = named else {
        return Ok(profile.ship_to.default.clone());
    };
    let context = context::of_partner(profile);
    let account = state.process.account(&context, &profile.account).await;
    let account = account.map_err(|error| NoReply::Failure(error.into()))?;
    ship_to::one(profile, place, &account).map_err(|sentence| {
        Status::new(
            Code::BadRequest,
            format!("PunchOutSetupRequest/ShipTo: {sentence}"),
        )
        .into()
    })
}

/// The answer to a request that opened the shop before, if it is the same request.
fn opened(
    state: &AppState,
    profile: &Profile,
    first: visit::Loaded,
    fingerprint: &str,
) -> Result<Opened, NoReply> {
    let Protocol::Cxml(known) = &first.visit.protocol else {
        return Err(replayed().into());
    };
    if known.fingerprint != fingerprint {
        return Err(replayed().into());
    }
    let session = first.session.session_id;
    Ok(Opened {
        start_url: state.punchout.links.start(&profile.id, session),
        session,
        at: first.session.created_at,
    })
}

fn number(item: &ItemId) -> Option<ItemNumber> {
    ItemNumber::new(item.supplier_part_id.as_str()).ok()
}

fn replayed() -> Status {
    let sentence =
        "This payloadID came before with other content: give every document an id of its own.";
    Status::new(Code::Conflict, sentence)
}

fn no_visit(error: VisitError) -> NoReply {
    match error {
        VisitError::Known => replayed().into(),
        VisitError::Call(error) => NoReply::Failure(error.into()),
        other => {
            tracing::error!(cause = %other, "a visit could not be opened");
            let sentence = "The shop could not be opened: send the same document again.";
            Status::new(Code::TemporaryServerError, sentence).into()
        }
    }
}

/// The cart of the visit that has this cookie, as long as we know it.
async fn cart_of_cookie(
    state: &AppState,
    profile: &Profile,
    key: &str,
) -> Result<Vec<CartLine>, NoReply> {
    let context = context::of_partner(profile);
    let process = &state.process;
    let sessions = process.sessions_by_key(&context, &profile.id, key).await;
    let sessions = sessions.map_err(|error| NoReply::Failure(error.into()))?;
    for session in sessions {
        if let Ok(visit) = serde_json::from_value::<Visit>(session.content) {
            return Ok(visit.cart);
        }
    }
    let sentence = "PunchOutSetupRequest: no cart with this BuyerCookie is known: send its lines as ItemOut, or start with operation create.";
    Err(Status::new(Code::PreconditionFailed, sentence).into())
}

/// The cart as it is brought back: every line must be one that left here.
async fn cart_of_items(
    state: &AppState,
    profile: &Profile,
    setup: &Setup,
) -> Result<Vec<CartLine>, NoReply> {
    if setup.items.len() > MOST_LINES {
        let sentence = format!("A cart has at most {MOST_LINES} lines: bring it back in parts.");
        return Err(Status::new(Code::BadRequest, sentence).into());
    }
    let context = context::of_partner(profile);
    let mut quotes: BTreeMap<QuoteId, Option<Quote>> = BTreeMap::new();
    let mut cart = Vec::with_capacity(setup.items.len());
    for (index, item) in (1..).zip(&setup.items) {
        let path = format!("PunchOutSetupRequest/ItemOut[{index}]");
        let lock: Option<Lock> = item
            .item
            .auxiliary_id
            .as_deref()
            .and_then(|text| text.parse().ok());
        let lock = lock.ok_or_else(|| not_ours(&path))?;
        if !quotes.contains_key(&lock.quote) {
            if quotes.len() >= MOST_QUOTES {
                let sentence = format!(
                    "A cart is brought back from at most {MOST_QUOTES} visits: bring it back in parts."
                );
                return Err(Status::new(Code::BadRequest, sentence).into());
            }
            let found = match state.process.quote(&context, lock.quote).await {
                Ok(quote) => Some(quote).filter(|quote| quote.account == profile.account),
                Err(CallError(HopError::Problem(problem))) if problem.status == 404 => None,
                Err(error) => return Err(NoReply::Failure(error.into())),
            };
            quotes.insert(lock.quote, found);
        }
        let quote = quotes.get(&lock.quote).and_then(Option::as_ref);
        cart.push(line(profile, item, lock, quote, &path)?);
    }
    Ok(cart)
}

fn line(
    profile: &Profile,
    item: &SetupItem,
    lock: Lock,
    quote: Option<&Quote>,
    path: &str,
) -> Result<CartLine, Status> {
    let mut lines = quote.into_iter().flat_map(|quote| &quote.lines);
    let left = lines.find(|left| left.line == lock.line);
    let left = left.and_then(|left| Some((left.item.clone()?, left.quantity?)));
    let (number, quantity) = left.ok_or_else(|| not_ours(path))?;
    if number.as_str() != item.item.supplier_part_id {
        return Err(not_ours(path));
    }
    let unit = match item.unit.as_deref() {
        None => quantity.unit,
        Some(text) => units::read(profile, text).ok_or_else(|| {
            let sentence = format!("{path}/ItemDetail/UnitOfMeasure: the unit {text} is not known: send it back as it left.");
            Status::new(Code::BadRequest, sentence)
        })?,
    };
    Ok(CartLine {
        item: number,
        quantity: item.quantity,
        unit,
    })
}

fn not_ours(path: &str) -> Status {
    let sentence = format!(
        "{path}/ItemID: this line did not leave here: send SupplierPartID and SupplierPartAuxiliaryID back as they came, or start with operation create."
    );
    Status::new(Code::PreconditionFailed, sentence)
}
