//! Ports of the loopback address for processes that a test starts.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const POLL_INTERVAL: Duration = Duration::from_millis(25);
const POLLS_MAX: u32 = 200;

/// An unused port.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    free_ports(1)[0]
}

/// Unused ports. All are bound at the same time, so that no two are the same.
///
/// # Panics
/// If there are not so many.
pub fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("bound above").port()).collect()
}

/// Blocks until a process listens there, and returns whether it does so within 5 s.
pub fn listens_soon(address: SocketAddr) -> bool {
    (0..POLLS_MAX).any(|_| {
        let listens = TcpStream::connect(address).is_ok();
        if !listens {
            std::thread::sleep(POLL_INTERVAL);
        }
        listens
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_has_no_listener_until_one_binds_it() {
        let ports = free_ports(2);
        assert_ne!(ports[0], ports[1]);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[0]));
        assert!(TcpStream::connect(address).is_err());
        let _listener = TcpListener::bind(address).unwrap();
        assert!(listens_soon(address));
    }
}
