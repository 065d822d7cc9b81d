//! The checked-in schemas and docs/events.md are those of the catalogue, and compatible with the released schemas.
#![expect(clippy::unwrap_used, reason = "a test fails at the first unexpected result")]

use std::path::{Path, PathBuf};

use messaging::{CATALOGUE, asyncapi, events_page, schema, schema_id};
use serde_json::{Value, json};

const HINT: &str = "run `cargo run -p messaging --example write_docs`";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(file: &Path) -> Value {
    let text =
        std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}: {HINT}", file.display()));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_checked_in_schemas_are_those_of_the_catalogue() {
    for entry in CATALOGUE {
        let file = folder("schemas").join(format!("{}.v1.json", entry.kind));
        assert_eq!(read(&file), schema(entry.kind), "{}: {HINT}", file.display());
    }
    let files = std::fs::read_dir(folder("schemas")).unwrap().filter(|file| {
        file.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "json")
    });
    assert_eq!(files.count(), CATALOGUE.len(), "a schema without a domain event");
}

#[test]
fn the_page_of_the_domain_events_is_that_of_the_catalogue() {
    let page = std::fs::read_to_string(folder("../docs/events.md")).unwrap();
    assert!(page == events_page(), "docs/events.md: {HINT}");
}

#[test]
fn released_schemas_stay_readable() {
    for file in std::fs::read_dir(folder("schemas/released")).unwrap() {
        let file = file.unwrap().path();
        let now = folder("schemas").join(file.file_name().unwrap());
        assert_eq!(
            incompatibilities(&read(&file), &read(&now), ""),
            Vec::<String>::new(),
            "{}",
            now.display()
        );
    }
}

/// What a reader of the released schema could trip over in data of the new one.
fn incompatibilities(released: &Value, now: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for constraint in ["type", "pattern", "items", "$id"] {
        if released.get(constraint) != now.get(constraint) {
            found.push(format!("{path}: {constraint} was changed"));
        }
    }
    let required = |schema: &Value| schema["required"].as_array().cloned().unwrap_or_default();
    for name in required(released) {
        if !required(now).contains(&name) {
            found.push(format!("{path}: {name} is no longer required"));
        }
    }
    for word in released["enum"].as_array().into_iter().flatten() {
        if !now["enum"].as_array().is_some_and(|words| words.contains(word)) {
            found.push(format!("{path}: {word} was removed"));
        }
    }
    for (name, property) in released["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        match now["properties"].get(name) {
            Some(now) => found.extend(incompatibilities(property, now, &path)),
            None => found.push(format!("{path} was removed")),
        }
    }
    found
}

#[test]
fn each_kind_of_incompatible_change_is_found() {
    let released = json!({
        "type": "object", "required": ["a", "b"],
        "properties": { "a": { "type": "integer" }, "b": { "type": "string", "enum": ["x", "y"] } },
    });
    let mut added = released.clone();
    added["properties"]["c"] = json!({ "type": "string" });
    added["required"] = json!(["a", "b", "c"]);
    added["properties"]["b"]["enum"] = json!(["x", "y", "z"]);
    assert_eq!(incompatibilities(&released, &added, ""), Vec::<String>::new());
    let changes: [fn(&mut Value); 4] = [
        |schema| schema["required"] = json!(["a"]),
        |schema| schema["properties"]["a"]["type"] = json!(["integer", "null"]),
        |schema| schema["properties"]["b"]["enum"] = json!(["x"]),
        |schema| drop(schema["properties"].as_object_mut().unwrap().remove("a")),
    ];
    for change in changes {
        let mut altered = released.clone();
        change(&mut altered);
        assert_eq!(incompatibilities(&released, &altered, "").len(), 1, "{altered}");
    }
}

#[test]
fn asyncapi_describes_every_domain_event_once() {
    let document = asyncapi();
    assert_eq!(document["asyncapi"], "3.1.0");
    let messages = document["components"]["messages"].as_object().unwrap();
    assert_eq!(messages.len(), CATALOGUE.len());
    let mut listed = 0;
    for channel in document["channels"].as_object().unwrap().values() {
        for (name, reference) in channel["messages"].as_object().unwrap() {
            assert_eq!(reference["$ref"], format!("#/components/messages/{name}"));
            assert!(messages.contains_key(name), "{name}");
            listed += 1;
        }
    }
    assert_eq!(listed, CATALOGUE.len());
    let parked = &messages["applicationParked"]["payload"]["schema"]["properties"];
    assert_eq!(parked["dataschema"]["const"], schema_id(domain::DomainEventKind::ApplicationParked));
    assert_eq!(parked["data"]["properties"]["attempts"]["type"], "integer");
}
