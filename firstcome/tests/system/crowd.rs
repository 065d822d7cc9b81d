//! People who apply over HTTP and do not give up: who is not answered presses again with the same key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::HttpClient;
use testkit::HttpResponse;
use tokio::task::JoinSet;

/// Gateways that the crowd comes through; each holds at most 64 connections.
const GATEWAYS: usize = 8;
/// Presses of one person before the test gives up on the system.
const PRESSES_MAX: u32 = 600;

/// How often a called applicant looks.
pub(crate) const LOOK: Duration = Duration::from_millis(150);

/// What one person holds in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) person: u32,
    pub(crate) number: u32,
    pub(crate) receipt: String,
}

/// The crowd before one system.
#[derive(Clone)]
pub(crate) struct Crowd {
    gateways: Arc<Vec<HttpClient>>,
    event: String,
}

impl Crowd {
    pub(crate) fn before(base: &str, event: &str) -> Self {
        Self::before_all(&[base.to_owned()], event)
    }

    /// The same crowd before several signup services; each person keeps to one.
    pub(crate) fn before_all(bases: &[String], event: &str) -> Self {
        let gateway =
            |nth: usize| HttpClient::new(&bases[nth % bases.len()]).with_timeout(Duration::from_secs(5));
        let gateways = (0..GATEWAYS).map(gateway).collect();
        Self { gateways: Arc::new(gateways), event: event.to_owned() }
    }

    fn gateway(&self, person: u32) -> &HttpClient {
        &self.gateways[person as usize % GATEWAYS]
    }

    /// All of them at once; each until it holds a receipt.
    pub(crate) async fn apply(&self, people: std::ops::Range<u32>) -> Vec<Ack> {
        let mut pressing = JoinSet::new();
        for person in people {
            let crowd = self.clone();
            pressing.spawn(async move { crowd.apply_one(person).await });
        }
        let mut acks = pressing.join_all().await;
        acks.sort_by_key(|ack| ack.number);
        acks
    }

    pub(crate) async fn apply_one(&self, person: u32) -> Ack {
        let body = self.press(person).await;
        assert_eq!(body["right"], "full", "the same key is the same person");
        Ack { person, number: number(&body), receipt: body["receipt"].as_str().unwrap().to_owned() }
    }

    /// Applies once more and returns the number. A queue that lost data does not know the person's key any more: then the answer
    /// has the number, and the right `view` only.
    pub(crate) async fn apply_again(&self, person: u32) -> u32 {
        number(&self.press(person).await)
    }

    /// Presses until there is an answer.
    async fn press(&self, person: u32) -> Value {
        let path = format!("/application/com/v1/create/application/{}", self.event);
        let body = json!({ "name": format!("사람 {person}"), "phone": format!("010-{:04}-{:04}", person / 10_000, person % 10_000), "consent": true });
        let key = format!("key-{person}");
        // Each person has an address of its own, for those systems that trust this proxy.
        let [_, a, b, c] = person.to_be_bytes();
        let address = format!("10.{a}.{b}.{c}");
        let headers = [("Idempotency-Key", key.as_str()), ("X-Forwarded-For", address.as_str())];
        let answer = self
            .until_answered(person, || async { self.gateway(person).post_json(&path, &body, &headers).await })
            .await;
        assert!(matches!(answer.status, 200 | 201), "person {person}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// The same, while the test does something else; await what it returns to have them all.
    pub(crate) fn apply_meanwhile(
        &self,
        people: std::ops::Range<u32>,
    ) -> impl Future<Output = Vec<Ack>> + use<> {
        let crowd = self.clone();
        let mut pressing = JoinSet::new();
        pressing.spawn(async move { crowd.apply(people).await });
        async move { pressing.join_all().await.remove(0) }
    }

    /// Shows each receipt, as an open page does, until its number is known.
    pub(crate) fn show_meanwhile(&self, acks: Vec<Ack>) -> impl Future<Output = ()> + use<> {
        let mut showing = JoinSet::new();
        for ack in acks {
            let crowd = self.clone();
            showing.spawn(async move {
                let body = crowd.status(&ack).await;
                assert_eq!(number(&body), ack.number, "the number of person {} changed", ack.person);
            });
        }
        async move {
            showing.join_all().await;
        }
    }

    /// Waits until each application has its expected outcome.
    pub(crate) async fn until_ends(&self, acks: &[Ack], fits: impl Fn(&BTreeMap<String, Vec<u32>>) -> bool) {
        for _ in 0..150 {
            let ends = self.ends(acks).await;
            if fits(&ends) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let ends = self.ends(acks).await;
        let counts: BTreeMap<_, _> = ends.iter().map(|(end, numbers)| (end, numbers.len())).collect();
        panic!("the ends never fitted: {counts:?}, ordered {:?}", ends.get("ordered"));
    }

    /// Presses until the answer is neither a broken connection nor "later".
    async fn until_answered<F, R>(&self, person: u32, press: F) -> HttpResponse
    where
        F: Fn() -> R,
        R: Future<Output = Result<HttpResponse, testkit::http::HttpError>>,
    {
        for _ in 0..PRESSES_MAX {
            match press().await {
                Ok(answer) if answer.status != 503 => return answer,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        panic!("person {person} was never answered");
    }

    pub(crate) async fn cancel(&self, ack: &Ack) {
        let path = format!("/application/com/v1/cancel/application/{}", ack.receipt);
        let answer = self
            .until_answered(ack.person, || async {
                self.gateway(ack.person).post_json(&path, &json!({}), &[]).await
            })
            .await;
        assert!(
            matches!(answer.status, 200 | 202),
            "cancel of {}: {} {}",
            ack.number,
            answer.status,
            answer.text()
        );
    }

    /// Sends a request with the receipt, such as `confirm`, and returns the status of the answer.
    pub(crate) async fn request(&self, verb: &str, ack: &Ack) -> u16 {
        let path = format!("/application/com/v1/{verb}/application/{}", ack.receipt);
        self.post(ack.person, &path, &json!({}), &[]).await.status
    }

    /// Sends a POST until it is answered.
    pub(crate) async fn post(
        &self,
        person: u32,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> HttpResponse {
        let send = || async { self.gateway(person).post_json(path, body, headers).await };
        self.until_answered(person, send).await
    }

    /// Looks at the application until it fits.
    pub(crate) async fn until_status(&self, ack: &Ack, fits: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let status = self.status(ack).await;
            if fits(&status) {
                return status;
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("{} never fitted: {:#}", ack.number, self.status(ack).await);
    }

    pub(crate) async fn status(&self, ack: &Ack) -> Value {
        let path = format!("/application/com/v1/get/application/{}", ack.receipt);
        let answer =
            self.until_answered(ack.person, || async { self.gateway(ack.person).get(&path).await }).await;
        assert_eq!(answer.status, 200, "status of {}: {}", ack.number, answer.text());
        answer.json()
    }

    pub(crate) async fn progress(&self) -> Option<Value> {
        let answer = self.gateway(0).get(&format!("/event/com/v1/get/progress/{}", self.event)).await.ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// Waits until the progress document fits; the test's only way of waiting is to look.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        for _ in 0..1200 {
            last = self.progress().await;
            match &last {
                Some(progress) if fits(progress) => return progress.clone(),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        panic!("waited a minute for {what}; the last document was {last:?}");
    }

    /// The outcome of each application.
    pub(crate) async fn ends(&self, acks: &[Ack]) -> BTreeMap<String, Vec<u32>> {
        let mut asking = JoinSet::new();
        for ack in acks.iter().cloned() {
            let crowd = self.clone();
            asking.spawn(async move {
                (crowd.status(&ack).await["state"].as_str().unwrap().to_owned(), ack.number)
            });
        }
        let mut ends = BTreeMap::<String, Vec<u32>>::new();
        for (state, number) in asking.join_all().await {
            ends.entry(state).or_default().push(number);
        }
        for numbers in ends.values_mut() {
            numbers.sort_unstable();
        }
        ends
    }
}

fn number(body: &Value) -> u32 {
    u32::try_from(body["number"].as_u64().unwrap()).unwrap()
}
