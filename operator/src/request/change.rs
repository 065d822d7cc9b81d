//! A change of one event: one extractor gives the operator, the event, the expected rev and the body.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use domain::EventId;
use ledger::ChangedBy;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::body::JsonBody;
use super::fields::Reason;
use super::if_match::MatchRule;
use super::path::EventPath;
use crate::auth::Operator;
use crate::error::Error;
use crate::state::OperatorState;

/// The body of a change.
pub(crate) trait ChangeBody: DeserializeOwned {
    /// Whether the change requires `If-Match`.
    const IF_MATCH: MatchRule;
    /// The operator's reason, if given.
    fn reason(&self) -> Option<&Reason>;
}

/// A request to change one event. Parts are checked in this order: token and role, event, `If-Match`, body.
pub(crate) struct ChangeRequest<B> {
    pub(crate) actor: String,
    pub(crate) event: EventId,
    pub(crate) expected_rev: Option<i64>,
    pub(crate) body: B,
}

impl<B: ChangeBody> ChangeRequest<B> {
    /// The actor and the reason, as the audit records them.
    pub(crate) fn by(&self) -> ChangedBy<'_> {
        audited_by(&self.actor, self.body.reason())
    }
}

impl<B: ChangeBody> FromRequest<Arc<OperatorState>> for ChangeRequest<B> {
    type Rejection = Error;
    async fn from_request(request: Request, state: &Arc<OperatorState>) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let Operator(actor) = Operator::from_request_parts(&mut parts, state).await?;
        let EventPath(event) = EventPath::from_request_parts(&mut parts, state).await?;
        let expected_rev = B::IF_MATCH.expected_rev(&parts.headers)?;
        let JsonBody(body) = JsonBody::from_request(Request::from_parts(parts, body), state).await?;
        Ok(Self { actor, event, expected_rev, body })
    }
}

/// Body of a change that needs a reason: it turns applicants away, or cannot be reverted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequiredReason {
    pub(crate) reason: Reason,
}

impl ChangeBody for RequiredReason {
    const IF_MATCH: MatchRule = MatchRule::Optional;
    fn reason(&self) -> Option<&Reason> {
        Some(&self.reason)
    }
}

/// Body of a change whose reason is optional.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionalReason {
    pub(crate) reason: Option<Reason>,
}

impl ChangeBody for OptionalReason {
    const IF_MATCH: MatchRule = MatchRule::Optional;
    fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }
}

/// The actor and the reason, as the audit records them.
pub(crate) fn audited_by<'a>(actor: &'a str, reason: Option<&'a Reason>) -> ChangedBy<'a> {
    ChangedBy { actor, reason: reason.map_or("", Reason::as_str) }
}
