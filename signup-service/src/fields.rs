//! Reads what people send: JSON or a plain form, into checked values. It gives every mistake at once, and never a number.

use axum::http::{HeaderMap, header};
use domain::person::{BadField, Contact, NAME_MAX, Name, Phone};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Object, ObjectBuilder};

use crate::error::{BadInput, Error, Fault};

/// Longest idempotency key.
const KEY_MAX: usize = 200;

// What the fields accept, for the API's description. In a name: no control and no invisible character, and one at least that
// is no white space.
const NAME: &str = concat!(
    r"^[^\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]*",
    r"[^\x00-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]",
    r"[^\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]*$"
);
const PHONE: &str = r"^[ ().-]*(?:0[ ().-]*[1-9]|(?:\+|0[ ().-]*0)[ ().-]*[1-9][ ().-]*[0-9][ ().-]*[0-9])(?:[ ().-]*[0-9]){6,12}[ ().-]*$";
const CODE: &str = r"^[!-~](?:[ -~]{0,38}[!-~])?$";

fn name_shape() -> Object {
    shape(NAME, NAME_MAX)
}

fn phone_shape() -> Object {
    shape(PHONE, 40)
}

fn code_shape() -> Object {
    shape(CODE, 40)
}

fn consent_shape() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).build()
}

fn shape(pattern: &str, max: usize) -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).max_length(Some(max)).build()
}

/// How a body is written, and so how to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// JSON, answered in JSON.
    Json,
    /// A plain form, answered with a page.
    Form,
}

impl Written {
    /// By the content type.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if kind.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Ok(Self::Form)
        } else {
            Err(Error::WrongType)
        }
    }

    /// Whether a page is wanted; what is neither gets JSON.
    pub(crate) fn is_form(headers: &HeaderMap) -> bool {
        Self::of(headers) == Ok(Self::Form)
    }
}

/// A form's fields as they were typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Typed(Vec<(String, String)>);

impl Typed {
    /// Reads a form; what is not UTF-8 becomes replacement characters, which no field accepts.
    pub(crate) fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).take(20).map(|(k, v)| (k.into_owned(), v.into_owned())).collect())
    }

    /// The same, with this field alone.
    pub(crate) fn only(&self, field: &str) -> Self {
        Self(self.0.iter().filter(|(name, _)| name == field).cloned().collect())
    }

    /// A field's text; a missing one is empty.
    pub(crate) fn get(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| name == field).map_or("", |(_, value)| value)
    }
}

/// An applicant, validated.
#[derive(Debug, Clone)]
pub(crate) struct Entrant {
    /// Name and phone.
    pub(crate) contact: Contact,
    /// The client's secret; empty means none.
    pub(crate) secret: String,
}

/// Who applies.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyBody {
    /// As the order shall carry it.
    #[schema(schema_with = name_shape, required = true)]
    name: Option<Value>,
    /// As people type it: spaces, dots, dashes and brackets do not matter; without a country code it is Korean.
    #[schema(schema_with = phone_shape, required = true)]
    phone: Option<Value>,
    #[schema(schema_with = consent_shape, required = true)]
    consent: Option<Value>,
}

/// The fields of a lookup, validated.
#[derive(Debug, Clone)]
pub(crate) struct Seeker {
    /// The event.
    pub(crate) event: String,
    /// The phone.
    pub(crate) phone: Phone,
    /// The recovery code as typed.
    pub(crate) code: String,
}

/// Whose application is looked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindBody {
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    event: Option<Value>,
    #[schema(schema_with = phone_shape, required = true)]
    phone: Option<Value>,
    /// The recovery code; case, spaces and dashes do not matter.
    #[schema(schema_with = code_shape, required = true)]
    code: Option<Value>,
}

/// An application in JSON.
pub(crate) fn entrant_of_json(body: &[u8], headers: &HeaderMap) -> Result<Entrant, Error> {
    let secret = secret_of_header(headers)?;
    let body: ApplyBody = json(body)?;
    let (name, phone) = (text("/name", body.name.as_ref()), text("/phone", body.phone.as_ref()));
    entrant(name, phone, body.consent == Some(Value::Bool(true)), secret)
}

/// An application from the page's form.
pub(crate) fn entrant_of_form(typed: &Typed, headers: &HeaderMap) -> Result<Entrant, Error> {
    let mut secret = secret_of_header(headers)?;
    if secret.is_empty() {
        secret = checked_secret(typed.get("key"))?;
    }
    let consent = matches!(typed.get("consent"), "on" | "true" | "1");
    entrant(Ok(typed.get("name")), Ok(typed.get("phone")), consent, secret)
}

/// A search in JSON.
pub(crate) fn seeker_of_json(body: &[u8]) -> Result<Seeker, Error> {
    let body: FindBody = json(body)?;
    let event = text("/event", body.event.as_ref());
    let (phone, code) = (text("/phone", body.phone.as_ref()), text("/code", body.code.as_ref()));
    seeker(event, phone, code)
}

/// A search from the page's form.
pub(crate) fn seeker_of_form(typed: &Typed) -> Result<Seeker, Error> {
    seeker(Ok(typed.get("event")), Ok(typed.get("phone")), Ok(typed.get("code")))
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Error::Invalid(vec![BadInput { pointer: "", fault: Fault::Shape }])
        }
        _ => Error::Malformed,
    })
}

fn text<'a>(pointer: &'static str, value: Option<&'a Value>) -> Result<&'a str, BadInput> {
    match value {
        None | Some(Value::Null) => Err(BadInput { pointer, fault: Fault::Required }),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(BadInput { pointer, fault: Fault::NotText }),
    }
}

fn parsed<T>(
    pointer: &'static str,
    typed: Result<&str, BadInput>,
    parse: impl Fn(&str) -> Result<T, BadField>,
) -> Result<T, BadInput> {
    let typed = typed?;
    if typed.contains('\u{fffd}') {
        return Err(BadInput { pointer, fault: Fault::BadCharacter });
    }
    parse(typed).map_err(|bad| BadInput { pointer, fault: fault(bad) })
}

fn fault(bad: BadField) -> Fault {
    match bad {
        BadField::Empty => Fault::Required,
        BadField::TooLong => Fault::TooLong,
        BadField::BadCharacter => Fault::BadCharacter,
        BadField::NotAPhone => Fault::NotAPhone,
    }
}

fn entrant(
    name: Result<&str, BadInput>,
    phone: Result<&str, BadInput>,
    consent: bool,
    secret: String,
) -> Result<Entrant, Error> {
    let name = parsed("/name", name, Name::parse);
    let phone = parsed("/phone", phone, Phone::parse);
    match (name, phone, consent) {
        (Ok(name), Ok(phone), true) => Ok(Entrant { contact: Contact { name, phone }, secret }),
        (name, phone, consent) => {
            let mut bad: Vec<_> = [name.err(), phone.err()].into_iter().flatten().collect();
            if !consent {
                bad.push(BadInput { pointer: "/consent", fault: Fault::ConsentRequired });
            }
            Err(Error::Invalid(bad))
        }
    }
}

fn seeker(
    event: Result<&str, BadInput>,
    phone: Result<&str, BadInput>,
    code: Result<&str, BadInput>,
) -> Result<Seeker, Error> {
    let not_an_event = BadInput { pointer: "/event", fault: Fault::NotAnEvent };
    let event = event.and_then(|e| e.parse::<domain::EventId>().map_err(|_| not_an_event));
    let phone = parsed("/phone", phone, Phone::parse);
    let code = parsed("/code", code, |code| match code.trim().len() {
        0 => Err(BadField::Empty),
        1..=40 => Ok(code.to_owned()),
        _ => Err(BadField::TooLong),
    });
    match (event, phone, code) {
        (Ok(event), Ok(phone), Ok(code)) => Ok(Seeker { event: event.into(), phone, code }),
        (event, phone, code) => {
            let bad = [event.err(), phone.err(), code.err()];
            Err(Error::Invalid(bad.into_iter().flatten().collect()))
        }
    }
}

/// The `Idempotency-Key`, bare or as the quoted string of the draft; empty if there is none.
fn secret_of_header(headers: &HeaderMap) -> Result<String, Error> {
    let mut values = headers.get_all("idempotency-key").into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(String::new()),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| Error::BadKey)?;
            let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
            if bare.is_empty() { Err(Error::BadKey) } else { checked_secret(bare) }
        }
        _ => Err(Error::BadKey),
    }
}

fn checked_secret(text: &str) -> Result<String, Error> {
    let visible = text.len() <= KEY_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    if visible { Ok(text.to_owned()) } else { Err(Error::BadKey) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(key: &str) -> HeaderMap {
        HeaderMap::from_iter([("idempotency-key".parse().unwrap(), key.parse().unwrap())])
    }
    const GOOD: &[u8] = br#"{"name":"A","phone":"01012345678","consent":true}"#;

    #[test]
    fn a_key_is_the_same_bare_or_quoted() {
        for key in ["abc-1", "\"abc-1\""] {
            assert_eq!(entrant_of_json(GOOD, &headers(key)).unwrap().secret, "abc-1");
        }
        assert_eq!(entrant_of_json(GOOD, &HeaderMap::new()).unwrap().secret, "");
        for key in ["", "\"\"", "a b", &"x".repeat(201)] {
            assert_eq!(entrant_of_json(GOOD, &headers(key)).unwrap_err(), Error::BadKey, "{key}");
        }
    }

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let refused = entrant_of_json(br#"{"name":7,"phone":"12","consent":"yes"}"#, &HeaderMap::new());
        let bad = [
            BadInput { pointer: "/name", fault: Fault::NotText },
            BadInput { pointer: "/phone", fault: Fault::NotAPhone },
            BadInput { pointer: "/consent", fault: Fault::ConsentRequired },
        ];
        assert_eq!(refused.unwrap_err(), Error::Invalid(bad.to_vec()));
    }

    #[test]
    fn a_form_with_broken_utf_8_is_refused_by_field() {
        let typed = Typed::read(b"name=%ff%fe&phone=01012345678&consent=on");
        let bad = vec![BadInput { pointer: "/name", fault: Fault::BadCharacter }];
        assert_eq!(entrant_of_form(&typed, &HeaderMap::new()).unwrap_err(), Error::Invalid(bad));
    }
}
