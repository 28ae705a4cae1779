//! The channel's cXML operation: any Request in, a Response out.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use service_runtime::{
    problem::{Problem, codes},
    trace::RequestScope,
};
use tokio::sync::OwnedSemaphorePermit;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    cxml::{
        MEDIA_TYPE,
        envelope::{self, Envelope, Kind},
        outgoing::Outgoing,
        profile_response, setup,
        status::{Code, Status},
        version::Version,
        xml,
    },
    cxml_setup,
    orders::{self, Incoming, NoReply},
    profile::Profile,
};
use crate::{
    body::{self, Unread},
    desk::told,
    state::AppState,
};

/// What our answers are named after.
const RESPONSE: &str = "response";
const EXAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.053/cXML.dtd">
<cXML payloadID="20260302.1@procure.example.com" timestamp="2026-03-02T10:30:00+01:00">
  <Header>
    <From><Credential domain="NetworkID"><Identity>AN01-ACME</Identity></Credential></From>
    <To><Credential domain="NetworkID"><Identity>AN01-NORTHWIND</Identity></Credential></To>
    <Sender>
      <Credential domain="NetworkID"><Identity>AN01-ACME</Identity><SharedSecret>your secret</SharedSecret></Credential>
      <UserAgent>Procurement 1.0</UserAgent>
    </Sender>
  </Header>
  <Request deploymentMode="production">
    <PunchOutSetupRequest operation="create">
      <BuyerCookie>34234234ADFSDF234234</BuyerCookie>
      <BrowserFormPost><URL>https://procure.example.com/punchout/return</URL></BrowserFormPost>
    </PunchOutSetupRequest>
  </Request>
</cXML>
"#;

const ORDER_EXAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.053/cXML.dtd">
<cXML payloadID="20260302.2@procure.example.com" timestamp="2026-03-02T10:35:00+01:00">
  <Header>
    <From><Credential domain="NetworkID"><Identity>AN01-ACME</Identity></Credential></From>
    <To><Credential domain="NetworkID"><Identity>AN01-NORTHWIND</Identity></Credential></To>
    <Sender>
      <Credential domain="NetworkID"><Identity>AN01-ACME</Identity><SharedSecret>your secret</SharedSecret></Credential>
      <UserAgent>Procurement 1.0</UserAgent>
    </Sender>
  </Header>
  <Request deploymentMode="production">
    <OrderRequest>
      <OrderRequestHeader orderID="4500017" orderDate="2026-03-02T10:35:00+01:00" type="new">
        <Total><Money currency="USD">99.90</Money></Total>
        <BillTo><Address><Name xml:lang="en">Acme</Name></Address></BillTo>
      </OrderRequestHeader>
      <ItemOut quantity="10" lineNumber="1">
        <ItemID>
          <SupplierPartID>SKU-0001</SupplierPartID>
          <SupplierPartAuxiliaryID>as it left the shop</SupplierPartAuxiliaryID>
        </ItemID>
        <ItemDetail>
          <UnitPrice><Money currency="USD">9.99</Money></UnitPrice>
          <Description xml:lang="en">Ball bearing 6001</Description>
          <UnitOfMeasure>EA</UnitOfMeasure>
          <Classification domain="UNSPSC">31171504</Classification>
        </ItemDetail>
      </ItemOut>
    </OrderRequest>
  </Request>
</cXML>
"#;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(receive_cxml))
}

/// Receives a cXML Request: `ProfileRequest`, `PunchOutSetupRequest` or `OrderRequest`.
///
/// Whatever becomes of it is said by the Status of a cXML Response over HTTP 200; the Sender's Credential with its
/// `SharedSecret` says who you are. A payloadID that comes again with the same content gets the first answer again, and
/// nothing happens twice. Only what is no cXML over HTTP at all is answered by a problem.
#[utoipa::path(post, path = "/punchout/cxml", tag = "punchout", security(()),
    request_body(content(
            (String = "text/xml", examples(("PunchOutSetupRequest" = (summary = "Opens the shop", value = json!(EXAMPLE))),
                ("OrderRequest" = (summary = "Orders what left the shop", value = json!(ORDER_EXAMPLE))))),
            (String = "application/xml", examples(("OrderRequest" = (summary = "Orders what left the shop", value = json!(ORDER_EXAMPLE)))))),
        description = "A cXML document. A DOCTYPE is taken and never fetched; an internal subset is refused"),
    responses(
        (status = 200, description = "A cXML Response. Its Status: 200 done or received; 400, 403, 406, 409, 412, 417, 450 and 499 say what is wrong; \
            401 the Sender or its secret is not right; 5xx send the same document again, as after too many in a short time (560)",
            body = String, content_type = "text/xml"),
        (status = 400, description = "`invalid-request`: the body did not come to its end", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`request-timeout`: the body did not come in time", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = Problem, content_type = "application/problem+json")))]
async fn receive_cxml(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let media_type = media_type(&parts.headers)?;
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|peer| peer.0.ip());
    let Ok(place) = state.punchout.place(&parts.headers).await else {
        return Ok(answer(unnamed(&state).response(&Status::new(
            Code::TemporaryServerError,
            "Too many documents are being read: send it again in a moment.",
        ))));
    };
    let limit = state.config.punchout.max_body.as_usize();
    let bytes = match body::read(&parts.headers, body, limit).await {
        Ok(bytes) => bytes,
        Err(Unread::TooLarge) => {
            let sentence = format!("A document may have {limit} bytes: send less in one.");
            let status = Status::new(Code::DocumentSizeExceeded, sentence);
            return Ok(answer(unnamed(&state).response(&status)));
        }
        Err(Unread::Problem(problem)) => return Err(problem),
    };
    let document = Document {
        bytes,
        charset: charset(&media_type).map(str::to_owned),
        peer,
        place,
    };
    // In a task of its own: a sender that hangs up after sending loses nothing.
    let work = async move { respond(&state, document).await };
    let task = match RequestScope::current() {
        Some(scope) => tokio::spawn(Arc::new(scope.detached()).run(work)),
        None => tokio::spawn(work),
    };
    let response = task.await.map_err(|error| Problem::internal(&error))?;
    Ok(answer(response))
}

/// A document as it came.
struct Document {
    bytes: Bytes,
    charset: Option<String>,
    peer: Option<IpAddr>,
    /// It counts until it is dealt with.
    place: Option<OwnedSemaphorePermit>,
}

async fn respond(state: &AppState, document: Document) -> String {
    let Document {
        bytes,
        charset,
        peer,
        place,
    } = document;
    let most = state.config.punchout.max_body.as_usize();
    let reading = tokio::task::spawn_blocking(move || {
        let document = xml::read(&bytes, most, charset.as_deref())?;
        Ok((envelope::read(&document)?, document.without_secrets))
    });
    let read: Result<(Envelope, String), Status> = match reading.await {
        Ok(read) => read,
        Err(error) => Err(failed(&error)),
    };
    let (outgoing, status) = match read {
        Err(status) => (unnamed(state), status),
        Ok((envelope, kept_form)) => match state.punchout.authenticate(&envelope, peer).await {
            Err(status) => (unnamed(state), status),
            Ok(profile) => match asked(state, &profile, &envelope, &kept_form).await {
                Ok(response) => {
                    count(&envelope.kind, Code::Ok);
                    return response;
                }
                Err((outgoing, status)) => {
                    count(&envelope.kind, status.code);
                    (outgoing, status)
                }
            },
        },
    };
    drop(place);
    tracing::info!(
        status = status.code.number(),
        detail = status.detail,
        "cXML answered"
    );
    outgoing.response(&status)
}

fn count(kind: &Kind, code: Code) {
    let kind = match kind {
        Kind::Profile => "profile",
        Kind::PunchOutSetup => "setup",
        Kind::Order => "order",
        Kind::Other(_) => "other",
    };
    metrics::counter!("orderway_punchout_cxml_requests_total", "kind" => kind, "status" => code.number().to_string())
        .increment(1);
}

/// Does what a partner asks for; else the Status, and the envelope it goes in.
async fn asked(
    state: &AppState,
    profile: &Arc<Profile>,
    envelope: &Envelope,
    kept_form: &str,
) -> Result<String, (Outgoing, Status)> {
    let version = profile.version();
    let fresh = || Outgoing::new(version, RESPONSE, Uuid::now_v7(), state.clock.now());
    let no_reply = |no_reply| (fresh(), status_of(no_reply));
    match &envelope.kind {
        Kind::Profile => {
            let base = state.config.punchout.public_url.trim_end_matches('/');
            let url = format!("{base}/punchout/cxml");
            Ok(profile_response::response(&fresh(), &url, false))
        }
        Kind::PunchOutSetup => {
            let opened = cxml_setup::open(state, profile, envelope, kept_form).await;
            let opened = opened.map_err(no_reply)?;
            let outgoing = Outgoing::new(version, RESPONSE, opened.session.0, opened.at);
            Ok(setup::response(&outgoing, &opened.start_url))
        }
        Kind::Order => {
            let incoming = Incoming::of_cxml(profile, envelope, kept_form);
            let incoming = incoming.map_err(|status| (fresh(), status))?;
            let reply = orders::receive(state, profile, incoming)
                .await
                .map_err(no_reply)?;
            let outgoing = Outgoing::new(version, RESPONSE, reply.document.0, reply.at);
            Err((outgoing, reply.status))
        }
        Kind::Other(name) => {
            let name: String = name.chars().take(60).collect();
            let sentence =
                format!("{name} is not offered here: see the answer to a ProfileRequest.");
            Err((fresh(), Status::new(Code::NotImplemented, sentence)))
        }
    }
}

impl Profile {
    /// The version of what we send it. The profile was checked when it was loaded.
    pub(super) fn version(&self) -> Version {
        let spoken = self.cxml.as_ref();
        let version = spoken.and_then(|cxml| cxml.version.parse().ok());
        version.unwrap_or(Version::OLDEST)
    }
}

/// The envelope of an answer to somebody who has not shown who it is.
fn unnamed(state: &AppState) -> Outgoing {
    Outgoing::new(Version::OLDEST, RESPONSE, Uuid::now_v7(), state.clock.now())
}

fn status_of(no_reply: NoReply) -> Status {
    match no_reply {
        NoReply::Status(status) => status,
        NoReply::Failure(failure) => failed(&failure),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::warn!(
        cause = told(error),
        "a cXML document could not be dealt with"
    );
    let sentence =
        "It cannot be done at the moment: send the same document again; nothing happens twice.";
    Status::new(Code::TemporaryServerError, sentence)
}

fn answer(document: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, document).into_response()
}

fn media_type(headers: &HeaderMap) -> Result<String, Problem> {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    let taken = ["text/xml", "application/xml"];
    if taken
        .iter()
        .any(|taken| essence.eq_ignore_ascii_case(taken))
    {
        return Ok(given.to_owned());
    }
    let detail = "Send the cXML document itself as text/xml or application/xml.";
    Err(Problem::new(codes::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// The charset that a media type names.
pub(super) fn charset(media_type: &str) -> Option<&str> {
    let mut parameters = media_type.split(';').skip(1);
    parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"'))
    })
}
