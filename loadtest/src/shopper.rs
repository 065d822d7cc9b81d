//! `browse`: regular shoppers, who never heard of the event: the main page, a product, now and then an order.

use std::sync::Arc;
use std::time::Duration;

use goose::goose::{GooseRequest, GooseUser, Scenario, Transaction, TransactionFunction};

use reqwest::StatusCode;

use crate::attack::{self, Until};
use crate::person::Trouble;
use crate::report::Report;

/// A shopper looks around for so long between two pages.
const LOOKS_AROUND: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(800));

/// Regular shoppers.
#[derive(Debug, Clone)]
pub struct Browse {
    /// The shop's address as its customers know it.
    pub gateway: String,
    /// How many.
    pub users: u16,
    /// For how long.
    pub time: Duration,
    /// The product pages that they look at.
    pub products: Vec<String>,
}

impl Browse {
    /// Sends the shoppers, and tells how it went.
    pub async fn run(&self) -> anyhow::Result<Report> {
        let mut scenario = Scenario::new("browse")
            .set_wait_time(LOOKS_AROUND.0, LOOKS_AROUND.1)?
            .register_transaction(look("/", "main").set_weight(2)?);
        for product in &self.products {
            scenario = scenario.register_transaction(look(product, "product").set_weight(2)?);
        }
        if let Some(product) = self.products.first().and_then(|path| path.rsplit('/').next()) {
            scenario = scenario.register_transaction(buy(product));
        }
        let metrics = attack::run(&self.gateway, self.users, Until::Over(self.time), scenario).await?;
        Ok(Report::of_shoppers(&metrics))
    }
}

fn look(path: &str, name: &'static str) -> Transaction {
    let path: Arc<str> = path.into();
    let look: TransactionFunction = Arc::new(move |user| {
        let path = Arc::clone(&path);
        Box::pin(async move { see(user, &path, name).await.map(drop) })
    });
    Transaction::new(look).set_name(name)
}

/// The order form, and then the order, with whatever the form holds.
fn buy(product: &str) -> Transaction {
    let product: Arc<str> = product.into();
    let buy: TransactionFunction = Arc::new(move |user| {
        let product = Arc::clone(&product);
        Box::pin(async move {
            let form = see(user, &format!("/orders/new?product={product}"), "order form").await?;
            let mut answer = user.post_form("/orders", &fields(&form)).await?;
            // A shop sends its customer on to the order; nobody follows here.
            let placed =
                answer.response.as_ref().is_ok_and(|answer| answer.status() == StatusCode::SEE_OTHER);
            if placed {
                user.set_success(&mut answer.request)?;
            }
            read_away(answer.response).await;
            Ok(())
        })
    });
    Transaction::new(buy).set_name("order")
}

/// The names and values of a page's input fields. No parser of HTML: an input that it does not understand is left out, and
/// then the shop refuses the order, which is told.
fn fields(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("<input").skip(1).filter_map(|input| input.split_once('>'));
    let value = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    inputs.filter_map(|(tag, _)| Some((value(tag, "name")?, value(tag, "value")?))).collect()
}

async fn see(user: &mut GooseUser, path: &str, name: &str) -> Result<String, Trouble> {
    let answer = user.request(GooseRequest::builder().path(path).name(name).build()).await?;
    Ok(read_away(answer.response).await)
}

/// An answer counts when it is here in full, and only then is its connection free again.
async fn read_away(answer: Result<reqwest::Response, reqwest::Error>) -> String {
    match answer {
        Ok(answer) => answer.text().await.unwrap_or_default(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_sent_with_what_it_holds() {
        let page = r#"<form><input type="hidden" name="key" value="a1"><p><input id="pieces" name="pieces" min="1" value="2" required></p><input name="empty"></form>"#;
        let told = fields(page);
        let told: Vec<_> = told.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(told, [("key", "a1"), ("pieces", "2")]);
        assert_eq!(fields("<p>no form</p>"), []);
    }
}
