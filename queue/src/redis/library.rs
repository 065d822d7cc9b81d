//! The functions that run inside the server: their text, its version, and who may call what. The text is `queue.lua`.

use sha2::{Digest, Sha256};

const TEXT: &str = include_str!("queue.lua");
const VERSION: &str = "@VERSION@";
const CLOCK_OF_SERVER: &str = "local HAND_CLOCK = false";
const CLOCK_BY_HAND: &str = "local HAND_CLOCK = true";

/// The functions of readers.
const READS: [&str; 6] = ["catalogue", "progress", "place", "number_of", "entries", "canary_read"];
/// What the signup service calls besides.
const SIGNUP: [&str; 3] = ["apply", "withdraw", "canary_signup"];
/// What the gateway calls: which events there are, and how each stands.
const GATEWAY: [&str; 3] = ["catalogue", "progress", "canary_gateway"];
/// What the leader calls besides.
const LEADER: [&str; 10] = [
    "arm",
    "project",
    "admitted",
    "acknowledge",
    "restore",
    "settle",
    "publish",
    "head",
    "inbox",
    "canary_worker",
];

/// Commands that the functions of readers use inside.
const READ_COMMANDS: &str = "+time +hexists +hkeys +hmget +hget +getrange +xrange +zrange";
/// Commands that the gateway's functions use inside.
const GATEWAY_COMMANDS: &str = "+time +hexists +hkeys +hmget";
/// Commands that the signup service's functions use besides.
const SIGNUP_COMMANDS: &str = "+hset +hincrby +hdel +strlen +setrange +xadd";
/// Commands that the leader's functions use besides.
const LEADER_COMMANDS: &str = "+xtrim +zadd +zrem";
/// Commands of a client: its connection, and the server's settings as `check` reads them. For the rights of the user `default`,
/// `ACL DRYRUN` shows no more than which commands a user may run; `ACL GETUSER` would show each role the hashes of all passwords.
const CLIENT_COMMANDS: &str =
    "+hello +auth +select +ping +unwatch +info +config|get +acl|dryrun +scan +randomkey";

/// The user `default` is off, so no client can log in as it, but keeps all rights: Redis replays its append-only file as this user.
/// Without the right to EXEC, a server drops every transaction of the file and starts empty (measured on Redis 7.0.15, Valkey 9.0.0
/// and 9.1.1 with 20 transactions, kill -9 and a restart: none left; Valkey 9.1.2 keeps all).
const DEFAULT_USER: &str = "user default off resetpass allkeys allchannels +@all";

/// Who speaks to the queue. Each role is its own user of the server, which may do no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisRole {
    /// The signup service: applies, withdraws, reads.
    Signup,
    /// The leader, and a process that is signup service and leader in one.
    Worker,
    /// Only reads: verifying.
    Verify,
    /// Only reads which events there are and how each stands, no application.
    Gateway,
}

impl RedisRole {
    /// The functions that it calls.
    pub(super) fn functions(self) -> impl Iterator<Item = &'static str> {
        let (reads, signup, leader): (&[_], &[_], &[_]) = match self {
            Self::Signup => (&READS, &SIGNUP, &[]),
            Self::Worker => (&READS, &SIGNUP, &LEADER),
            Self::Verify => (&READS, &[], &[]),
            Self::Gateway => (&GATEWAY, &[], &[]),
        };
        reads.iter().chain(signup).chain(leader).copied()
    }

    /// The function that tries every inner command of the role.
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

    /// The keys that it may reach.
    fn keys(self) -> &'static str {
        match self {
            Self::Signup | Self::Worker | Self::Verify => "~q:*",
            Self::Gateway => "~q:catalogue ~q:{*}:m",
        }
    }

    /// Only the canary's own keys may be removed, by those whose canary writes.
    fn cleaning(self) -> &'static str {
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

/// One version of the functions. Two can be loaded side by side, as each has its version in its names.
#[derive(Debug, Clone)]
pub(super) struct Library {
    version: String,
    text: String,
}

impl Library {
    /// The product's functions, which know the server's clock only.
    pub(super) fn of_product() -> Self {
        Self::from_text(TEXT)
    }

    /// The functions for tests, which take their time from the caller: another text, and so another version.
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

    /// What is loaded.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The rights of a role, as a line of the server's ACL file. It has no password yet, so no client can log in.
    pub(super) fn acl_line(&self, role: RedisRole) -> String {
        let calls = role.functions().map(|name| format!("+fcall|{}", self.function(name)));
        let calls = calls.collect::<Vec<_>>().join(" ");
        let commands = role.commands();
        format!(
            "user {} on resetpass resetkeys resetchannels -@all {} {CLIENT_COMMANDS} {commands} {calls}{}",
            role.user(),
            role.keys(),
            role.cleaning()
        )
    }
}

/// The text of `ops/redis.acl`: a user for each role, and one that installs the functions.
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
    fn every_registered_function_belongs_to_a_role_and_the_other_way_round() {
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
    fn a_test_that_sets_the_clock_runs_other_functions_than_the_product() {
        let (product, by_hand) = (Library::of_product(), Library::with_hand_clock());
        assert!(product.text().contains(CLOCK_OF_SERVER) && !by_hand.text().contains(CLOCK_OF_SERVER));
        assert_ne!(product.name(), by_hand.name());
        assert!(product.text().starts_with(&format!("#!lua name={}\n", product.name())));
        assert!(!product.text().contains(VERSION));
    }

    #[test]
    fn the_shipped_rights_are_those_of_this_version() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/redis.acl");
        let shipped = std::fs::read_to_string(file).unwrap();
        assert_eq!(shipped, redis_acl(), "ops/redis.acl must read:\n{}", redis_acl());
    }
}
