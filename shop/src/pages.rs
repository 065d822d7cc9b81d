//! The shop's pages. They need no script, and each costs its simulated service one or two units of work.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::catalog::{self, Product};
use crate::checkout::{CheckoutForm, CheckoutResult, PlacedOrder};
use crate::counters::RequestKind;
use crate::messages::{self, ShopMessages};
use crate::path_segment::PathSegment;
use crate::state::ShopState;
use crate::stock::StockedProduct;
use crate::views::{CheckoutView, MainView, MessagePage, OrderView, ProductView, Tile};
use service::Language;

/// The maximum number of pieces of one order.
const PIECES_MAX: u32 = 9;

/// Allows the shop's own stylesheet and pictures only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

type ShopQuery = Result<Query<HashMap<String, String>>, axum::extract::rejection::QueryRejection>;

/// The language and the query of a page request.
struct PageRequest {
    language: Language,
    messages: &'static ShopMessages,
    /// Whether `?lang=` chose the language, which a cookie then remembers.
    explicit_language: bool,
    query: HashMap<String, String>,
}

impl PageRequest {
    fn of(query: ShopQuery, headers: &HeaderMap) -> Self {
        let query = query.map_or_else(|_| HashMap::new(), |Query(query)| query);
        let lang = query.get("lang").map(String::as_str);
        let language = Language::of_page(lang, headers);
        Self {
            language,
            messages: messages::of(language),
            explicit_language: lang.and_then(Language::of_tag).is_some(),
            query,
        }
    }

    fn name(&self, product: &Product) -> &'static str {
        match self.language {
            Language::Korean => product.ko,
            Language::English => product.en,
        }
    }

    fn tiles(&self, products: &[StockedProduct]) -> Vec<Tile> {
        products.iter().map(|product| self.tile(product)).collect()
    }

    fn tile(&self, stocked: &StockedProduct) -> Tile {
        let price = grouped(stocked.product.price);
        let price = match self.language {
            Language::Korean => format!("{price}원"),
            Language::English => format!("₩{price}"),
        };
        Tile { id: stocked.product.id, name: self.name(stocked.product), price, stock: stocked.stock }
    }

    fn other_href(&self) -> String {
        format!("?lang={}", self.messages.other)
    }

    fn page(&self, status: StatusCode, view: &impl Template) -> Response {
        let Ok(html) = view.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::CONTENT_LANGUAGE, self.language.tag()),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (status, headers, html).into_response();
        if self.explicit_language {
            let cookie = match self.language {
                Language::Korean => "lang=ko; Path=/; Max-Age=31536000; SameSite=Lax",
                Language::English => "lang=en; Path=/; Max-Age=31536000; SameSite=Lax",
            };
            response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        response
    }

    fn message(&self, status: StatusCode, (title, text): (&'static str, &'static str)) -> Response {
        self.page(
            status,
            &MessagePage { messages: self.messages, title, other_href: self.other_href(), text },
        )
    }

    fn not_found(&self) -> Response {
        self.message(StatusCode::NOT_FOUND, self.messages.not_found)
    }

    fn failed(&self, error: &sqlx::Error) -> Response {
        tracing::error!(%error, "the shop's database failed");
        self.message(StatusCode::INTERNAL_SERVER_ERROR, self.messages.busy)
    }
}

/// `GET /`: a banner and the best-selling products. The most expensive page.
pub(crate) async fn main(
    State(state): State<Arc<ShopState>>,
    query: ShopQuery,
    headers: HeaderMap,
) -> Response {
    serve(state, RequestKind::Main, 1, PageRequest::of(query, &headers), |state, request| async move {
        let tiles = request.tiles(&state.store.popular().await?);
        let (messages, other_href) = (request.messages, request.other_href());
        Ok(request.page(StatusCode::OK, &MainView { messages, title: messages.shop, other_href, tiles }))
    })
    .await
}

/// `GET /products/{id}`: one product. It costs two units of work: stock and recommendations.
pub(crate) async fn product(
    State(state): State<Arc<ShopState>>,
    PathSegment(id): PathSegment,
    query: ShopQuery,
    headers: HeaderMap,
) -> Response {
    serve(state, RequestKind::Product, 2, PageRequest::of(query, &headers), |state, request| async move {
        let Some(stocked) = stocked_product(&state, &id).await? else { return Ok(request.not_found()) };
        let tiles = request.tiles(&state.store.recommended(stocked.product.id).await?);
        let (messages, product, other_href) =
            (request.messages, request.tile(&stocked), request.other_href());
        let view = ProductView { messages, title: product.name, other_href, product, tiles };
        Ok(request.page(StatusCode::OK, &view))
    })
    .await
}

/// `GET /orders/new?product=`: the checkout form.
pub(crate) async fn checkout(
    State(state): State<Arc<ShopState>>,
    query: ShopQuery,
    headers: HeaderMap,
) -> Response {
    serve(state, RequestKind::Order, 1, PageRequest::of(query, &headers), |state, request| async move {
        let id = request.query.get("product").map_or("", String::as_str);
        let Some(stocked) = stocked_product(&state, id).await? else { return Ok(request.not_found()) };
        let (messages, product) = (request.messages, request.tile(&stocked));
        let other_href = format!("?product={}&lang={}", product.id, messages.other);
        let (form_key, pieces_max) = (form_key(&state), PIECES_MAX);
        let view =
            CheckoutView { messages, title: messages.checkout, other_href, product, form_key, pieces_max };
        Ok(request.page(StatusCode::OK, &view))
    })
    .await
}

/// `POST /orders`: a regular order. The same form submitted twice is one order.
pub(crate) async fn buy(
    State(state): State<Arc<ShopState>>,
    headers: HeaderMap,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Response {
    let request = PageRequest::of(Ok(Query(HashMap::new())), &headers);
    serve(state, RequestKind::Order, 1, request, |state, request| async move {
        let parsed = form.ok().and_then(|Form(fields)| parse_form(&fields));
        let Some(checkout) = parsed else {
            return Ok(request.message(StatusCode::UNPROCESSABLE_ENTITY, request.messages.invalid));
        };
        Ok(match state.store.buy(&checkout, (state.now)()).await? {
            CheckoutResult::Order(order_no) => see_other(&order_no),
            CheckoutResult::SoldOut => request.message(StatusCode::CONFLICT, request.messages.too_few),
        })
    })
    .await
}

/// `GET /orders/{no}`: a regular order or an event order, without personal data.
pub(crate) async fn order(
    State(state): State<Arc<ShopState>>,
    PathSegment(order_no): PathSegment,
    query: ShopQuery,
    headers: HeaderMap,
) -> Response {
    serve(state, RequestKind::Order, 1, PageRequest::of(query, &headers), |state, request| async move {
        let what = match state.store.placed_order(&order_no).await? {
            None => return Ok(request.not_found()),
            Some(PlacedOrder::EventOrder { event }) => format!("{} {event}", request.messages.event),
            Some(PlacedOrder::Sale { product, pieces }) => {
                let name = catalog::by_id(product).map_or("", |product| request.name(product));
                format!("{name} × {pieces}")
            }
        };
        let (messages, other_href) = (request.messages, request.other_href());
        Ok(request.page(
            StatusCode::OK,
            &OrderView { messages, title: messages.ordered, other_href, order_no, what },
        ))
    })
    .await
}

/// Any other path.
pub(crate) async fn not_found(query: ShopQuery, headers: HeaderMap) -> Response {
    PageRequest::of(query, &headers).not_found()
}

/// Renders a page on the service that carries its kind.
async fn serve<F>(
    state: Arc<ShopState>,
    kind: RequestKind,
    units: u32,
    request: PageRequest,
    page: impl FnOnce(Arc<ShopState>, Arc<PageRequest>) -> F,
) -> Response
where
    F: Future<Output = Result<Response, sqlx::Error>> + Send + 'static,
{
    let request = Arc::new(request);
    let inner = Arc::clone(&request);
    let page = page(Arc::clone(&state), Arc::clone(&request));
    let work = async move { page.await.unwrap_or_else(|error| inner.failed(&error)) };
    state.serve(kind, units, work).await.unwrap_or_else(|| {
        let mut response = request.message(StatusCode::SERVICE_UNAVAILABLE, request.messages.busy);
        response.extensions_mut().insert(kind.route());
        response
    })
}

async fn stocked_product(state: &ShopState, id: &str) -> Result<Option<StockedProduct>, sqlx::Error> {
    match id.parse() {
        Ok(id) => state.store.product(id).await,
        Err(_) => Ok(None),
    }
}

/// Parses the checkout form; `None` if a field is invalid.
fn parse_form(fields: &HashMap<String, String>) -> Option<CheckoutForm> {
    let product = fields.get("product")?.parse().ok().filter(|id| catalog::by_id(*id).is_some())?;
    let pieces = fields.get("pieces")?.parse().ok().filter(|pieces| (1..=PIECES_MAX).contains(pieces))?;
    let form_key = fields.get("key").filter(|key| {
        (16..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })?;
    Some(CheckoutForm { product, pieces, form_key: form_key.clone() })
}

fn form_key(state: &ShopState) -> String {
    let mut bytes = [0; 16];
    (state.rng)(&mut bytes);
    format!("{:032x}", u128::from_le_bytes(bytes))
}

/// Redirects the browser after a form, so that a reload repeats nothing.
fn see_other(order_no: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/orders/{order_no}"))]).into_response()
}

/// Formats with commas between thousands.
fn grouped(won: u32) -> String {
    let digits = won.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_by_commas() {
        assert_eq!(
            [7, 999, 1000, 18_000, 1_234_567].map(grouped),
            ["7", "999", "1,000", "18,000", "1,234,567"]
        );
    }
}
