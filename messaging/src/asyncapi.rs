//! The `AsyncAPI` 3.1 document, made from the catalogue.

use serde_json::{Map, Value, json};

use crate::catalogue::{CATALOGUE, CatalogueEntry};
use crate::envelope::CONTENT_TYPE;
use crate::schema::{schema, schema_id};

/// The `AsyncAPI` document: what Firstcome publishes, independent of the transport.
pub fn asyncapi() -> Value {
    let of = |is_of_application: bool| {
        CATALOGUE.iter().filter(move |entry| entry.kind.is_of_application() == is_of_application)
    };
    let messages: Map<String, Value> =
        CATALOGUE.iter().map(|entry| (message_name(entry), message(entry))).collect();
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Firstcome domain events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Facts about applications and events, without personal data. Delivery is at least once, in order for each \
                application: the same ID may arrive again.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            "application": channel("Decisions about single applications.", of(true)),
            "event": channel("The settings and the lifecycle of events.", of(false)),
        },
        "operations": {
            "publishApplication": { "action": "send", "channel": { "$ref": "#/channels/application" } },
            "publishEvent": { "action": "send", "channel": { "$ref": "#/channels/event" } },
        },
        "components": { "messages": messages },
    })
}

fn channel<'a>(about: &str, entries: impl Iterator<Item = &'a CatalogueEntry>) -> Value {
    let messages: Map<String, Value> = entries
        .map(|entry| {
            let name = message_name(entry);
            let reference = json!({ "$ref": format!("#/components/messages/{name}") });
            (name, reference)
        })
        .collect();
    json!({ "address": null, "description": about, "messages": messages })
}

/// `applicationCancelRequested` for `application.cancel_requested`.
fn message_name(entry: &CatalogueEntry) -> String {
    let mut name = String::new();
    for (nth, word) in entry.kind.as_str().split(['.', '_']).enumerate() {
        let (first, rest) = word.split_at(1);
        name += &if nth == 0 { first.to_owned() } else { first.to_ascii_uppercase() };
        name += rest;
    }
    name
}

/// A message: the envelope with the data in it.
fn message(entry: &CatalogueEntry) -> Value {
    let text = || json!({ "type": "string" });
    let mut data = schema(entry.kind);
    // The document names the format of all schemas at once.
    for keyword in ["$schema", "$id"] {
        data.as_object_mut().and_then(|data| data.remove(keyword));
    }
    let payload = json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "partitionkey", "data"],
        "properties": {
            "specversion": { "const": "1.0" }, "id": text(), "source": text(),
            "type": { "const": format!("firstcome.{}.v1", entry.kind) },
            "subject": text(), "time": { "type": "string", "format": "date-time" },
            "datacontenttype": { "const": "application/json" }, "dataschema": { "const": schema_id(entry.kind) },
            "sequence": { "type": "string", "pattern": "^[0-9]{19}$" }, "partitionkey": text(), "traceparent": text(),
            "data": data,
        },
    });
    json!({
        "name": format!("firstcome.{}.v1", entry.kind), "title": entry.kind.as_str(), "summary": entry.when,
        "contentType": CONTENT_TYPE,
        "payload": { "schemaFormat": "application/schema+json;version=draft-07", "schema": payload },
    })
}
