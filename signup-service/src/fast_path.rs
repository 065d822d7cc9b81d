//! The signup service as its listener sees it. An application, which a whole crowd sends within seconds, goes straight to its handler:
//! finding it through the router costs more than reading it. Everything else goes through the router, which knows that address too.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use service::http::{Handler, HandlerResponse, RouterHandler};

use crate::apply;
use crate::request_body::{Client, Posted};
use crate::state::SignupState;

/// What answers all requests of the signup service.
pub struct FastPath {
    signup: Arc<SignupState>,
    routed: RouterHandler,
}

impl FastPath {
    /// The front of this signup service.
    pub fn new(signup: Arc<SignupState>) -> anyhow::Result<Self> {
        Ok(Self { routed: RouterHandler::new(crate::router(Arc::clone(&signup))?), signup })
    }
}

impl Handler for FastPath {
    type Connection = SocketAddr;

    fn connect(&self, peer: SocketAddr) -> SocketAddr {
        peer
    }

    async fn handle(&self, request: Request, peer: &SocketAddr) -> HandlerResponse {
        match applied_for(&request).map(str::to_owned) {
            Some(event) => {
                let posted = Posted::read(request).await;
                let client = Client::at(peer.ip(), &posted.headers, &self.signup);
                apply::answer_to(&self.signup, &event, posted, client).await
            }
            // Boxed, or every application would wait in a state that has room for any request.
            None => Box::pin(self.routed.handle(request, peer)).await,
        }
    }
}

/// The event that is applied for, where the address is written plainly.
fn applied_for(request: &Request) -> Option<&str> {
    let event = request.uri().path().strip_prefix(apply::CREATE)?;
    let plain = !event.is_empty() && event.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (*request.method() == Method::POST && plain).then_some(event)
}
