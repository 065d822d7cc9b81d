//! The JSON Schemas of the catalogue. They allow further fields: a later version may add some.

use domain::DomainEventKind;
use serde_json::{Value, json};

use crate::catalogue::entry;
use crate::field::object_schema;

/// The ID of the schema of a kind.
pub fn schema_id(kind: DomainEventKind) -> String {
    format!("urn:firstcome:schema:{kind}:v1")
}

/// The JSON Schema (2020-12) of the data of a kind.
pub fn schema(kind: DomainEventKind) -> Value {
    let entry = entry(kind);
    let mut schema = object_schema(&entry.all_fields());
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("$id".into(), json!(schema_id(kind)));
    schema.insert("title".into(), json!(kind.as_str()));
    schema.insert("description".into(), json!(entry.when));
    Value::Object(schema)
}
