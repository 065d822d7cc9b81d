//! The functions that run inside the server: their text (`queue.lua`), its version, and the rights of each role.

use sha2::{Digest, Sha256};

const TEXT: &str = include_str!("queue.lua");
const VERSION: &str = "@VERSION@";
const CLOCK_OF_SERVER: &str = "local HAND_CLOCK = false";
const CLOCK_BY_HAND: &str = "local HAND_CLOCK = true";

/// The functions of each role that reads applications.
const READS: [&str; 6] = ["catalogue", "snapshot", "entry", "app_key_of", "entries", "canary_read"];
/// The functions that the signup service calls in addition.
const SIGNUP: [&str; 10] = [
    "apply",
    "cancel",
    "request_called",
    "report",
    "present_receipt",
    "journal",
    "replay",
    "replay_confirm",
    "report_number",
    "canary_signup",
];
/// The functions of the gateway: the events, and the state of each.
const GATEWAY: [&str; 3] = ["catalogue", "snapshot", "canary_gateway"];
/// The functions that the leader calls in addition.
const LEADER: [&str; 14] = [
    "arm",
    "project",
    "admitted",
    "acknowledge",
    "restore",
    "replace_gaps",
    "keep_journals",
    "journals",
    "reports",
    "settle",
    "publish",
    "head",
    "inbox",
    "canary_worker",
];

/// Inner commands of the functions in `READS`.
const READ_COMMANDS: &str = "+time +hexists +hkeys +hmget +hget +getrange +xrange +zrange";
/// Inner commands of the functions in `GATEWAY`.
const GATEWAY_COMMANDS: &str = "+time +hexists +hkeys +hmget";
/// Inner commands that the functions in `SIGNUP` use in addition.
const SIGNUP_COMMANDS: &str = "+hset +hincrby +hdel +strlen +setrange +xadd +zadd";
/// Inner commands that the functions in `LEADER` use in addition.
const LEADER_COMMANDS: &str = "+xtrim +zrem +hgetall";
/// Commands of every client: for the connection and for the check of the server. `ACL DRYRUN` shows only which commands a user
/// may run; `ACL GETUSER` would show the hashes of all passwords to each role.
const CLIENT_COMMANDS: &str =
    "+hello +auth +select +ping +unwatch +info +config|get +acl|dryrun +scan +randomkey";

/// The user `default` is off, so no client can log in as it, but keeps all rights: Redis replays its append-only file as this user.
/// Without the right to EXEC, a server drops every transaction of the file and starts empty (measured on Redis 7.0.15, Valkey 9.0.0
/// and 9.1.1 with 20 transactions, kill -9 and a restart: none left; Valkey 9.1.2 keeps all).
const DEFAULT_USER: &str = "user default off resetpass allkeys allchannels +@all";

/// A role at the queue. Each role is a user of the server with the rights that it needs and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisRole {
    /// The signup service: applies, cancels, reads.
    Signup,
    /// The leader, and a process that is signup service and leader at once.
    Worker,
    /// `firstcome verify`: only reads.
    Verify,
    /// The gateway: reads the events and the state of each, no application.
    Gateway,
}

impl RedisRole {
    /// The functions that the role calls.
    pub(super) fn functions(self) -> impl Iterator<Item = &'static str> {
        let (reads, signup, leader): (&[_], &[_], &[_]) = match self {
            Self::Signup => (&READS, &SIGNUP, &[]),
            Self::Worker => (&READS, &SIGNUP, &LEADER),
            Self::Verify => (&READS, &[], &[]),
            Self::Gateway => (&GATEWAY, &[], &[]),
        };
        reads.iter().chain(signup).chain(leader).copied()
    }

    /// The function that runs every inner command of the role.
    pub(super) fn canary(self) -> &'static str {
        match self {
            Self::Signup => "canary_signup",
            Self::Worker => "canary_worker",
            Self::Verify => "canary_read",
            Self::Gateway => "canary_gateway",
        }
    }

    fn user(self) -> &'static str {
        match self {
            Self::Signup => "signup",
            Self::Worker => "worker",
            Self::Verify => "verify",
            Self::Gateway => "gateway",
        }
    }

    /// The keys that the role may access.
    fn keys(self) -> &'static str {
        match self {
            Self::Signup | Self::Worker | Self::Verify => "~q:*",
            Self::Gateway => "~q:catalogue ~q:{*}:m",
        }
    }

    /// A role whose canary writes may remove the keys of the canary, and no others.
    fn cleanup_right(self) -> &'static str {
        match self {
            Self::Signup | Self::Worker => " (+unlink ~q:{!canary}:*)",
            Self::Verify | Self::Gateway => "",
        }
    }

    fn commands(self) -> String {
        match self {
            Self::Signup => format!("{READ_COMMANDS} {SIGNUP_COMMANDS}"),
            Self::Worker => format!("{READ_COMMANDS} {SIGNUP_COMMANDS} {LEADER_COMMANDS}"),
            Self::Verify => READ_COMMANDS.to_owned(),
            Self::Gateway => GATEWAY_COMMANDS.to_owned(),
        }
    }
}

/// One version of the functions. Several versions can be loaded at once, as each has its version in its names.
#[derive(Debug, Clone)]
pub(super) struct Library {
    version: String,
    text: String,
}

impl Library {
    /// The functions of the product, which take the time from the server only.
    pub(super) fn of_product() -> Self {
        Self::from_text(TEXT)
    }

    /// The functions for tests, which take the time from the caller: another text, and so another version.
    pub(super) fn with_hand_clock() -> Self {
        Self::from_text(&TEXT.replace(CLOCK_OF_SERVER, CLOCK_BY_HAND))
    }

    fn from_text(text: &str) -> Self {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(text).into();
        let version = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
        let text = text.replace(VERSION, &version);
        Self { version, text }
    }

    /// The library's name in the server.
    pub(super) fn name(&self) -> String {
        format!("firstcome_{}", self.version)
    }

    /// The function's name in the server.
    pub(super) fn function(&self, name: &str) -> String {
        format!("{name}_{}", self.version)
    }

    /// The text to load.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The rights of a role, as a line of the ACL file. The user has no password yet, so no client can log in.
    pub(super) fn acl_line(&self, role: RedisRole) -> String {
        let calls = role.functions().map(|name| format!("+fcall|{}", self.function(name)));
        let calls = calls.collect::<Vec<_>>().join(" ");
        let commands = role.commands();
        format!(
            "user {} on resetpass resetkeys resetchannels -@all {} {CLIENT_COMMANDS} {commands} {calls}{}",
            role.user(),
            role.keys(),
            role.cleanup_right()
        )
    }
}

/// Returns the text of `ops/redis.acl`: a user for each role, and one that installs the functions.
pub fn redis_acl() -> String {
    let library = Library::of_product();
    let mut lines = vec![
        DEFAULT_USER.to_owned(),
        "user migrate on resetpass resetkeys resetchannels -@all +hello +auth +select +ping +unwatch +function|list \
         +function|load"
            .to_owned(),
    ];
    let roles = [RedisRole::Signup, RedisRole::Worker, RedisRole::Verify, RedisRole::Gateway];
    lines.extend(roles.map(|role| library.acl_line(role)));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_functions_are_those_of_the_roles() {
        let registered = TEXT.lines().filter_map(|line| line.strip_prefix("register('")?.split('\'').next());
        let mut registered: Vec<_> = registered.collect();
        let all = RedisRole::Worker.functions().chain(RedisRole::Gateway.functions());
        let mut named: Vec<_> = all.collect();
        registered.sort_unstable();
        named.sort_unstable();
        named.dedup();
        assert_eq!(registered, named);
    }

    #[test]
    fn the_functions_with_a_hand_clock_are_another_version() {
        let (product, by_hand) = (Library::of_product(), Library::with_hand_clock());
        assert!(product.text().contains(CLOCK_OF_SERVER) && !by_hand.text().contains(CLOCK_OF_SERVER));
        assert_ne!(product.name(), by_hand.name());
        assert!(product.text().starts_with(&format!("#!lua name={}\n", product.name())));
        assert!(!product.text().contains(VERSION));
    }

    #[test]
    fn the_shipped_acl_has_the_rights_of_this_version() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/redis.acl");
        let shipped = std::fs::read_to_string(file).unwrap();
        assert_eq!(shipped, redis_acl(), "ops/redis.acl must read:\n{}", redis_acl());
    }
}
