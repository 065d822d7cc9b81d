//! The scenario `browse`: regular shoppers, who do not apply for the event. They open the main page and products, and sometimes
//! order.

use std::sync::Arc;
use std::time::Duration;

use goose::goose::{GooseRequest, GooseUser, Scenario, Transaction, TransactionFunction};

use reqwest::StatusCode;

use crate::attack::{self, RunLength};
use crate::person::LoadError;
use crate::report::LoadReport;

/// Shortest and longest pause of a shopper between two pages.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(800));

/// Regular shoppers.
#[derive(Debug, Clone)]
pub struct Browse {
    /// The public address of the shop.
    pub gateway: String,
    /// The number of shoppers.
    pub users: u16,
    /// The length of the run.
    pub time: Duration,
    /// The paths of the product pages.
    pub products: Vec<String>,
}

impl Browse {
    /// Sends the shoppers, and reports the results.
    pub async fn run(&self) -> anyhow::Result<LoadReport> {
        let mut scenario = Scenario::new("browse")
            .set_wait_time(PAUSE.0, PAUSE.1)?
            .register_transaction(open_page("/", "main").set_weight(2)?);
        for product in &self.products {
            scenario = scenario.register_transaction(open_page(product, "product").set_weight(2)?);
        }
        if let Some(product) = self.products.first().and_then(|path| path.rsplit('/').next()) {
            scenario = scenario.register_transaction(buy(product));
        }
        let metrics = attack::run(&self.gateway, self.users, RunLength::Time(self.time), scenario).await?;
        Ok(LoadReport::of_shoppers(&metrics))
    }
}

fn open_page(path: &str, name: &'static str) -> Transaction {
    let path: Arc<str> = path.into();
    let open: TransactionFunction = Arc::new(move |user| {
        let path = Arc::clone(&path);
        Box::pin(async move { get(user, &path, name).await.map(drop) })
    });
    Transaction::new(open).set_name(name)
}

/// Opens the order form, then sends it with its default values.
fn buy(product: &str) -> Transaction {
    let product: Arc<str> = product.into();
    let buy: TransactionFunction = Arc::new(move |user| {
        let product = Arc::clone(&product);
        Box::pin(async move {
            let form = get(user, &format!("/orders/new?product={product}"), "order form").await?;
            let mut response = user.post_form("/orders", &fields(&form)).await?;
            // The shop redirects to the order. The redirect is not followed.
            let is_placed =
                response.response.as_ref().is_ok_and(|response| response.status() == StatusCode::SEE_OTHER);
            if is_placed {
                user.set_success(&mut response.request)?;
            }
            read_body(response.response).await;
            Ok(())
        })
    });
    Transaction::new(buy).set_name("order")
}

/// The names and values of the input fields of a page. This is not an HTML parser: unknown forms of input are left out, the shop
/// then refuses the order, and the report counts the failure.
fn fields(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("<input").skip(1).filter_map(|input| input.split_once('>'));
    let value = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    inputs.filter_map(|(tag, _)| Some((value(tag, "name")?, value(tag, "value")?))).collect()
}

async fn get(user: &mut GooseUser, path: &str, name: &str) -> Result<String, LoadError> {
    let response = user.request(GooseRequest::builder().path(path).name(name).build()).await?;
    Ok(read_body(response.response).await)
}

/// Reads a response to its end; only then is its connection free again.
async fn read_body(response: Result<reqwest::Response, reqwest::Error>) -> String {
    match response {
        Ok(response) => response.text().await.unwrap_or_default(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_sent_with_its_default_values() {
        let page = r#"<form><input type="hidden" name="key" value="a1"><p><input id="pieces" name="pieces" min="1" value="2" required></p><input name="empty"></form>"#;
        let found = fields(page);
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("key", "a1"), ("pieces", "2")]);
        assert_eq!(fields("<p>no form</p>"), []);
    }
}
