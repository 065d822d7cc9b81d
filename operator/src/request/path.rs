//! Path segments: an event, an application of an event, a target, or a webhook endpoint.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use domain::{AppKey, EventId};

use crate::error::Error;
use crate::state::OperatorState;

/// The event in the path.
pub(crate) struct EventPath(pub(crate) EventId);

/// The event and the application key in the path.
pub(crate) struct ApplicationPath(pub(crate) EventId, pub(crate) AppKey);

/// The webhook endpoint in the path.
pub(crate) struct EndpointPath(pub(crate) String);

/// The target and the event in the path.
pub(crate) struct TargetPath(pub(crate) String, pub(crate) EventId);

/// The event and the rev in the path.
pub(crate) struct RevisionPath(pub(crate) EventId, pub(crate) i64);

impl FromRequestParts<Arc<OperatorState>> for EventPath {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Error> {
        let segments = segments(parts, state).await;
        let event = segments.first().and_then(|event| event.parse().ok());
        event.map(Self).ok_or(Error::UnknownEvent)
    }
}

impl FromRequestParts<Arc<OperatorState>> for ApplicationPath {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Error> {
        let segments = segments(parts, state).await;
        let event = segments.first().and_then(|event| event.parse().ok()).ok_or(Error::UnknownEvent)?;
        let app_key = segments.get(1).and_then(|key| key.parse().ok()).ok_or(Error::NotParked)?;
        Ok(Self(event, app_key))
    }
}

impl FromRequestParts<Arc<OperatorState>> for TargetPath {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Error> {
        let mut segments = segments(parts, state).await.into_iter();
        let target = segments.next().ok_or(Error::UnknownEvent)?;
        let event = segments.next().and_then(|event| event.parse().ok()).ok_or(Error::UnknownEvent)?;
        Ok(Self(target, event))
    }
}

impl FromRequestParts<Arc<OperatorState>> for RevisionPath {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Error> {
        let segments = segments(parts, state).await;
        let event = segments.first().and_then(|event| event.parse().ok()).ok_or(Error::UnknownEvent)?;
        let rev = segments.get(1).and_then(|rev| rev.parse().ok()).ok_or(Error::UnknownChange)?;
        Ok(Self(event, rev))
    }
}

impl FromRequestParts<Arc<OperatorState>> for EndpointPath {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Error> {
        segments(parts, state).await.into_iter().next().map(Self).ok_or(Error::UnknownEndpoint)
    }
}

/// The variable segments in order; none if one of them is not UTF-8.
async fn segments(parts: &mut Parts, state: &Arc<OperatorState>) -> Vec<String> {
    let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
    path.map_or_else(|_| Vec::new(), |Path(named)| named.into_iter().map(|(_, value)| value).collect())
}
