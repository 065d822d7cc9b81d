//! What responds to the requests of a listener: a router, or one handler for all paths. A proxy is the latter: it has no routes in
//! the router's sense, and matching them would cost more than forwarding the request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use tower::Service as _;
use tower::util::MapRequestLayer;

use super::metrics::{RouteName, RouteSlot, record_route};
use super::record::ResponseRecord;

/// Responds to requests.
pub trait Handler: Send + Sync + 'static {
    /// What the handler keeps per connection, made once for all of its requests.
    type Connection: Send + Sync + 'static;

    /// A connection from this peer begins.
    fn connect(&self, peer: SocketAddr) -> Self::Connection;

    /// The response to a request. A panic is caught while the future is polled, but not before.
    fn handle(
        &self,
        request: Request,
        connection: &Self::Connection,
    ) -> impl Future<Output = HandlerResponse> + Send;

    /// The record of a request whose response is the listener's own: it was refused before the handler, or the handler panicked.
    fn record_of_listener(
        &self,
        _method: &Method,
        _connection: &Self::Connection,
    ) -> Option<Box<dyn ResponseRecord>> {
        None
    }
}

impl<H: Handler> Handler for Arc<H> {
    type Connection = H::Connection;

    fn connect(&self, peer: SocketAddr) -> H::Connection {
        H::connect(self, peer)
    }

    fn handle(
        &self,
        request: Request,
        connection: &H::Connection,
    ) -> impl Future<Output = HandlerResponse> + Send {
        H::handle(self, request, connection)
    }

    fn record_of_listener(
        &self,
        method: &Method,
        connection: &H::Connection,
    ) -> Option<Box<dyn ResponseRecord>> {
        H::record_of_listener(self, method, connection)
    }
}

/// A response, and what the listener has to know about it.
#[derive(Debug)]
pub struct HandlerResponse {
    /// The response.
    pub response: Response,
    /// The name of the route in metrics and logs.
    pub route: Route,
    /// Whether the response is sent unchanged: it has all of its headers, or comes from an upstream.
    pub as_is: bool,
    /// Told how the response was sent.
    pub record: Option<Box<dyn ResponseRecord>>,
}

/// The name of a request's route in metrics and logs; never text from the client.
#[derive(Debug, Clone)]
pub enum Route {
    /// No route matched.
    None,
    /// A name that the handler chose.
    Named(&'static str),
    /// The path template that matched.
    Matched(MatchedPath),
}

impl Route {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Named(name) => name,
            Self::Matched(path) => path.as_str(),
        }
    }
}

/// A router as a handler.
#[derive(Debug)]
pub struct RouterHandler(Router);

impl RouterHandler {
    /// Wraps the router so that the matched route is known.
    pub fn new(router: Router) -> Self {
        Self(router.layer(MapRequestLayer::new(record_route as fn(Request) -> Request)))
    }
}

impl Handler for RouterHandler {
    type Connection = SocketAddr;

    fn connect(&self, peer: SocketAddr) -> SocketAddr {
        peer
    }

    async fn handle(&self, mut request: Request, peer: &SocketAddr) -> HandlerResponse {
        let slot = RouteSlot::default();
        request.extensions_mut().insert(ConnectInfo(*peer));
        request.extensions_mut().insert(slot.clone());
        let Ok::<_, Infallible>(response) = self.0.clone().call(request).await;
        let route = match response.extensions().get::<RouteName>() {
            Some(name) => Route::Named(name.0),
            None => slot.path().map_or(Route::None, Route::Matched),
        };
        HandlerResponse { response, route, as_is: false, record: None }
    }
}
