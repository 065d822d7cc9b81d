//! Networks of trusted addresses, and the key by which clients are told apart. Host names are not resolved.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::config::Part;

/// A network such as `10.0.0.0/8` or `2001:db8::/32`. A plain address is a network of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// The text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a network is an IP address, or one with a prefix length such as 10.0.0.0/8")]
pub struct BadNetwork;

impl Network {
    /// Reads a list of networks. Mistakes are recorded with the part.
    pub fn read_all(part: &mut Part<'_>, key: &str) -> Vec<Self> {
        let mut networks = Vec::new();
        for text in part.texts(key) {
            match text.parse() {
                Ok(network) => networks.push(network),
                Err(error) => part.mistake(key, &format!("'{text}': {error}")),
            }
        }
        networks
    }

    /// Whether the network contains the address. An IPv4-mapped IPv6 address counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The network of this one address.
impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let network: IpNet = text.parse().map_err(|_| BadNetwork)?;
        // A network of IPv4-mapped addresses would contain none, since `contains` compares canonical addresses.
        if network.addr().to_canonical() == network.addr() { Ok(Self(network)) } else { Err(BadNetwork) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The key of a client: its IPv4 address, or the /64 of its IPv6 address, since a subscriber usually gets a whole /64.
pub fn client_key(address: IpAddr) -> IpAddr {
    network_of(address.to_canonical(), 64)
}

/// A network that is limited as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientNetwork {
    /// Its first address.
    pub address: IpAddr,
    /// The length of its prefix.
    pub prefix: u8,
}

/// The prefixes that are limited of an IPv6 address. Some subscribers get a /56 or a /48, and could be thousands of clients by it.
const IPV6_PREFIXES: [u8; 3] = [64, 56, 48];
/// An IPv4 address is a client, and in no wider network.
const IPV4_PREFIXES: [u8; 1] = [32];

impl ClientNetwork {
    /// How many times a client's limit the client and its networks may have, from the smallest on.
    pub const TIMES: [usize; 3] = [1, 4, 16];

    /// How many a client, or a network of `times` a client's limit, may have of `whole`. A network has at most half, so that it cannot
    /// occupy all, and no less than one client.
    pub fn share(client_max: usize, times: usize, whole: usize) -> usize {
        client_max.saturating_mul(times).min(client_max.max(whole / 2))
    }

    /// The client itself, and the networks that it is in, each with how many times a client's limit it may have.
    pub fn all_of(client: IpAddr) -> impl Iterator<Item = (Self, usize)> {
        let client = client.to_canonical();
        let prefixes = if client.is_ipv4() { &IPV4_PREFIXES[..] } else { &IPV6_PREFIXES[..] };
        let network = move |prefix| Self { address: network_of(client, prefix), prefix };
        prefixes.iter().map(move |prefix| network(*prefix)).zip(Self::TIMES)
    }
}

/// The first address of the IPv6 network with a prefix of this length; an IPv4 address stays as it is.
fn network_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_in_any_notation() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        for (network, address) in [
            ("10.0.0.0/8", "10.255.0.1"),
            ("10.1.2.3/8", "10.255.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3"),
            ("0.0.0.0/0", "203.0.113.1"),
            ("::/0", "2001:db8::1"),
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8::/32", "2001:db8:ffff::1"),
        ] {
            assert!(contains(network, address), "{network} {address}");
        }
        for (network, address) in [
            ("10.0.0.0/8", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.6"),
            ("::/0", "203.0.113.1"),
            ("2001:db8::/33", "2001:db8:8000::1"),
        ] {
            assert!(!contains(network, address), "{network} {address}");
        }
        for bad in
            ["", "10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/", "10.0.0.0/-1", "host", "::ffff:10.0.0.0/104"]
        {
            assert_eq!(bad.parse::<Network>(), Err(BadNetwork), "{bad}");
        }
    }

    #[test]
    fn a_client_key_is_an_ipv4_address_or_an_ipv6_64() {
        let key = |address: &str| client_key(address.parse().unwrap()).to_string();
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn an_ipv6_client_is_in_two_wider_networks_and_an_ipv4_client_in_none() {
        let networks = |address: &str| {
            let all = ClientNetwork::all_of(address.parse().unwrap());
            all.map(|(network, times)| format!("{}/{} {times}", network.address, network.prefix))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            networks("2001:db8:1:2345:6::7"),
            ["2001:db8:1:2345::/64 1", "2001:db8:1:2300::/56 4", "2001:db8:1::/48 16"]
        );
        assert_eq!(networks("192.0.2.1"), ["192.0.2.1/32 1"]);
        assert_eq!(networks("::ffff:192.0.2.1"), ["192.0.2.1/32 1"]);
    }
}
