//! A change that is shown with its effect before it is made.

use domain::EventId;
use hyper::Method;
use operator::response::{ChangeResponse, Effect, PreviewResponse};
use serde_json::{Value, json};

use super::super::client::{ApiRequest, OperatorClient};
use super::super::format::time_text;
use crate::command::error::CommandError;

/// The reason in the audit.
const REASON: &str = "top";

/// A change that a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantedChange {
    Pause,
    Resume,
    Pace(String),
}

/// A change with what it would do.
#[derive(Debug)]
pub(super) struct Review {
    change: WantedChange,
    preview: PreviewResponse,
}

impl WantedChange {
    /// Asks what the change would do.
    pub(super) async fn review(
        self,
        operator: &OperatorClient,
        event: &EventId,
    ) -> Result<Review, CommandError> {
        let body = match &self {
            Self::Pause => json!({ "action": "pause" }),
            Self::Resume => json!({ "action": "resume" }),
            Self::Pace(pace) => json!({ "action": "pace", "pace": pace }),
        };
        let path = format!("/gate/adm/v1/preview/change/{event}");
        let preview = operator.send(&ApiRequest { method: Method::POST, path, rev: None, body }).await?;
        Ok(Review { change: self, preview })
    }
}

impl Review {
    /// Makes the change, if the event is still at the rev of the review.
    pub(super) async fn apply(
        self,
        operator: &OperatorClient,
        event: &EventId,
    ) -> Result<ChangeResponse, CommandError> {
        let mut body = json!({ "reason": REASON });
        let (method, path) = match &self.change {
            WantedChange::Pause => (Method::POST, "/gate/adm/v1/pause/release"),
            WantedChange::Resume => (Method::POST, "/gate/adm/v1/resume/release"),
            WantedChange::Pace(pace) => {
                body["pace"] = json!(pace);
                (Method::PUT, "/gate/adm/v1/set/pace")
            }
        };
        let (path, rev) = (format!("{path}/{event}"), Some(self.preview.rev));
        operator.change(event, ApiRequest { method, path, rev, body }).await
    }

    /// The change and its effects, in a line.
    pub(super) fn text(&self) -> String {
        if !self.preview.changed {
            return "It is so already.".to_owned();
        }
        let fields = self.preview.after.as_object().into_iter().flatten();
        let fields = fields.map(|(name, after)| {
            format!("{name} {} -> {}", plain(&self.preview.before[name.as_str()]), plain(after))
        });
        let effects = self.preview.effects.iter().map(effect_text);
        fields.chain(effects).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// Whether the operator should think twice.
    pub(super) fn has_warning(&self) -> bool {
        self.preview.effects.iter().any(Effect::is_warning)
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An effect of these changes in words; empty for one that they never have.
fn effect_text(effect: &Effect) -> String {
    let time = |seconds: &Option<u64>| seconds.map_or_else(|| "no".to_owned(), time_text);
    match effect {
        Effect::Remaining { before_s, after_s } => {
            format!("time left {} -> {}", time(before_s), time(after_s))
        }
        Effect::KeepPlace { waiting } => format!("{waiting} who wait keep their place"),
        Effect::Finish { in_flight } => format!("{in_flight} order calls in flight are finished"),
        Effect::LimitedByInFlight { calls_per_s } => {
            format!("the limit of calls in flight allows about {calls_per_s}/s at the present latency")
        }
        Effect::MoreThanDouble => "the order service gets more than twice as many calls as now".to_owned(),
        Effect::AutoPaceEnds => "the automatic pace ends".to_owned(),
        Effect::StartsAtMin { pace } => format!("it resumes at {pace}/s"),
        _ => String::new(),
    }
}
