//! Runs a scenario with Goose: no dashboard, no files, no corrected times, and a source address for each user.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use goose::GooseAttack;
use goose::config::GooseConfiguration;
use goose::goose::{Scenario, Transaction, TransactionFunction};
use goose::metrics::GooseMetrics;

/// Longest wait for one response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The length of a run.
pub(crate) enum RunLength {
    /// The number of iterations of each user.
    Rounds(usize),
    /// The time.
    Time(Duration),
}

/// Runs one scenario to its end.
pub(crate) async fn run(
    gateway: &str,
    users: u16,
    length: RunLength,
    scenario: Scenario,
) -> anyhow::Result<GooseMetrics> {
    let users = users.to_string();
    let mut args = vec!["--host", gateway, "--users", &users, "--increase-rate", &users];
    args.extend(["--no-telnet", "--no-print-metrics", "--quiet", "--quiet"]);
    let (flag, value) = match length {
        RunLength::Rounds(rounds) => ("--iterations", rounds.to_string()),
        RunLength::Time(time) => ("--run-time", time.as_secs().max(1).to_string()),
    };
    args.extend([flag, &value]);
    let config = GooseConfiguration::parse_args_default(&args).context("invalid options for Goose")?;
    let scenario = scenario.register_transaction(own_address());
    let attack = GooseAttack::initialize_with_config(config)?.register_scenario(scenario);
    // Boxed: Goose's own state is 20 KiB.
    Box::pin(attack.execute()).await.context("failed to send the load")
}

/// Gives a user its source address when it starts.
fn own_address() -> Transaction {
    let set_client: TransactionFunction = Arc::new(|user| {
        Box::pin(async move {
            let mut client = reqwest::Client::builder()
                .timeout(RESPONSE_TIMEOUT)
                .redirect(reqwest::redirect::Policy::none());
            // The kernel sends from such an address only to loopback.
            if user.base_url.host_str().is_some_and(|host| host.starts_with("127.") || host == "localhost") {
                client = client.local_address(address_of(user.weighted_users_index));
            }
            user.set_client_builder(client).await.map_err(Box::new)
        })
    });
    Transaction::new(set_client).set_name("own address").set_on_start()
}

/// The source address of a user: 127.1.0.1, 127.1.0.2, … but never 127.0.0.1, which other clients use.
fn address_of(user: usize) -> IpAddr {
    let last = |n: usize| u8::try_from(n % 250 + 1).unwrap_or(1);
    IpAddr::V4(Ipv4Addr::new(127, 1, u8::try_from(user / 250 % 256).unwrap_or(0), last(user)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_user_has_its_own_address() {
        let addresses: BTreeSet<_> = (0..10_000).map(address_of).collect();
        assert_eq!(addresses.len(), 10_000);
        assert!(!addresses.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
