//! The OpenAPI 3.1 document of an API: names each operation by its path, checks every path by the URL scheme of
//! docs/api.md, and serves the document. Routes are described where they are handled.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response as ResponseDoc};

/// The values of the first segment of a path. It is also the tag of the operation.
const SERVICES: [&str; 8] = ["event", "application", "gate", "order", "audit", "auth", "outbox", "hook"];
/// The areas: public, for operators, between services.
const AREAS: [&str; 3] = ["com", "adm", "int"];
/// The verbs that read, with GET.
const READ_VERBS: [&str; 3] = ["get", "list", "stream"];
/// The verbs that act, with POST.
const ACTION_VERBS: [&str; 21] = [
    "accept", "cancel", "clone", "close", "confirm", "create", "drain", "extend", "find", "open", "pause",
    "preview", "reject", "replay", "resume", "retry", "rotate", "settle", "test", "undo", "unfreeze",
];
/// The prefixes of pages, which are not part of the API.
const PAGE_PREFIXES: [&str; 2] = ["/e/", "/a/"];
/// The error responses of the listener, for every route.
const LISTENER_ERRORS: [(u16, &str); 7] = [
    (400, "The request is malformed"),
    (408, "The body did not arrive in time"),
    (413, "The body is too large"),
    (414, "The address is too long"),
    (415, "The content type is not supported"),
    (431, "The headers are too many or too large"),
    (500, "Something went wrong on our side"),
];

/// RFC 9457. Further members depend on `code`.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "the schema only; `problem::Problem` writes the JSON")]
struct ProblemSchema {
    /// `/problems/{code}`.
    r#type: String,
    /// The stable code that clients may depend on.
    code: String,
    /// What went wrong, in a few words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: i32,
    /// What happened in this case, and what the client can do.
    #[schema(required = false)]
    detail: String,
}

/// A problem as a response in the document.
pub fn problem(description: &str) -> RefOr<ResponseDoc> {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let response = ResponseBuilder::new().description(description);
    RefOr::T(response.content("application/problem+json", content).build())
}

/// Problems as responses in the document, by status.
pub fn problems(responses: &[(u16, &str)]) -> BTreeMap<String, RefOr<ResponseDoc>> {
    responses.iter().map(|(status, description)| (status.to_string(), problem(description))).collect()
}

/// Completes the document: title, description, the schema of problems, name and tag of each operation, and the error responses of the
/// listener.
pub fn complete(mut doc: OpenApi, title: &str, description: &str) -> OpenApi {
    title.clone_into(&mut doc.info.title);
    doc.info.description = Some(description.to_owned());
    let schema = ComponentsBuilder::new().schema_from::<ProblemSchema>().build();
    doc.components.get_or_insert_default().schemas.extend(schema.schemas);
    for (path, item) in &mut doc.paths.paths {
        let parsed = ApiPath::parse(path);
        for operation in operations_mut(item) {
            for (status, description) in LISTENER_ERRORS {
                operation
                    .responses
                    .responses
                    .entry(status.to_string())
                    .or_insert_with(|| problem(description));
            }
            if let Ok(path) = &parsed {
                operation.operation_id = Some(path.operation_id());
                operation.tags = Some(vec![path.service.to_owned()]);
            }
        }
    }
    doc
}

/// Every path, method or name that breaks the URL scheme: `/{service}/{area}/{version}/{verb}/{resource}[/{id}]`.
pub fn url_violations(doc: &OpenApi) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut ids = BTreeSet::new();
    for (path, item) in &doc.paths.paths {
        if path == "/" || PAGE_PREFIXES.iter().any(|page| path.starts_with(page)) {
            continue;
        }
        match ApiPath::parse(path) {
            Err(mistake) => mistakes.push(format!("{path}: {mistake}")),
            Ok(parsed) => {
                for (method, operation) in operations(item) {
                    let found = parsed.mistakes(method, operation);
                    mistakes.extend(found.map(|mistake| format!("{path}: {mistake}")));
                }
            }
        }
        for (_, operation) in operations(item) {
            let id = operation.operation_id.clone().unwrap_or_default();
            if !ids.insert(id.clone()) {
                mistakes.push(format!("{path}: another operation is also named '{id}'"));
            }
        }
    }
    mistakes
}

/// The segments of a path.
struct ApiPath<'a> {
    service: &'a str,
    verb: &'a str,
    resource: &'a str,
}

impl<'a> ApiPath<'a> {
    fn parse(path: &'a str) -> Result<Self, String> {
        let mut segments = path.strip_prefix('/').ok_or("does not start with '/'")?.split('/');
        let mut next = |what: &str| segments.next().ok_or(format!("has no {what}"));
        let service = next("service")?;
        let area = next("area")?;
        let version = next("version")?;
        let verb = next("verb")?;
        let resource = next("resource")?;
        let numbered = version.strip_prefix('v').is_some_and(|n| !n.is_empty() && digits(n));
        let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let id = |text: &str| {
            let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        match () {
            () if !SERVICES.contains(&service) => Err(format!("'{service}' is not a service")),
            () if !AREAS.contains(&area) => Err(format!("'{area}' is not an area")),
            () if !numbered => Err(format!("'{version}' is not a version")),
            () if method_of(verb).is_none() => Err(format!("'{verb}' is not a known verb")),
            () if !word(resource) => Err(format!("'{resource}' is not a resource")),
            () if !segments.clone().all(id) => Err("only IDs may follow the resource".into()),
            () => Ok(Self { service, verb, resource }),
        }
    }

    /// `setInFlightMax` for `/gate/adm/v1/set/in-flight-max/{event}`.
    fn operation_id(&self) -> String {
        let mut id = self.verb.to_owned();
        for word in self.resource.split('-') {
            let mut letters = word.chars();
            id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            id.extend(letters);
        }
        id
    }

    fn mistakes(&self, method: &str, operation: &Operation) -> impl Iterator<Item = String> {
        let wanted = method_of(self.verb).unwrap_or_default();
        let id = self.operation_id();
        let tagged = operation.tags.as_deref().is_some_and(|tags| tags == [self.service.to_owned()]);
        let checks = [
            (method != wanted, format!("'{}' is {wanted}, not {method}", self.verb)),
            (operation.operation_id.as_deref() != Some(&id), format!("its operation is not named '{id}'")),
            (!tagged, format!("it is not tagged '{}'", self.service)),
        ];
        checks.into_iter().filter_map(|(wrong, why)| wrong.then_some(why))
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn method_of(verb: &str) -> Option<&'static str> {
    match verb {
        "set" => Some("PUT"),
        "update" => Some("PATCH"),
        "delete" => Some("DELETE"),
        _ if READ_VERBS.contains(&verb) => Some("GET"),
        _ if ACTION_VERBS.contains(&verb) => Some("POST"),
        _ => None,
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("DELETE", &item.delete),
        ("PATCH", &item.patch),
        ("HEAD", &item.head),
        ("OPTIONS", &item.options),
        ("TRACE", &item.trace),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, head, options, trace, .. } = item;
    [get, put, post, delete, patch, head, options, trace].into_iter().flatten()
}

/// The document at `/openapi.json`, rendered once.
pub fn routes<S: Clone + Send + Sync + 'static>(doc: &OpenApi) -> anyhow::Result<Router<S>> {
    json_route("/openapi.json", doc.to_json()?)
}

/// A JSON document that never changes, with an `ETag`.
pub fn json_route<S: Clone + Send + Sync + 'static>(path: &str, json: String) -> anyhow::Result<Router<S>> {
    let body = Bytes::from(json);
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()))?;
    Ok(Router::new().route(path, get(async move |headers: HeaderMap| respond(&headers, body, etag))))
}

fn respond(request: &HeaderMap, body: Bytes, etag: HeaderValue) -> Response {
    let is_current = request.get(header::IF_NONE_MATCH).is_some_and(|cached| *cached == etag);
    let headers =
        [(header::ETAG, etag), (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"))];
    if is_current {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::openapi::path::{HttpMethod, PathsBuilder};
    use utoipa::openapi::{Info, Paths};

    fn doc(routes: &[(&str, HttpMethod)]) -> OpenApi {
        let item = |method: &HttpMethod| PathItem::new(method.clone(), Operation::new());
        let paths =
            routes.iter().fold(PathsBuilder::new(), |paths, (path, method)| paths.path(*path, item(method)));
        complete(OpenApi::new(Info::new("x", "1"), Paths::from(paths)), "Events", "Changes events.")
    }

    #[test]
    fn a_valid_path_names_its_operation() {
        let good = doc(&[
            ("/gate/adm/v1/set/in-flight-max/{event}", HttpMethod::Put),
            ("/event/com/v12/get/event/{event}", HttpMethod::Get),
            ("/application/adm/v1/retry/application/{event}/{app_key}", HttpMethod::Post),
            ("/e/{event}", HttpMethod::Get),
            ("/", HttpMethod::Get),
        ]);
        assert_eq!(url_violations(&good), Vec::<String>::new());
        let set = good.paths.get_path_operation("/gate/adm/v1/set/in-flight-max/{event}", HttpMethod::Put);
        assert_eq!(set.unwrap().operation_id.as_deref(), Some("setInFlightMax"));
        assert_eq!(set.unwrap().tags, Some(vec!["gate".to_owned()]));
        assert!(set.unwrap().responses.responses.contains_key("413"));
        assert!(good.components.unwrap().schemas.contains_key("Problem"));
    }

    #[test]
    fn every_kind_of_invalid_path_is_reported() {
        for (path, method) in [
            ("/events/adm/v1/get/event", HttpMethod::Get),
            ("/event/admin/v1/get/event", HttpMethod::Get),
            ("/event/adm/1/get/event", HttpMethod::Get),
            ("/event/adm/v/get/event", HttpMethod::Get),
            ("/event/adm/v1/fetch/event", HttpMethod::Get),
            ("/event/adm/v1/get", HttpMethod::Get),
            ("/event/adm/v1/get/Event", HttpMethod::Get),
            ("/event/adm/v1/get/event/spring", HttpMethod::Get),
            ("/event/adm/v1/get/event/{Event}", HttpMethod::Get),
            ("/event/adm/v1/get/event/", HttpMethod::Get),
            ("/event/adm/v1/get/event", HttpMethod::Post),
            ("/event/adm/v1/close/event", HttpMethod::Get),
            ("/event/adm/v1/set/pace", HttpMethod::Post),
            ("/event/adm/v1/update/event", HttpMethod::Put),
            ("/event/adm/v1/delete/event", HttpMethod::Post),
        ] {
            assert_eq!(url_violations(&doc(&[(path, method)])).len(), 1, "{path}");
        }
        let twice = doc(&[
            ("/event/adm/v1/get/event", HttpMethod::Get),
            ("/event/com/v1/get/event", HttpMethod::Get),
        ]);
        assert_eq!(url_violations(&twice).len(), 1);
        let mut renamed = doc(&[("/event/adm/v1/get/event", HttpMethod::Get)]);
        for item in renamed.paths.paths.values_mut() {
            for operation in operations_mut(item) {
                operation.operation_id = Some("fetch".into());
                operation.tags = None;
            }
        }
        assert_eq!(url_violations(&renamed).len(), 2);
    }

    #[tokio::test]
    async fn a_cached_document_gets_304() {
        use tower::ServiceExt as _;
        let router: Router = routes(&doc(&[("/event/adm/v1/get/event", HttpMethod::Get)])).unwrap();
        let get = |tag: Option<HeaderValue>| {
            let mut request = axum::extract::Request::new(axum::body::Body::empty());
            *request.uri_mut() = "/openapi.json".parse().unwrap();
            request.headers_mut().extend(tag.map(|tag| (header::IF_NONE_MATCH, tag)));
            router.clone().oneshot(request)
        };
        let first = get(None).await.unwrap();
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CONTENT_TYPE], "application/json");
        let again = get(Some(first.headers()[header::ETAG].clone())).await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get(Some("\"x\"".parse().unwrap())).await.unwrap().status(), StatusCode::OK);
    }
}
