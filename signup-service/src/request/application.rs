//! The body of an application: JSON or a form, into validated values. All invalid fields are reported at once.

use axum::http::HeaderMap;
use domain::person::{Contact, Name, Phone};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::field::{self, consent_schema, name_schema, phone_schema};
use super::form::FormFields;
use super::idempotency_key::{checked_key, key_in_header};
use crate::error::{Error, InvalidField, InvalidFieldCode};

/// A validated application.
#[derive(Debug, Clone)]
pub(crate) struct ApplicationRequest {
    /// Name and phone.
    pub(crate) contact: Contact,
    /// The client's idempotency key; empty without one.
    pub(crate) idempotency_key: String,
}

/// The person who applies.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyBody {
    /// The name for the order.
    #[schema(schema_with = name_schema, required = true)]
    name: Option<Value>,
    /// The phone number. Spaces, dots, dashes and brackets are ignored; a number without a country code is Korean.
    #[schema(schema_with = phone_schema, required = true)]
    phone: Option<Value>,
    #[schema(schema_with = consent_schema, required = true)]
    consent: Option<Value>,
}

impl ApplicationRequest {
    /// Parses a JSON body.
    pub(crate) fn from_json(body: &[u8], headers: &HeaderMap) -> Result<Self, Error> {
        let idempotency_key = key_in_header(headers)?;
        let body: ApplyBody = field::parse_json(body)?;
        let name = field::text("/name", body.name.as_ref());
        let phone = field::text("/phone", body.phone.as_ref());
        Self::validate(name, phone, body.consent == Some(Value::Bool(true)), idempotency_key)
    }

    /// Parses the form of the page.
    pub(crate) fn from_form(form: &FormFields, headers: &HeaderMap) -> Result<Self, Error> {
        let mut idempotency_key = key_in_header(headers)?;
        if idempotency_key.is_empty() {
            idempotency_key = checked_key(form.get("key"))?;
        }
        let consent = matches!(form.get("consent"), "on" | "true" | "1");
        Self::validate(Ok(form.get("name")), Ok(form.get("phone")), consent, idempotency_key)
    }

    fn validate(
        name: Result<&str, InvalidField>,
        phone: Result<&str, InvalidField>,
        consent: bool,
        idempotency_key: String,
    ) -> Result<Self, Error> {
        let name = field::parse("/name", name, Name::parse);
        let phone = field::parse("/phone", phone, Phone::parse);
        match (name, phone, consent) {
            (Ok(name), Ok(phone), true) => Ok(Self { contact: Contact { name, phone }, idempotency_key }),
            (name, phone, consent) => {
                let mut invalid: Vec<_> = [name.err(), phone.err()].into_iter().flatten().collect();
                if !consent {
                    invalid
                        .push(InvalidField { pointer: "/consent", code: InvalidFieldCode::ConsentRequired });
                }
                Err(Error::Invalid(invalid))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &[u8] = br#"{"name":"A","phone":"01012345678","consent":true}"#;

    fn headers(key: &str) -> HeaderMap {
        HeaderMap::from_iter([("idempotency-key".parse().unwrap(), key.parse().unwrap())])
    }

    fn key_of(headers: &HeaderMap) -> Result<String, Error> {
        ApplicationRequest::from_json(VALID, headers).map(|request| request.idempotency_key)
    }

    #[test]
    fn an_idempotency_key_is_the_same_bare_or_quoted() {
        for key in ["abc-1", "\"abc-1\""] {
            assert_eq!(key_of(&headers(key)).unwrap(), "abc-1");
        }
        assert_eq!(key_of(&HeaderMap::new()).unwrap(), "");
        for key in ["", "\"\"", "a b", &"x".repeat(201)] {
            assert_eq!(key_of(&headers(key)).unwrap_err(), Error::InvalidIdempotencyKey, "{key}");
        }
    }

    #[test]
    fn all_invalid_fields_are_reported_at_once() {
        let body = br#"{"name":7,"phone":"12","consent":"yes"}"#;
        let error = ApplicationRequest::from_json(body, &HeaderMap::new()).unwrap_err();
        let invalid = [
            InvalidField { pointer: "/name", code: InvalidFieldCode::NotText },
            InvalidField { pointer: "/phone", code: InvalidFieldCode::NotAPhone },
            InvalidField { pointer: "/consent", code: InvalidFieldCode::ConsentRequired },
        ];
        assert_eq!(error, Error::Invalid(invalid.to_vec()));
    }

    #[test]
    fn a_form_field_that_is_not_utf_8_is_invalid() {
        let form = FormFields::parse(b"name=%ff%fe&phone=01012345678&consent=on");
        let error = ApplicationRequest::from_form(&form, &HeaderMap::new()).unwrap_err();
        let invalid = InvalidField { pointer: "/name", code: InvalidFieldCode::BadCharacter };
        assert_eq!(error, Error::Invalid(vec![invalid]));
    }
}
