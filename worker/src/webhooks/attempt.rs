//! One attempt of a webhook delivery: the signed request, and what its answer means.

use domain::Millis;
use ledger::{Attempt, DeliveryResult, EndpointRow, WebhookDelivery};
use messaging::{CloudEvent, SignedRequest, WebhookAnswer, WebhookSecret, WebhookUrl, sign, test_event};

use super::sender::Sender;

/// The longest `Retry-After` that is obeyed, in seconds.
const RETRY_AFTER_MAX_S: u32 = 3600;

/// Makes an attempt.
pub(super) async fn make(sender: &Sender, endpoint: &EndpointRow, delivery: &WebhookDelivery) -> Attempt {
    let now = &sender.worker.context.now;
    let started = now();
    let answer = match request(sender, endpoint, delivery, started) {
        Ok((url, request)) => sender.client.send(&url, request).await,
        Err(error) => Err(error),
    };
    let result = judge(sender, delivery, &answer);
    let (status, error) = match answer {
        Ok(WebhookAnswer { status, .. }) => {
            (Some(status), (result != DeliveryResult::Done).then(|| format!("status {status}")))
        }
        Err(error) => (None, Some(error)),
    };
    Attempt { result, status, took_ms: now() - started, error }
}

fn request(
    sender: &Sender,
    endpoint: &EndpointRow,
    delivery: &WebhookDelivery,
    now: Millis,
) -> Result<(WebhookUrl, SignedRequest), String> {
    let url = endpoint.settings.url.parse().map_err(|_| "its URL is not valid")?;
    let deployment = &sender.worker.config.messaging.deployment;
    let (id, document) = match &delivery.domain_event {
        Some(domain_event) => {
            let event = CloudEvent::new(deployment, domain_event.clone());
            (event.id.clone(), event.to_json())
        }
        None if delivery.event.is_empty() => test_event(deployment, &delivery.endpoint, delivery.seq),
        None => return Err("the domain event is deleted".into()),
    };
    let body = document.to_string();
    let timestamp_s = now.div_euclid(1000);
    let signature = sign(&secrets(sender, endpoint, now)?, &id, timestamp_s, body.as_bytes());
    Ok((url, SignedRequest { id, timestamp_s, signature, body: body.into() }))
}

/// The current secret, and the former one while it signs too.
fn secrets(sender: &Sender, endpoint: &EndpointRow, now: Millis) -> Result<Vec<WebhookSecret>, String> {
    let former = endpoint.secret_before.iter().filter(|(_, until)| *until > now).map(|(secret, _)| secret);
    let open = |sealed: &String| {
        let opened = sender.config.key.open(sealed, &endpoint.id);
        opened.ok_or_else(|| "its secret was sealed with another messaging.webhook.key: rotate it".into())
    };
    std::iter::once(&endpoint.secret).chain(former).map(open).collect()
}

fn judge(
    sender: &Sender,
    delivery: &WebhookDelivery,
    answer: &Result<WebhookAnswer, String>,
) -> DeliveryResult {
    match answer {
        Ok(WebhookAnswer { status: 200..=299, .. }) => DeliveryResult::Done,
        // A test shows what happens now; it is not repeated.
        _ if delivery.event.is_empty() => DeliveryResult::Dead,
        Ok(WebhookAnswer { status: 410, .. }) => DeliveryResult::Gone,
        Ok(WebhookAnswer { status, retry_after_s }) => {
            let at_least_s = retry_after_s.unwrap_or(0).min(RETRY_AFTER_MAX_S);
            let is_overloaded = matches!(status, 429 | 502 | 504);
            retry(sender, delivery, Millis::from(at_least_s) * 1000, is_overloaded)
        }
        Err(_) => retry(sender, delivery, 0, false),
    }
}

/// The next attempt by the schedule, with up to a fifth more at random.
fn retry(
    sender: &Sender,
    delivery: &WebhookDelivery,
    at_least_ms: Millis,
    is_overloaded: bool,
) -> DeliveryResult {
    let Some(wait) = sender.config.retry_ms.get(delivery.attempts as usize) else {
        return DeliveryResult::Dead;
    };
    let mut byte = [0];
    (sender.worker.context.rng)(&mut byte);
    let in_ms = (wait + wait * Millis::from(byte[0]) / (5 * 255)).max(at_least_ms);
    DeliveryResult::Retry { in_ms, is_overloaded }
}
