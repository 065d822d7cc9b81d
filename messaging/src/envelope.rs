//! The envelope: `CloudEvents` 1.0, structured mode.

use domain::DomainEvent;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::schema::schema_id;

/// The media type of a domain event in its envelope.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// A domain event with the attributes of its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// The ID, unique within the source. It is the same however often the domain event is sent.
    pub id: String,
    /// The deployment and the event.
    pub source: String,
    /// The domain event.
    pub domain_event: DomainEvent,
}

impl CloudEvent {
    /// Puts a domain event into its envelope.
    pub fn new(deployment: &str, domain_event: DomainEvent) -> Self {
        let source = format!("/firstcome/{deployment}/{}", domain_event.event);
        Self { id: domain_event.id(), source, domain_event }
    }

    /// The type, with the version of its schema.
    pub fn type_name(&self) -> String {
        format!("firstcome.{}.v1", self.domain_event.kind)
    }

    /// The W3C trace context: the GUID of the application is the trace ID, as in the order call.
    fn traceparent(&self) -> Option<String> {
        let app_key = self.domain_event.app_key?;
        let span = self.domain_event.version.unsigned_abs() + 1;
        Some(format!("00-{}-{span:016x}-01", app_key.guid()))
    }

    /// The domain event as one JSON document.
    pub fn to_json(&self) -> Value {
        let domain_event = &self.domain_event;
        let data: Value = serde_json::from_str(&domain_event.data).unwrap_or_default();
        let mut document = json!({
            "specversion": "1.0", "id": self.id, "source": self.source, "type": self.type_name(),
            "subject": domain_event.subject(), "time": rfc3339(domain_event.at), "datacontenttype": "application/json",
            "dataschema": schema_id(domain_event.kind), "sequence": format!("{:019}", domain_event.seq.unwrap_or_default()),
            "partitionkey": domain_event.subject(), "data": data,
        });
        if let Some(traceparent) = self.traceparent() {
            document["traceparent"] = json!(traceparent);
        }
        document
    }
}

/// The ID and the document of a test delivery to a webhook endpoint.
pub fn test_event(deployment: &str, endpoint: &str, at: i64) -> (String, Value) {
    let id = format!("{endpoint}-test-{at}");
    let document = json!({
        "specversion": "1.0", "id": id, "source": format!("/firstcome/{deployment}"), "type": "firstcome.webhook.test.v1",
        "subject": endpoint, "time": rfc3339(at), "datacontenttype": "application/json", "data": { "endpoint": endpoint, "at_ms": at },
    });
    (id, document)
}

fn rfc3339(at_ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use domain::{AppKey, DomainEventKind};

    use super::*;

    #[test]
    fn the_envelope_of_an_application_names_source_order_and_trace() {
        let domain_event = DomainEvent {
            event: "spring".parse().unwrap(),
            app_key: Some(AppKey([0xab; 16])),
            version: 2,
            kind: DomainEventKind::ApplicationParked,
            at: 1_795_345_200_123,
            seq: Some(42),
            data: json!({ "attempts": 50 }).to_string(),
        };
        let guid = "abababababab8babababababababababab";
        let guid = &AppKey([0xab; 16]).guid()[..guid.len().min(32)];
        let document = CloudEvent::new("prod-kr", domain_event).to_json();
        let expected = json!({
            "specversion": "1.0", "id": format!("{guid}-2"), "source": "/firstcome/prod-kr/spring",
            "type": "firstcome.application.parked.v1", "subject": guid, "time": "2026-11-22T11:00:00.123Z",
            "datacontenttype": "application/json", "dataschema": "urn:firstcome:schema:application.parked:v1",
            "sequence": "0000000000000000042", "partitionkey": guid,
            "traceparent": format!("00-{guid}-0000000000000003-01"), "data": { "attempts": 50 },
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn the_envelope_of_an_event_has_no_trace() {
        let domain_event = DomainEvent {
            event: "spring".parse().unwrap(),
            app_key: None,
            version: 2,
            kind: DomainEventKind::EventOpened,
            at: 0,
            seq: Some(1),
            data: "{}".into(),
        };
        let document = CloudEvent::new("local", domain_event).to_json();
        assert_eq!((&document["subject"], &document["id"]), (&json!("spring"), &json!("spring-2")));
        assert_eq!(document.get("traceparent"), None);
    }
}
