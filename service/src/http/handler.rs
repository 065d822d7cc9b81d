//! What answers the requests of a listener: a router, or one handler for every path. A proxy is the latter: matching routes that
//! it does not have would cost it more than passing the request on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::response::Response;
use tower::Service as _;
use tower::util::MapRequestLayer;

use super::meter::{RouteName, Slot, note_route};

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// What it has to know of a connection, made once for all of its requests.
    type Caller: Send + Sync + 'static;

    /// A connection from this peer begins.
    fn meet(&self, peer: SocketAddr) -> Self::Caller;

    /// The answer to a request. A panic is caught while the future is polled, and not before.
    fn answer(&self, request: Request, caller: &Self::Caller) -> impl Future<Output = Answer> + Send;
}

impl<H: Handler> Handler for Arc<H> {
    type Caller = H::Caller;

    fn meet(&self, peer: SocketAddr) -> H::Caller {
        H::meet(self, peer)
    }

    fn answer(&self, request: Request, caller: &H::Caller) -> impl Future<Output = Answer> + Send {
        H::answer(self, request, caller)
    }
}

/// An answer, and what the listener has to know of it.
#[derive(Debug)]
pub struct Answer {
    /// What the client gets.
    pub response: Response,
    /// What metrics and logs call the route.
    pub route: Route,
    /// Whether it has all of its headers, or is somebody else's: it passes through, no header added and no body replaced.
    pub as_is: bool,
}

/// What metrics and logs call the route of a request: never what a client typed.
#[derive(Debug, Clone)]
pub enum Route {
    /// None was found.
    None,
    /// By the handler's own name for it.
    Named(&'static str),
    /// By the path it was matched to.
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

/// A router.
#[derive(Debug)]
pub struct Routed(Router);

impl Routed {
    /// Answers whatever the router has a route for.
    pub fn new(router: Router) -> Self {
        Self(router.layer(MapRequestLayer::new(note_route as fn(Request) -> Request)))
    }
}

impl Handler for Routed {
    type Caller = SocketAddr;

    fn meet(&self, peer: SocketAddr) -> SocketAddr {
        peer
    }

    async fn answer(&self, mut request: Request, peer: &SocketAddr) -> Answer {
        let slot = Slot::default();
        request.extensions_mut().insert(ConnectInfo(*peer));
        request.extensions_mut().insert(slot.clone());
        let Ok::<_, Infallible>(response) = self.0.clone().call(request).await;
        let route = match response.extensions().get::<RouteName>() {
            Some(name) => Route::Named(name.0),
            None => slot.path().map_or(Route::None, Route::Matched),
        };
        Answer { response, route, as_is: false }
    }
}
