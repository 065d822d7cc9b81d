//! The addresses that a webhook may be sent to. Without this check an operator, or a name server that an operator trusts, could make
//! the worker call services of the own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use service::http::Network;

/// Networks that may be called although they are not public.
#[derive(Debug, Clone, Default)]
pub struct AllowedNetworks(pub Vec<Network>);

impl AllowedNetworks {
    /// Whether the address is in one of these networks.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether the address may be called.
    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        is_public(address) || self.contains(address)
    }
}

/// Whether the address belongs to the public internet.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 100 && b & 0xc0 == 64)
        || (a == 198 && b & 0xfe == 18);
    // 0.0.0.0/8, multicast and reserved.
    !is_special && (1..224).contains(&a)
}

/// Global unicast only, without the prefixes that carry an IPv4 address: NAT64, 6to4 and Teredo would lead around the check.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global = first & 0xe000 == 0x2000;
    let is_special = first == 0x2002
        || (first == 0x2001 && (second < 0x200 || second == 0xdb8))
        || (first == 0x3fff && second < 0x1000);
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_permitted() {
        let none = AllowedNetworks::default();
        for public in [
            "1.1.1.1",
            "93.184.216.34",
            "100.63.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(none.permits(public.parse().unwrap()), "{public}");
        }
        for internal in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!none.permits(internal.parse().unwrap()), "{internal}");
        }
    }

    #[test]
    fn a_listed_network_is_permitted() {
        let allowed = AllowedNetworks(vec!["10.1.0.0/16".parse().unwrap()]);
        assert!(allowed.permits("10.1.2.3".parse().unwrap()));
        assert!(allowed.permits("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!allowed.permits("10.2.0.1".parse().unwrap()));
    }
}
