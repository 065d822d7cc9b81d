//! The shop's pages over HTTP. They need no script, and each costs its service what `knee` says.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::checkout::{Bought, Placed, Wanted};
use crate::figures::Kind;
use crate::goods::{self, OnShelf, Product};
use crate::messages::{self, Messages};
use crate::routes::PathId;
use crate::state::ShopState;
use crate::views::{CheckoutView, MainView, MessageView, OrderView, ProductView, Tile};
use service::Language;

/// Most pieces of one order.
const PIECES_MAX: u32 = 9;

/// Only our own style and pictures.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

type Asked = Result<Query<HashMap<String, String>>, axum::extract::rejection::QueryRejection>;

/// In which language a page is asked for, and what else was.
struct Reader {
    language: Language,
    messages: &'static Messages,
    /// Whether the language was asked for by hand, and so is to be remembered.
    by_hand: bool,
    query: HashMap<String, String>,
}

impl Reader {
    fn of(asked: Asked, headers: &HeaderMap) -> Self {
        let query = asked.map_or_else(|_| HashMap::new(), |Query(query)| query);
        let lang = query.get("lang").map(String::as_str);
        let language = Language::of_page(lang, headers);
        Self {
            language,
            messages: messages::of(language),
            by_hand: lang.and_then(Language::of_tag).is_some(),
            query,
        }
    }

    fn name(&self, product: &Product) -> &'static str {
        match self.language {
            Language::Korean => product.ko,
            Language::English => product.en,
        }
    }

    fn tiles(&self, on_shelf: &[OnShelf]) -> Vec<Tile> {
        on_shelf.iter().map(|on_shelf| self.tile(on_shelf)).collect()
    }

    fn tile(&self, on_shelf: &OnShelf) -> Tile {
        let price = grouped(on_shelf.product.price);
        let price = match self.language {
            Language::Korean => format!("{price}원"),
            Language::English => format!("₩{price}"),
        };
        Tile { id: on_shelf.product.id, name: self.name(on_shelf.product), price, stock: on_shelf.stock }
    }

    fn other_href(&self) -> String {
        format!("?lang={}", self.messages.other)
    }

    fn page(&self, status: StatusCode, view: &impl Template) -> Response {
        let Ok(html) = view.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CONTENT_LANGUAGE, self.language.tag()),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut answer = (status, headers, html).into_response();
        if self.by_hand {
            let cookie = match self.language {
                Language::Korean => "lang=ko; Path=/; Max-Age=31536000; SameSite=Lax",
                Language::English => "lang=en; Path=/; Max-Age=31536000; SameSite=Lax",
            };
            answer.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        answer
    }

    fn message(&self, status: StatusCode, (title, text): (&'static str, &'static str)) -> Response {
        self.page(
            status,
            &MessageView { messages: self.messages, title, other_href: self.other_href(), text },
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

/// `GET /`: what sells best, and a banner. The costliest page.
pub(crate) async fn main(State(state): State<Arc<ShopState>>, asked: Asked, headers: HeaderMap) -> Response {
    serve(state, (Kind::Main, 1), Reader::of(asked, &headers), |state, reader| async move {
        let tiles = reader.tiles(&state.store.popular().await?);
        let (messages, other_href) = (reader.messages, reader.other_href());
        Ok(reader.page(StatusCode::OK, &MainView { messages, title: messages.shop, other_href, tiles }))
    })
    .await
}

/// `GET /products/{id}`: one product. It costs two pieces of work, one for the stock and one for the recommendations.
pub(crate) async fn product(
    State(state): State<Arc<ShopState>>,
    PathId(id): PathId,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    serve(state, (Kind::Product, 2), Reader::of(asked, &headers), |state, reader| async move {
        let Some(on_shelf) = on_shelf(&state, &id).await? else { return Ok(reader.not_found()) };
        let tiles = reader.tiles(&state.store.recommended(on_shelf.product.id).await?);
        let (messages, product, other_href) = (reader.messages, reader.tile(&on_shelf), reader.other_href());
        let view = ProductView { messages, title: product.name, other_href, product, tiles };
        Ok(reader.page(StatusCode::OK, &view))
    })
    .await
}

/// `GET /orders/new?product=`: the form of a regular order.
pub(crate) async fn checkout(
    State(state): State<Arc<ShopState>>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    serve(state, (Kind::Order, 1), Reader::of(asked, &headers), |state, reader| async move {
        let id = reader.query.get("product").map_or("", String::as_str);
        let Some(on_shelf) = on_shelf(&state, id).await? else { return Ok(reader.not_found()) };
        let (messages, product) = (reader.messages, reader.tile(&on_shelf));
        let other_href = format!("?product={}&lang={}", product.id, messages.other);
        let (form_key, pieces_max) = (form_key(&state), PIECES_MAX);
        let view =
            CheckoutView { messages, title: messages.checkout, other_href, product, form_key, pieces_max };
        Ok(reader.page(StatusCode::OK, &view))
    })
    .await
}

/// `POST /orders`: a regular order. The same form sent twice is one order.
pub(crate) async fn buy(
    State(state): State<Arc<ShopState>>,
    headers: HeaderMap,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Response {
    let reader = Reader::of(Ok(Query(HashMap::new())), &headers);
    serve(state, (Kind::Order, 1), reader, |state, reader| async move {
        let wanted = form.ok().and_then(|Form(fields)| wanted(&fields));
        let Some(wanted) = wanted else {
            return Ok(reader.message(StatusCode::UNPROCESSABLE_ENTITY, reader.messages.invalid));
        };
        Ok(match state.store.buy(&wanted, (state.now)()).await? {
            Bought::Order(order_no) => see_other(&order_no),
            Bought::SoldOut => reader.message(StatusCode::CONFLICT, reader.messages.too_few),
        })
    })
    .await
}

/// `GET /orders/{no}`: an order, a regular one or one of an event. It tells nothing about who ordered.
pub(crate) async fn order(
    State(state): State<Arc<ShopState>>,
    PathId(order_no): PathId,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    serve(state, (Kind::Order, 1), Reader::of(asked, &headers), |state, reader| async move {
        let what = match state.store.placed(&order_no).await? {
            None => return Ok(reader.not_found()),
            Some(Placed::Reservation { event }) => format!("{} {event}", reader.messages.event),
            Some(Placed::Sale { product, pieces }) => {
                let name = goods::by_id(product).map_or("", |product| reader.name(product));
                format!("{name} × {pieces}")
            }
        };
        let (messages, other_href) = (reader.messages, reader.other_href());
        Ok(reader.page(
            StatusCode::OK,
            &OrderView { messages, title: messages.ordered, other_href, order_no, what },
        ))
    })
    .await
}

/// Any other address.
pub(crate) async fn nothing_here(asked: Asked, headers: HeaderMap) -> Response {
    Reader::of(asked, &headers).not_found()
}

/// Has the service that bears it make a page.
async fn serve<F>(
    state: Arc<ShopState>,
    (kind, pieces): (Kind, u32),
    reader: Reader,
    page: impl FnOnce(Arc<ShopState>, Arc<Reader>) -> F,
) -> Response
where
    F: Future<Output = Result<Response, sqlx::Error>> + Send + 'static,
{
    let reader = Arc::new(reader);
    let (inner, made) = (Arc::clone(&reader), page(Arc::clone(&state), Arc::clone(&reader)));
    let work = async move { made.await.unwrap_or_else(|error| inner.failed(&error)) };
    state.serve(kind, pieces, work).await.unwrap_or_else(|| {
        let mut answer = reader.message(StatusCode::SERVICE_UNAVAILABLE, reader.messages.busy);
        answer.extensions_mut().insert(kind.route());
        answer
    })
}

async fn on_shelf(state: &ShopState, id: &str) -> Result<Option<OnShelf>, sqlx::Error> {
    match id.parse() {
        Ok(id) => state.store.product(id).await,
        Err(_) => Ok(None),
    }
}

/// What a form asks for, if it asks for something that can be.
fn wanted(fields: &HashMap<String, String>) -> Option<Wanted> {
    let product = fields.get("product")?.parse().ok().filter(|id| goods::by_id(*id).is_some())?;
    let pieces = fields.get("pieces")?.parse().ok().filter(|pieces| (1..=PIECES_MAX).contains(pieces))?;
    let form_key = fields.get("key").filter(|key| {
        (16..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })?;
    Some(Wanted { product, pieces, form_key: form_key.clone() })
}

fn form_key(state: &ShopState) -> String {
    let mut bytes = [0; 16];
    (state.rng)(&mut bytes);
    format!("{:032x}", u128::from_le_bytes(bytes))
}

/// Sends a browser on after a form, so that a reload repeats nothing.
fn see_other(order_no: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/orders/{order_no}"))]).into_response()
}

/// With a comma between thousands.
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
    fn thousands_are_set_apart() {
        assert_eq!(
            [7, 999, 1000, 18_000, 1_234_567].map(grouped),
            ["7", "999", "1,000", "18,000", "1,234,567"]
        );
    }
}
