//! The handler of the listener. An application, which a whole crowd sends within seconds, goes straight to its handler function:
//! routing would cost more than parsing it. Every other request goes through the router, which has the route for applications too.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{Method, header};
use service::http::{Handler, HandlerResponse, RouterHandler};

use crate::api::apply;
use crate::error_response::complete_error;
use crate::request::{ClientAddress, PostRequest};
use crate::router;
use crate::state::SignupState;

/// Handles all requests of the signup service.
pub struct SignupHandler {
    signup: Arc<SignupState>,
    router: RouterHandler,
}

impl SignupHandler {
    /// A handler with this state.
    pub fn new(signup: Arc<SignupState>) -> anyhow::Result<Self> {
        Ok(Self { router: RouterHandler::new(router::router(Arc::clone(&signup))?), signup })
    }

    /// Routes the request. This is the outermost layer: it completes the errors of all handlers. As a middleware of the router it
    /// would box one more future for each poll.
    async fn route(&self, request: Request, peer: &SocketAddr) -> HandlerResponse {
        let accept_language = request.headers().get(header::ACCEPT_LANGUAGE).cloned();
        let mut handled = self.router.handle(request, peer).await;
        handled.response = complete_error(&self.signup, accept_language.as_ref(), handled.response);
        handled
    }
}

impl Handler for SignupHandler {
    type Connection = SocketAddr;

    fn connect(&self, peer: SocketAddr) -> SocketAddr {
        peer
    }

    async fn handle(&self, request: Request, peer: &SocketAddr) -> HandlerResponse {
        match event_to_apply_for(&request).map(str::to_owned) {
            Some(event) => {
                let request = PostRequest::read(request).await;
                let client = ClientAddress::of_peer(peer.ip(), &request.headers, &self.signup);
                apply::respond(&self.signup, &event, request, client).await
            }
            // Boxed: otherwise every waiting application would hold room for the state of any request.
            None => Box::pin(self.route(request, peer)).await,
        }
    }
}

/// The event of an application, if its path needs no decoding.
fn event_to_apply_for(request: &Request) -> Option<&str> {
    let event = request.uri().path().strip_prefix(apply::CREATE)?;
    let is_plain = !event.is_empty() && event.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (*request.method() == Method::POST && is_plain).then_some(event)
}
