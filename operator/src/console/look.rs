//! The look of an event's pages in forms.

use super::form::Form;
use super::format;
use crate::response::EventResponse;

/// The values of the fields, as in the form.
#[derive(Default)]
pub(super) struct LookValues {
    pub(super) description_ko: String,
    pub(super) description_en: String,
    pub(super) color: String,
    pub(super) picture_url: String,
    pub(super) product_name_ko: String,
    pub(super) product_name_en: String,
    pub(super) product_price: String,
    pub(super) product_url: String,
}

impl LookValues {
    /// What the operator typed.
    pub(super) fn typed(form: &Form) -> Self {
        let text = |name: &str| form.get(name).to_owned();
        Self {
            description_ko: text("description_ko"),
            description_en: text("description_en"),
            color: text("color"),
            picture_url: text("picture_url"),
            product_name_ko: text("product_name_ko"),
            product_name_en: text("product_name_en"),
            product_price: text("product_price"),
            product_url: text("product_url"),
        }
    }

    /// The look of an event.
    pub(super) fn of(event: &EventResponse) -> Self {
        Self {
            description_ko: event.description.ko.clone(),
            description_en: event.description.en.clone(),
            color: event.color.clone(),
            picture_url: event.picture_url.clone(),
            product_name_ko: event.product_name.ko.clone(),
            product_name_en: event.product_name.en.clone(),
            product_price: price_text(event.product_price),
            product_url: event.product_url.clone(),
        }
    }
}

fn price_text(won: u32) -> String {
    if won == 0 { String::new() } else { format::number(won) }
}
