//! The data of the templates: finished texts, no logic.

use askama::Template;

use crate::messages::ShopMessages;

/// A product in a list.
pub(crate) struct Tile {
    pub(crate) id: i64,
    pub(crate) name: &'static str,
    pub(crate) price: String,
    pub(crate) stock: i64,
}

/// The main page.
#[derive(Template)]
#[template(path = "main.html")]
pub(crate) struct MainView {
    pub(crate) messages: &'static ShopMessages,
    pub(crate) title: &'static str,
    pub(crate) other_href: String,
    pub(crate) tiles: Vec<Tile>,
}

/// A product's page.
#[derive(Template)]
#[template(path = "product.html")]
pub(crate) struct ProductView {
    pub(crate) messages: &'static ShopMessages,
    pub(crate) title: &'static str,
    pub(crate) other_href: String,
    pub(crate) product: Tile,
    pub(crate) tiles: Vec<Tile>,
}

/// The checkout form.
#[derive(Template)]
#[template(path = "checkout.html")]
pub(crate) struct CheckoutView {
    pub(crate) messages: &'static ShopMessages,
    pub(crate) title: &'static str,
    pub(crate) other_href: String,
    pub(crate) product: Tile,
    pub(crate) form_key: String,
    pub(crate) pieces_max: u32,
}

/// An order.
#[derive(Template)]
#[template(path = "order.html")]
pub(crate) struct OrderView {
    pub(crate) messages: &'static ShopMessages,
    pub(crate) title: &'static str,
    pub(crate) other_href: String,
    pub(crate) order_no: String,
    pub(crate) what: String,
}

/// A page with a message.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub(crate) messages: &'static ShopMessages,
    pub(crate) title: &'static str,
    pub(crate) other_href: String,
    pub(crate) text: &'static str,
}
