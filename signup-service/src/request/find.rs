//! The body of a find request, by phone number and recovery code: JSON or a form, into validated values.

use domain::EventId;
use domain::person::{BadField, Phone};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::field::{self, code_schema, phone_schema};
use super::form::FormFields;
use crate::error::{Error, InvalidField, InvalidFieldCode};

/// A validated find request.
#[derive(Debug, Clone)]
pub(crate) struct FindRequest {
    /// The event.
    pub(crate) event: EventId,
    /// The phone number of the application.
    pub(crate) phone: Phone,
    /// The recovery code as the client sent it.
    pub(crate) code: String,
}

/// The application to find.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindBody {
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    event: Option<Value>,
    #[schema(schema_with = phone_schema, required = true)]
    phone: Option<Value>,
    /// The recovery code. Case, spaces and dashes are ignored.
    #[schema(schema_with = code_schema, required = true)]
    code: Option<Value>,
}

impl FindRequest {
    /// Parses a JSON body.
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, Error> {
        let body: FindBody = field::parse_json(body)?;
        let event = field::text("/event", body.event.as_ref());
        let phone = field::text("/phone", body.phone.as_ref());
        let code = field::text("/code", body.code.as_ref());
        Self::validate(event, phone, code)
    }

    /// Parses the form of the page.
    pub(crate) fn from_form(form: &FormFields) -> Result<Self, Error> {
        Self::validate(Ok(form.get("event")), Ok(form.get("phone")), Ok(form.get("code")))
    }

    fn validate(
        event: Result<&str, InvalidField>,
        phone: Result<&str, InvalidField>,
        code: Result<&str, InvalidField>,
    ) -> Result<Self, Error> {
        let not_an_event = InvalidField { pointer: "/event", code: InvalidFieldCode::NotAnEvent };
        let event = event.and_then(|event| event.parse::<EventId>().map_err(|_| not_an_event));
        let phone = field::parse("/phone", phone, Phone::parse);
        let code = field::parse("/code", code, |code| match code.trim().len() {
            0 => Err(BadField::Empty),
            1..=40 => Ok(code.to_owned()),
            _ => Err(BadField::TooLong),
        });
        match (event, phone, code) {
            (Ok(event), Ok(phone), Ok(code)) => Ok(Self { event, phone, code }),
            (event, phone, code) => {
                let invalid = [event.err(), phone.err(), code.err()];
                Err(Error::Invalid(invalid.into_iter().flatten().collect()))
            }
        }
    }
}
