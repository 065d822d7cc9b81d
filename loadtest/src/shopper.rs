//! `browse`: regular shoppers, who never heard of the event: the main page, a product, now and then an order.

use std::sync::Arc;
use std::time::Duration;

use goose::goose::{GooseRequest, GooseUser, Scenario, Transaction, TransactionFunction};

use crate::attack::{self, Until};
use crate::person::Trouble;
use crate::report::Report;

/// A shopper looks around for so long between two pages.
const LOOKS_AROUND: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(800));

/// Regular shoppers.
#[derive(Debug, Clone)]
pub struct Browse {
    /// The shop's address as its customers know it.
    pub door: String,
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
        let metrics = attack::run(&self.door, self.users, Until::Over(self.time), scenario).await?;
        Ok(Report::of_shoppers(&metrics))
    }
}

fn look(path: &str, name: &'static str) -> Transaction {
    let path: Arc<str> = path.into();
    let look: TransactionFunction = Arc::new(move |user| {
        let path = Arc::clone(&path);
        Box::pin(async move { see(user, &path, name).await })
    });
    Transaction::new(look).set_name(name)
}

/// The order form, and then the order.
fn buy(product: &str) -> Transaction {
    let product: Arc<str> = product.into();
    let buy: TransactionFunction = Arc::new(move |user| {
        let product = Arc::clone(&product);
        Box::pin(async move {
            see(user, &format!("/orders/new?product={product}"), "order form").await?;
            let form =
                [("product", &*product), ("quantity", "1"), ("name", "손님"), ("phone", "010-0000-0000")];
            let answer = user.post_form("/orders", &form).await?;
            read_away(answer.response).await;
            Ok(())
        })
    });
    Transaction::new(buy).set_name("order")
}

async fn see(user: &mut GooseUser, path: &str, name: &str) -> Result<(), Trouble> {
    let answer = user.request(GooseRequest::builder().path(path).name(name).build()).await?;
    read_away(answer.response).await;
    Ok(())
}

/// An answer counts when it is here in full, and only then is its connection free again.
async fn read_away(answer: Result<reqwest::Response, reqwest::Error>) {
    if let Ok(answer) = answer {
        drop(answer.bytes().await);
    }
}
