//! The peer of a connection. What derives from its address is computed once per connection unless it is a proxy.

use std::net::IpAddr;

use service::http::Network;

use crate::client::{ClientIdentity, ClientKeys};
use crate::headers::ForwardedHeaders;

/// A client's keys and the headers that tell the service about the client.
#[derive(Debug)]
pub(crate) struct ForwardedClient {
    pub(crate) address: IpAddr,
    pub(crate) keys: ClientKeys,
    pub(crate) headers: ForwardedHeaders,
}

impl From<ClientIdentity> for ForwardedClient {
    fn from(identity: ClientIdentity) -> Self {
        Self {
            address: identity.address,
            keys: ClientKeys::of(identity.address),
            headers: ForwardedHeaders::of(identity),
        }
    }
}

/// The peer of a connection: a client, or a trusted proxy that carries the requests of many clients.
#[derive(Debug)]
pub(crate) enum Peer {
    Client(ForwardedClient),
    Proxy(IpAddr),
}

impl Peer {
    /// Its own address.
    pub(crate) fn address(&self) -> IpAddr {
        match self {
            Self::Client(client) => client.address,
            Self::Proxy(address) => *address,
        }
    }

    pub(crate) fn of(address: IpAddr, tls: bool, trusted: &[Network]) -> Self {
        let address = address.to_canonical();
        if trusted.iter().any(|proxy| proxy.contains(address)) {
            return Self::Proxy(address);
        }
        Self::Client(ClientIdentity { address, tls }.into())
    }
}
