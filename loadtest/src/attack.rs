//! Setting Goose up: no dashboards, no files, no corrected times; every user from an address of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use goose::GooseAttack;
use goose::config::GooseConfiguration;
use goose::goose::{Scenario, Transaction, TransactionFunction};
use goose::metrics::GooseMetrics;

/// Longest wait for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long an attack goes on.
pub(crate) enum Until {
    /// Every user has gone through its scenario so many times.
    Rounds(usize),
    /// The time is over.
    Over(Duration),
}

/// Runs one scenario to its end.
pub(crate) async fn run(
    gateway: &str,
    users: u16,
    until: Until,
    scenario: Scenario,
) -> anyhow::Result<GooseMetrics> {
    let users = users.to_string();
    let mut args = vec!["--host", gateway, "--users", &users, "--increase-rate", &users];
    args.extend(["--no-telnet", "--no-print-metrics", "--quiet", "--quiet"]);
    let (flag, length) = match until {
        Until::Rounds(rounds) => ("--iterations", rounds.to_string()),
        Until::Over(time) => ("--run-time", time.as_secs().max(1).to_string()),
    };
    args.extend([flag, &length]);
    let config = GooseConfiguration::parse_args_default(&args).context("Goose does not take its options")?;
    let scenario = scenario.register_transaction(own_address());
    let attack = GooseAttack::initialize_with_config(config)?.register_scenario(scenario);
    // Boxed: Goose's own state is 20 KiB.
    Box::pin(attack.execute()).await.context("the load could not be sent")
}

/// The first thing that every user does.
fn own_address() -> Transaction {
    let settle: TransactionFunction = Arc::new(|user| {
        Box::pin(async move {
            let mut client =
                reqwest::Client::builder().timeout(ANSWER_WITHIN).redirect(reqwest::redirect::Policy::none());
            // Elsewhere the kernel would refuse to send from such an address.
            if user.base_url.host_str().is_some_and(|host| host.starts_with("127.") || host == "localhost") {
                client = client.local_address(address_of(user.weighted_users_index));
            }
            user.set_client_builder(client).await.map_err(Box::new)
        })
    });
    Transaction::new(settle).set_name("own address").set_on_start()
}

/// 127.1.0.1, 127.1.0.2, …: none of them is the one that tests and people use.
fn address_of(user: usize) -> IpAddr {
    let last = |n: usize| u8::try_from(n % 250 + 1).unwrap_or(1);
    let (high, low) = (user / 250, user);
    IpAddr::V4(Ipv4Addr::new(127, 1, u8::try_from(high % 256).unwrap_or(0), last(low)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_user_has_an_address_of_its_own() {
        let addresses: BTreeSet<_> = (0..10_000).map(address_of).collect();
        assert_eq!(addresses.len(), 10_000);
        assert!(!addresses.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
