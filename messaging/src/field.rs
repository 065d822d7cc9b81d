//! The types of the fields in the data of a domain event: what values they allow, and their JSON Schema.

use serde_json::{Map, Value, json};

/// The type of a field.
#[derive(Debug, Clone, Copy)]
pub enum FieldType {
    /// A text.
    Text,
    /// The ID of an event.
    EventId,
    /// The GUID of an application: 32 hexadecimal digits.
    Guid,
    /// A whole number, at least this.
    Integer(i64),
    /// A decimal above 0.
    Decimal,
    /// One of these words. Readers ignore words that they do not know.
    Word(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// An object.
    Object(&'static [Field]),
}

/// A field of a domain event's data.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The name. It ends with the unit, if there is one.
    pub name: &'static str,
    /// The type.
    pub kind: FieldType,
    /// Whether the value may be null.
    pub may_be_null: bool,
    /// The meaning.
    pub about: &'static str,
}

impl Field {
    /// A field that always has a value.
    pub const fn new(name: &'static str, kind: FieldType, about: &'static str) -> Self {
        Self { name, kind, may_be_null: false, about }
    }

    /// The same field, whose value may be null.
    pub const fn or_null(self) -> Self {
        Self { may_be_null: true, ..self }
    }

    /// The JSON Schema of the field.
    pub(crate) fn schema(&self) -> Value {
        let mut schema = self.kind.schema();
        if self.may_be_null
            && let Some(name) = schema.get("type").cloned()
        {
            schema.insert("type".into(), json!([name, "null"]));
        }
        schema.insert("description".into(), json!(self.about));
        Value::Object(schema)
    }

    /// Fails unless the object has this field with a value of its type.
    fn check(&self, object: &Map<String, Value>) -> Result<(), String> {
        match object.get(self.name) {
            None => Err(format!("{} is missing", self.name)),
            Some(Value::Null) if self.may_be_null => Ok(()),
            Some(value) => self.kind.check(value).map_err(|why| format!("{} {why}", self.name)),
        }
    }
}

/// Fails unless the object has all of the fields. Further ones are allowed.
pub(crate) fn check_fields(fields: &[Field], value: &Value) -> Result<(), String> {
    let object = value.as_object().ok_or("is not an object")?;
    fields.iter().try_for_each(|field| field.check(object))
}

/// The JSON Schema of an object with these fields.
pub(crate) fn object_schema(fields: &[Field]) -> Map<String, Value> {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field.schema())).collect();
    let required: Vec<&str> = fields.iter().map(|field| field.name).collect();
    let schema = json!({ "type": "object", "required": required, "properties": properties });
    as_map(schema)
}

impl FieldType {
    /// The type in words, for the documentation.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::EventId => "ID of an event".into(),
            Self::Guid => "GUID".into(),
            Self::Integer(_) => "integer".into(),
            Self::Decimal => "decimal".into(),
            Self::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Texts => "list of texts".into(),
            Self::Object(fields) => {
                let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
                format!("object of {}", names.join(", "))
            }
        }
    }

    fn schema(self) -> Map<String, Value> {
        as_map(match self {
            Self::Text => json!({ "type": "string" }),
            Self::EventId => json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,39}$" }),
            Self::Guid => json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
            Self::Integer(least) => json!({ "type": "integer", "minimum": least }),
            Self::Decimal => json!({ "type": "number", "exclusiveMinimum": 0 }),
            Self::Word(words) => json!({ "type": "string", "enum": words }),
            Self::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Self::Object(fields) => return object_schema(fields),
        })
    }

    fn check(self, value: &Value) -> Result<(), String> {
        let hex =
            |text: &str| text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let fits = match self {
            Self::Text => value.is_string(),
            Self::EventId => value.as_str().is_some_and(|text| text.parse::<domain::EventId>().is_ok()),
            Self::Guid => value.as_str().is_some_and(hex),
            Self::Integer(least) => value.as_i64().is_some_and(|number| number >= least),
            Self::Decimal => value.as_f64().is_some_and(|number| number > 0.0),
            Self::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Self::Object(fields) => {
                return check_fields(fields, value).map_err(|why| format!("has a wrong field: {why}"));
            }
        };
        if fits { Ok(()) } else { Err(format!("is not {}", self.words())) }
    }
}

fn as_map(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { Map::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_is_refused_with_the_name_of_its_field() {
        const INNER: &[Field] = &[Field::new("ordered", FieldType::Integer(0), "")];
        const FIELDS: &[Field] = &[
            Field::new("event", FieldType::EventId, ""),
            Field::new("guid", FieldType::Guid, ""),
            Field::new("by", FieldType::Word(&["applicant", "operator"]), ""),
            Field::new("order_no", FieldType::Text, "").or_null(),
            Field::new("pace_per_s", FieldType::Decimal, ""),
            Field::new("changed", FieldType::Texts, ""),
            Field::new("counts", FieldType::Object(INNER), ""),
        ];
        let good = json!({
            "event": "spring", "guid": "0123456789abcdef0123456789abcdef", "by": "operator", "order_no": null,
            "pace_per_s": 0.5, "changed": ["pace"], "counts": { "ordered": 0 }, "more": true,
        });
        assert_eq!(check_fields(FIELDS, &good), Ok(()));
        for (name, wrong) in [
            ("event", json!("Spring")),
            ("guid", json!("0123")),
            ("by", json!("other")),
            ("order_no", json!(7)),
            ("pace_per_s", json!(0)),
            ("changed", json!([1])),
            ("counts", json!({ "ordered": -1 })),
            ("counts", json!([])),
        ] {
            let mut bad = good.clone();
            bad[name] = wrong;
            let why = check_fields(FIELDS, &bad).unwrap_err();
            assert!(why.starts_with(name), "{why}");
            bad.as_object_mut().unwrap().remove(name);
            assert_eq!(check_fields(FIELDS, &bad), Err(format!("{name} is missing")));
        }
        assert!(check_fields(FIELDS, &json!([])).is_err());
    }
}
