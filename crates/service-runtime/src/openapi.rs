//! The published contract: finished the same way for every layer, served at `/openapi.json`, explorable
//! offline at `/docs`, and written in a form that compares byte by byte.

use axum::Router;
use axum::routing::get;
use http::{HeaderValue, header};
use serde::Serialize;
use serde_json::Value;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::context::CONTEXT_HEADER;
use crate::problem::{MEDIA_TYPE, Problem};

/// How callers of a layer prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// A bearer token of a configured issuer.
    Bearer,
    /// A partner's id and secret, by HTTP Basic.
    Basic,
    /// The signed context of the layer above.
    CallContext,
    /// A backend's signature over what it posts, in its own header.
    VendorSignature,
}

impl Security {
    pub const BEARER: &'static str = "bearer";
    pub const BASIC: &'static str = "basic";
    pub const CALL_CONTEXT: &'static str = "call_context";
    pub const VENDOR_SIGNATURE: &'static str = "vendor_signature";

    fn scheme(self) -> (&'static str, SecurityScheme) {
        match self {
            Self::Bearer => {
                let http = HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .bearer_format("JWT")
                    .build();
                (Self::BEARER, SecurityScheme::Http(http))
            }
            Self::Basic => {
                let http = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
                (Self::BASIC, SecurityScheme::Http(http))
            }
            Self::CallContext => (
                Self::CALL_CONTEXT,
                SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(CONTEXT_HEADER))),
            ),
            Self::VendorSignature => (
                Self::VENDOR_SIGNATURE,
                SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                    "x-signature",
                    "In the header and the form of the backend's own dialect",
                ))),
            ),
        }
    }
}

/// What stands at the head of a contract.
#[derive(Clone, Copy, Debug)]
pub struct ContractInfo {
    pub title: &'static str,
    pub version: &'static str,
    pub description: &'static str,
    pub security: &'static [Security],
}

/// Splits routes and contract, and completes the contract: info, security schemes, and the problem
/// that every operation can answer.
pub fn finish<S: Clone + Send + Sync + 'static>(
    router: OpenApiRouter<S>,
    info: &ContractInfo,
) -> (Router<S>, OpenApi) {
    let (router, mut api) = router.split_for_parts();
    complete(&mut api, info);
    (router, api)
}

/// Completes a contract in place.
pub fn complete(api: &mut OpenApi, info: &ContractInfo) {
    api.info = InfoBuilder::new()
        .title(info.title)
        .version(info.version)
        .description(Some(info.description))
        .build();
    // Where there is one way to prove who calls, it holds for every operation that names none.
    if let [scheme] = info.security {
        let scopes: [&str; 0] = [];
        api.security = Some(vec![SecurityRequirement::new(scheme.scheme().0, scopes)]);
    }
    let components = api.components.get_or_insert_with(Components::new);
    for scheme in info.security {
        let (name, scheme) = scheme.scheme();
        components.add_security_scheme(name, scheme);
    }
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    for (name, schema) in schemas {
        components.schemas.entry(name).or_insert(schema);
    }
    for item in api.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.options,
            &mut item.head,
            &mut item.patch,
            &mut item.trace,
        ];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            responses
                .entry("default".to_owned())
                .or_insert_with(|| RefOr::T(problem_response()));
            for (status, response) in responses.iter_mut() {
                if let (true, RefOr::T(response)) = (is_failure(status), response) {
                    // Whatever media type it was declared with, but for pages: those who read them are people.
                    if !response.content.contains_key("text/html") {
                        response.content = problem_response().content;
                    }
                }
            }
        }
    }
}

fn is_failure(status: &str) -> bool {
    status == "default" || status.starts_with(['4', '5'])
}

fn problem_response() -> Response {
    let schema = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description("A problem: see its code")
        .content(MEDIA_TYPE, content)
        .build()
}

/// The contract as it is committed: keys sorted, two spaces, a newline at the end.
pub fn normalise(api: &impl Serialize) -> Result<String, serde_json::Error> {
    let sorted = sort(serde_json::to_value(api)?);
    Ok(format!("{}\n", serde_json::to_string_pretty(&sorted)?))
}

fn sort(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map
                .into_iter()
                .map(|(key, value)| (key, sort(value)))
                .collect();
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sort).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// The explorer's own scripts and styles, from this server only.
const DOCS_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// `/openapi.json` and `/docs`.
pub fn routes(api: &OpenApi) -> Result<Router, serde_json::Error> {
    let document = normalise(api)?;
    let serve = get(move || {
        let document = document.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], document) }
    });
    let explorer =
        SwaggerUi::new("/docs").config(Config::from("/openapi.json").validator_url("none"));
    let policy = HeaderValue::from_static(DOCS_POLICY);
    let policy = SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy);
    Ok(Router::new()
        .merge(explorer)
        .layer(policy)
        .route("/openapi.json", serve))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt;
    use utoipa_axum::routes;

    #[utoipa::path(get, path = "/v1/things", responses((status = 200, description = "All", body = String),
        (status = 409, description = "Taken", body = Problem),
        (status = 410, description = "A page says so", body = String, content_type = "text/html")))]
    async fn list_things() -> &'static str {
        "none"
    }

    const INFO: ContractInfo = ContractInfo {
        title: "Things",
        version: "1.2.3",
        description: "Test.",
        security: &[Security::Bearer, Security::CallContext],
    };

    fn contract() -> (Router, OpenApi) {
        finish(OpenApiRouter::new().routes(routes!(list_things)), &INFO)
    }

    #[test]
    fn every_operation_may_answer_a_problem() {
        let (_, api) = contract();
        let document: Value = serde_json::from_str(&normalise(&api).unwrap()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], "1.2.3");
        let default = &document["paths"]["/v1/things"]["get"]["responses"]["default"];
        assert_eq!(
            default["content"][MEDIA_TYPE]["schema"]["$ref"],
            "#/components/schemas/Problem"
        );
        let schemas = &document["components"]["schemas"];
        assert!(schemas["Problem"]["properties"]["code"].is_object());
        assert!(schemas["FieldError"].is_object());
        assert_eq!(
            document["components"]["securitySchemes"]["bearer"]["scheme"],
            "bearer"
        );
    }

    #[test]
    fn a_failure_is_a_problem_however_it_was_declared_or_a_page() {
        let (_, api) = contract();
        let document = serde_json::to_value(&api).unwrap();
        let responses = &document["paths"]["/v1/things"]["get"]["responses"];
        assert_eq!(responses["409"]["description"], "Taken");
        for (status, declared) in [("409", MEDIA_TYPE), ("410", "text/html")] {
            let content = responses[status]["content"].as_object().unwrap();
            let media: Vec<_> = content.keys().collect();
            assert_eq!(media, [declared]);
        }
    }

    #[test]
    fn the_only_scheme_holds_for_operations_that_name_none() {
        let only = ContractInfo {
            security: &[Security::CallContext],
            ..INFO
        };
        let (_, one) = finish(
            OpenApiRouter::<()>::new().routes(routes!(list_things)),
            &only,
        );
        let one = serde_json::to_value(&one).unwrap();
        assert_eq!(
            one["security"][0],
            serde_json::json!({ "call_context": [] })
        );
        assert_eq!(
            serde_json::to_value(contract().1).unwrap()["security"],
            Value::Null
        );
    }

    #[test]
    fn the_written_form_is_stable() {
        let text = normalise(&contract().1).unwrap();
        assert_eq!(normalise(&contract().1).unwrap(), text);
        assert!(text.ends_with("}\n"));
        let heads: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("  \""))
            .collect();
        assert!(heads.is_sorted() && heads.len() > 2, "{heads:?}");
    }

    #[tokio::test]
    async fn the_contract_and_its_explorer_are_served_without_any_network() {
        let (_, api) = contract();
        let router = super::routes(&api).unwrap();
        for path in [
            "/openapi.json",
            "/docs/",
            "/docs/swagger-ui-bundle.js",
            "/docs/swagger-initializer.js",
        ] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
        }
    }
}
