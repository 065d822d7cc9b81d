//! The fields of a form as a change: they take the way of a JSON body, so that both have the same rules.

use axum::extract::rejection::FormRejection;
use domain::{AppKey, EventSettings};
use ledger::{Change, EndParked};
use serde_json::{Map, Value, json};

use super::format;
use crate::api::preview::RequestedChange;
use crate::error::Error;
use crate::request::{Reason, parse};

/// The body of a form; an error stands for a form without fields.
pub(super) type FormResult = Result<axum::Form<Vec<(String, String)>>, FormRejection>;

/// The fields of a form.
#[derive(Debug, Clone, Default)]
pub(super) struct Form(pub(super) Vec<(String, String)>);

/// What a form asks for.
#[derive(Debug)]
pub(super) enum Requested {
    /// A change of the event.
    Change(Change),
    /// A decision about a parked application.
    Parked(EndParked, AppKey),
}

impl Form {
    /// A field without blanks around it; empty if it is missing.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value.trim())
    }

    /// The rev at which the operator saw the event.
    pub(super) fn rev(&self) -> Option<i64> {
        self.get("rev").parse().ok()
    }

    /// The reason, if one was given.
    pub(super) fn reason(&self) -> Result<Option<Reason>, Error> {
        let text = self.get("reason");
        if text.is_empty() {
            return Ok(None);
        }
        Reason::try_from(text.to_owned()).map(Some).map_err(|why| Error::field("/reason", "invalid", why))
    }

    /// What the form asks for, of an event with these settings.
    pub(super) fn requested(&self, settings: &EventSettings) -> Result<Requested, Error> {
        let decision = match self.get("action") {
            "retry" => Some(EndParked::Retry),
            "reject" => Some(EndParked::Reject),
            _ => None,
        };
        if let Some(decision) = decision {
            let app_key = self.get("app_key").parse().map_err(|_| Error::NotParked)?;
            return Ok(Requested::Parked(decision, app_key));
        }
        let requested: RequestedChange = parse(self.json(settings).to_string().as_bytes())?;
        requested.into_change().map(Requested::Change)
    }

    /// The form as the body of a preview.
    fn json(&self, settings: &EventSettings) -> Value {
        let action = self.get("action");
        let mut body = json!({ "action": action });
        match action {
            "pace" => body["pace"] = self.decimal("pace").into(),
            "auto_pace" if !self.get("max").is_empty() => {
                let (min, max) = (self.decimal("min"), self.decimal("max"));
                body["auto_pace"] =
                    json!({ "min": min, "max": max, "target_p95_ms": self.whole("target_p95_ms") });
            }
            "capacity" | "in_flight_max" => body[action] = self.whole(action),
            "announcement" => body["announcement"] = json!({ "ko": self.get("ko"), "en": self.get("en") }),
            "update" => body["update"] = self.update(settings).into(),
            _ => {}
        }
        body
    }

    fn update(&self, settings: &EventSettings) -> Map<String, Value> {
        let mut update = Map::new();
        if let Ok(intake) = self.get("intake").parse::<bool>() {
            update.insert("intake".to_owned(), intake.into());
        }
        for (name, at) in [("opens_at", settings.opens_at), ("closes_at", settings.closes_at)] {
            let time = format::from_local(self.get(name));
            // A field has no milliseconds: one that still shows the present time changes nothing.
            let is_present = time == format::from_local(&format::local(at));
            if !self.get(name).is_empty() && !is_present {
                update.insert(name.to_owned(), time.into());
            }
        }
        if self.0.iter().any(|(own, _)| own == "color") {
            let present = json!(settings.look);
            update.extend(self.look().into_iter().filter(|(name, value)| present[name.as_str()] != *value));
        }
        update
    }

    /// The look of the pages, as fields of a body.
    pub(super) fn look(&self) -> Map<String, Value> {
        let both = |name: &str| {
            let text = |tag: &str| self.get(&format!("{name}_{tag}")).replace("\r\n", "\n");
            json!({ "ko": text("ko"), "en": text("en") })
        };
        let price = if self.get("product_price").is_empty() { json!(0) } else { self.whole("product_price") };
        let fields = [
            ("description", both("description")),
            ("color", json!(self.get("color"))),
            ("picture_url", json!(self.get("picture_url"))),
            ("product_name", both("product_name")),
            ("product_price", price),
            ("product_url", json!(self.get("product_url"))),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A number as operators write it, without the commas between thousands.
    pub(super) fn decimal(&self, name: &str) -> String {
        self.get(name).replace(',', "")
    }

    /// A whole number; what is none stays a text, which the body's rules reject.
    pub(super) fn whole(&self, name: &str) -> Value {
        let text = self.decimal(name);
        text.parse::<u32>().map_or_else(|_| Value::String(text), Value::from)
    }
}
