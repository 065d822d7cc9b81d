//! The gateway's own responses: each reason not to forward, with its status and message, rendered once at the start. A browser gets a
//! page, which reloads by itself where a retry may help; any other client gets a problem document.

mod event_responses;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use service::Problem;

use crate::client::ClientKey;
use crate::limit::RateExceeded;
use crate::messages::{self, RefusalText};
use crate::page::{Next, RefusalPage};
use service::Language;

pub(crate) use event_responses::EventResponses;

/// Why a request was not forwarded, or its response not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalReason {
    /// The client exceeds its rate.
    TooFast,
    /// The client has too many requests in flight.
    TooManyAtOnce,
    /// All clients together exceed the global rate.
    Full,
    /// The upstream has its maximum of requests in flight.
    UpstreamFull,
    /// The upstream accepts no connection.
    UpstreamDown,
    /// The upstream does not respond in time.
    UpstreamSlow,
    /// The upstream closed the connection before it responded, or its response is malformed.
    UpstreamBroken,
    /// The request's body ended early.
    BodyBroken,
    /// The path can be read in more than one way.
    AmbiguousPath,
    /// The `Host` header is missing or malformed.
    BadHost,
    /// No route matches the path.
    NotFound,
    /// `CONNECT` or `TRACE`, which a reverse proxy does not serve.
    Method,
    /// The client requests another protocol.
    Upgrade,
    /// The body has a transfer coding besides `chunked`.
    TransferCoding,
    /// The request has passed this gateway before.
    Loop,
    /// An event diverts the path.
    Diverted,
    /// The path needs a pass, and the request has none.
    PassRequired,
    /// The path needs a pass, and that of the request has expired.
    PassExpired,
    /// The path needs a pass, and that of the request is not genuine, or no longer verifiable.
    PassInvalid,
    /// The path needs a pass of another event.
    PassWrongEvent,
}

impl RefusalReason {
    pub(crate) const ALL: [Self; 20] = [
        Self::TooFast,
        Self::TooManyAtOnce,
        Self::Full,
        Self::UpstreamFull,
        Self::UpstreamDown,
        Self::UpstreamSlow,
        Self::UpstreamBroken,
        Self::BodyBroken,
        Self::AmbiguousPath,
        Self::BadHost,
        Self::NotFound,
        Self::Method,
        Self::Upgrade,
        Self::TransferCoding,
        Self::Loop,
        Self::Diverted,
        Self::PassRequired,
        Self::PassExpired,
        Self::PassInvalid,
        Self::PassWrongEvent,
    ];

    /// Status and stable problem code; the code is also the metrics label.
    pub(crate) fn kind(self) -> (StatusCode, &'static str) {
        match self {
            Self::TooFast => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests"),
            Self::TooManyAtOnce => (StatusCode::TOO_MANY_REQUESTS, "too-many-at-once"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "gateway-full"),
            Self::UpstreamFull => (StatusCode::SERVICE_UNAVAILABLE, "upstream-full"),
            Self::UpstreamDown => (StatusCode::SERVICE_UNAVAILABLE, "upstream-down"),
            Self::UpstreamSlow => (StatusCode::GATEWAY_TIMEOUT, "upstream-slow"),
            Self::UpstreamBroken => (StatusCode::BAD_GATEWAY, "upstream-broken"),
            Self::BodyBroken => (StatusCode::BAD_REQUEST, "body-broken"),
            Self::AmbiguousPath => (StatusCode::BAD_REQUEST, "ambiguous-path"),
            Self::BadHost => (StatusCode::BAD_REQUEST, "bad-host"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Self::Upgrade => (StatusCode::NOT_IMPLEMENTED, "upgrade-not-supported"),
            Self::TransferCoding => (StatusCode::NOT_IMPLEMENTED, "transfer-coding-not-supported"),
            Self::Loop => (StatusCode::LOOP_DETECTED, "loop"),
            Self::Diverted => (StatusCode::CONFLICT, "event-diverted"),
            Self::PassRequired => (StatusCode::FORBIDDEN, "pass-required"),
            Self::PassExpired => (StatusCode::FORBIDDEN, "pass-expired"),
            Self::PassInvalid => (StatusCode::FORBIDDEN, "pass-invalid"),
            Self::PassWrongEvent => (StatusCode::FORBIDDEN, "pass-wrong-event"),
        }
    }

    /// The least seconds after which a retry may help, in ascending order: one of them fits the time that a client has to wait. None
    /// where a retry cannot help.
    fn retry_s(self) -> &'static [u32] {
        match self {
            // The slowest rate is one request a minute.
            Self::TooFast => &[1, 2, 5, 10, 20, 30, 60],
            Self::TooManyAtOnce => &[1],
            Self::Full | Self::UpstreamFull | Self::UpstreamSlow | Self::UpstreamBroken => &[2],
            Self::UpstreamDown => &[5],
            _ => &[],
        }
    }

    fn message(self, language: Language) -> RefusalText {
        let messages = messages::of(language);
        match self {
            Self::TooFast | Self::TooManyAtOnce => messages.too_fast,
            Self::Full | Self::UpstreamFull => messages.full,
            Self::UpstreamDown | Self::UpstreamSlow | Self::UpstreamBroken => messages.down,
            Self::NotFound => messages.not_found,
            Self::Diverted => messages.diverted,
            Self::PassRequired => messages.pass_required,
            Self::PassExpired => messages.pass_expired,
            Self::PassInvalid => messages.pass_invalid,
            Self::PassWrongEvent => messages.pass_wrong_event,
            _ => messages.unreadable,
        }
    }
}

/// The formats and languages that a client accepts; cheap to keep until an error response is needed.
#[derive(Debug, Clone, Default)]
pub(crate) struct AcceptedFormats {
    kinds: Option<HeaderValue>,
    languages: Option<HeaderValue>,
    /// Whether the page may reload by itself; after a form it must not, because the form would be lost.
    may_reload: bool,
    /// A number that is the client's own.
    spread: u64,
}

impl AcceptedFormats {
    pub(crate) fn of(request: &Request) -> Self {
        let headers = request.headers();
        Self {
            kinds: headers.get(header::ACCEPT).cloned(),
            languages: headers.get(header::ACCEPT_LANGUAGE).cloned(),
            may_reload: matches!(*request.method(), Method::GET | Method::HEAD),
            spread: 0,
        }
    }

    /// Of this client: its wait differs from other clients' waits, and stays the same when it reloads.
    pub(crate) fn for_client(self, client: ClientKey) -> Self {
        Self { spread: client.hash(), ..self }
    }

    /// Whether the client is a browser.
    pub(crate) fn wants_page(&self) -> bool {
        let kinds = self.kinds.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
        kinds.windows(9).any(|part| part.eq_ignore_ascii_case(b"text/html"))
    }

    fn language(&self) -> Language {
        Language::preferred(self.languages.as_ref())
    }
}

/// How many different waits each least one has, so that clients refused together retry at different times: the least one, and 1 to 3
/// times a third of it more, the third rounded up to whole seconds.
const WAITS: u32 = 4;

const X_FIRSTCOME_REASON: HeaderName = HeaderName::from_static("x-firstcome-reason");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A rendered response.
#[derive(Debug)]
struct Rendered {
    headers: HeaderMap,
    body: Bytes,
}

/// One reason in one language, each format once per wait.
#[derive(Debug)]
struct ReasonResponses {
    /// Pages that reload by themselves.
    pages: Vec<Rendered>,
    /// Pages in response to a submitted form.
    form_pages: Vec<Rendered>,
    problems: Vec<Rendered>,
}

/// All responses, rendered.
#[derive(Debug)]
pub(crate) struct ErrorResponses {
    korean: Vec<ReasonResponses>,
    english: Vec<ReasonResponses>,
}

impl ErrorResponses {
    pub(crate) fn new() -> Self {
        let page = RefusalPage::new();
        let responses = |language| {
            RefusalReason::ALL.iter().map(|reason| render_variants(*reason, language, &page)).collect()
        };
        Self { korean: responses(Language::Korean), english: responses(Language::English) }
    }

    /// The response in the accepted format and language.
    pub(crate) fn response(&self, reason: RefusalReason, accepted: &AcceptedFormats) -> Response {
        self.response_after(reason, 0, accepted)
    }

    /// The response to a proxy that asks whether a request has a valid pass.
    pub(crate) fn unauthorized(reason: RefusalReason, language: Language) -> Response {
        let ((_, code), message) = (reason.kind(), reason.message(language));
        let problem = Problem::new(StatusCode::UNAUTHORIZED, code, message.head).detail(message.text);
        let headers = [
            (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            (X_FIRSTCOME_REASON, HeaderValue::from_static(code)),
        ];
        (headers, problem).into_response()
    }

    /// The response to a client that exceeds its rate, which does not ask for a retry before the next request is due.
    pub(crate) fn too_fast(&self, exceeded: RateExceeded, accepted: &AcceptedFormats) -> Response {
        let mut response = self.response_after(RefusalReason::TooFast, exceeded.wait_s(), accepted);
        response.headers_mut().insert(RATE_LIMIT_POLICY, exceeded.policy);
        response.headers_mut().insert(RATE_LIMIT, exceeded.state);
        response
    }

    /// The response with a wait of at least so many seconds.
    fn response_after(&self, reason: RefusalReason, wait_s: u64, accepted: &AcceptedFormats) -> Response {
        let responses = match accepted.language() {
            Language::Korean => &self.korean[reason as usize],
            Language::English => &self.english[reason as usize],
        };
        let variants = match (accepted.wants_page(), accepted.may_reload) {
            (true, true) => &responses.pages,
            (true, false) => &responses.form_pages,
            (false, _) => &responses.problems,
        };
        let leasts = reason.retry_s();
        let fits = leasts.iter().position(|least| u64::from(*least) >= wait_s);
        let group = fits.or(leasts.len().checked_sub(1)).unwrap_or(0);
        let nth = group * WAITS as usize + usize::try_from(accepted.spread % u64::from(WAITS)).unwrap_or(0);
        let rendered = &variants[nth.min(variants.len() - 1)];
        let mut response = Response::new(Body::from(rendered.body.clone()));
        *response.status_mut() = reason.kind().0;
        response.headers_mut().clone_from(&rendered.headers);
        response
    }
}

fn render_variants(reason: RefusalReason, language: Language, page: &RefusalPage) -> ReasonResponses {
    // In whole seconds, the unit of the header.
    let spread = |least: &u32| {
        let least = *least;
        (0..WAITS).map(move |step| Some(least + step * least.div_ceil(WAITS - 1)))
    };
    let mut waits: Vec<Option<u32>> = reason.retry_s().iter().flat_map(spread).collect();
    if waits.is_empty() {
        waits.push(None);
    }
    let message = reason.message(language);
    let page_with = |wait: Option<u32>, next: Next<'_>| {
        let html = Bytes::from(RefusalPage::html(language, message, next));
        rendered(reason, language, wait, "text/html; charset=utf-8", html, Some(page.policy()))
    };
    let pages = waits.iter().map(|wait| page_with(*wait, wait.map_or(Next::Nothing, Next::Reload)));
    let form_pages = waits.iter().map(|wait| page_with(*wait, wait.map_or(Next::Nothing, Next::SendAgain)));
    let problems = waits.iter().map(|wait| {
        let json = problem(reason, language).to_json().to_string();
        rendered(reason, language, *wait, "application/problem+json", Bytes::from(json), None)
    });
    ReasonResponses { pages: pages.collect(), form_pages: form_pages.collect(), problems: problems.collect() }
}

fn problem(reason: RefusalReason, language: Language) -> Problem {
    let ((status, code), message) = (reason.kind(), reason.message(language));
    Problem::new(status, code, message.head).detail(message.text)
}

fn rendered(
    reason: RefusalReason,
    language: Language,
    wait: Option<u32>,
    kind: &'static str,
    body: Bytes,
    policy: Option<HeaderValue>,
) -> Rendered {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Language"));
    if let Some(policy) = policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Some(seconds) = wait {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if reason == RefusalReason::Method {
        let taken = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        headers.insert(header::ALLOW, taken);
    }
    Rendered { headers, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(method: Method, pairs: &[(header::HeaderName, &'static str)]) -> AcceptedFormats {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        for (name, value) in pairs {
            request.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
        }
        AcceptedFormats::of(&request)
    }

    fn body(response: Response) -> String {
        use futures_util::FutureExt as _;
        let body = axum::body::to_bytes(response.into_body(), 10_000).now_or_never();
        String::from_utf8(body.unwrap().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn only_the_page_of_a_read_reloads_by_itself() {
        let error_responses = ErrorResponses::new();
        let browser = [(header::ACCEPT, "text/html"), (header::ACCEPT_LANGUAGE, "en")];
        for reason in RefusalReason::ALL.into_iter().filter(|reason| !reason.retry_s().is_empty()) {
            for (method, reloads) in [(Method::GET, true), (Method::HEAD, true), (Method::POST, false)] {
                let response = error_responses.response(reason, &accepted(method.clone(), &browser));
                assert!(response.headers().contains_key(header::RETRY_AFTER), "{reason:?} {method}");
                let page = body(response);
                assert_eq!(page.contains("http-equiv=\"refresh\""), reloads, "{reason:?} {method}: {page}");
                assert_eq!(page.contains("send the form again"), !reloads, "{reason:?} {method}: {page}");
            }
        }
    }

    #[test]
    fn each_reason_is_its_own_index() {
        for (at, reason) in RefusalReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, at, "{reason:?}");
        }
    }

    #[test]
    fn clients_refused_together_retry_at_different_times() {
        let error_responses = ErrorResponses::new();
        for reason in RefusalReason::ALL.into_iter().filter(|reason| !reason.retry_s().is_empty()) {
            let mut waits: Vec<u64> =
                (0..100).map(|n| wait(&error_responses.response(reason, &client(n)))).collect();
            waits.sort_unstable();
            waits.dedup();
            assert_eq!((waits.len(), waits[0]), (4, u64::from(reason.retry_s()[0])), "{reason:?}: {waits:?}");
        }
    }

    #[test]
    fn a_client_that_reloads_is_told_the_same_wait_and_never_one_that_is_too_short() {
        let error_responses = ErrorResponses::new();
        for due_ms in [1, 20, 999, 1000, 1001, 4000, 7500, 29_999, 59_999, 60_000] {
            for n in 0..20 {
                let exceeded = RateExceeded {
                    wait: std::time::Duration::from_millis(due_ms),
                    policy: HeaderValue::from_static("p"),
                    state: HeaderValue::from_static("s"),
                };
                let waits = [(); 3].map(|()| wait(&error_responses.too_fast(exceeded.clone(), &client(n))));
                assert_eq!(waits, [waits[0]; 3]);
                assert!(
                    waits[0] * 1000 >= due_ms && waits[0] <= 4 + due_ms / 1000 * 4,
                    "{due_ms} ms: {waits:?}"
                );
            }
        }
    }

    fn client(n: u8) -> AcceptedFormats {
        let keys = crate::client::ClientKeys::of([10, 0, 0, n].into());
        AcceptedFormats::default().for_client(keys.client())
    }

    fn wait(response: &Response) -> u64 {
        response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap()
    }

    #[test]
    fn a_browser_gets_a_page_and_a_program_a_problem_document_in_its_language() {
        let error_responses = ErrorResponses::new();
        let browser = [(header::ACCEPT, "text/html,*/*;q=0.8"), (header::ACCEPT_LANGUAGE, "en-US")];
        let answer = error_responses.response(RefusalReason::Full, &accepted(Method::GET, &browser));
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(answer.headers()[header::CONTENT_LANGUAGE], "en");
        assert!(answer.headers().contains_key(header::CONTENT_SECURITY_POLICY));
        let answer = error_responses
            .response(RefusalReason::Full, &accepted(Method::GET, &[(header::ACCEPT, "application/json")]));
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(answer.headers()[header::CONTENT_LANGUAGE], "ko");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
