//! The check of the server: settings, version, keys of other programs, and the rights of this process. It changes nothing, and
//! reports what it cannot see.

mod finding;
mod version;

use std::collections::HashMap;

use redis::cmd;

pub use self::finding::{ServerFinding, Severity};
use super::client::RedisClient;
use super::error::CallError;
use super::library::RedisRole;
use crate::contract::LeaderError;

/// How many keys to examine for keys of other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// At the start: the first 100,000 keys.
    Start,
    /// Each minute: a thousand keys, and some at random.
    Sample,
}

/// A setting that a durable queue needs, and why.
struct RequiredSetting {
    name: &'static str,
    value: &'static str,
    why: &'static str,
}

const APPEND_ONLY: RequiredSetting = RequiredSetting {
    name: "appendonly",
    value: "yes",
    why: "without it, all applications are lost with the process",
};
const SETTINGS: [RequiredSetting; 4] = [
    APPEND_ONLY,
    RequiredSetting {
        name: "appendfsync",
        value: "always",
        why: "otherwise a crash loses acknowledged applications",
    },
    RequiredSetting {
        name: "no-appendfsync-on-rewrite",
        value: "no",
        why: "otherwise nothing is synced while the append-only file is rewritten",
    },
    RequiredSetting {
        name: "maxmemory-policy",
        value: "noeviction",
        why: "otherwise applications are evicted when the memory is full",
    },
];

/// Commands in an append-only file of the queue, with arguments that their syntax needs.
const REPLAYED: [&[&str]; 12] = [
    &["MULTI"],
    &["EXEC"],
    &["FUNCTION", "LOAD", "x"],
    &["HSET", CANARY, "a", "b"],
    &["HDEL", CANARY, "a"],
    &["HINCRBY", CANARY, "a", "1"],
    &["SETRANGE", CANARY, "0", "a"],
    &["XADD", CANARY, "*", "a", "b"],
    &["XTRIM", CANARY, "MAXLEN", "0"],
    &["ZADD", CANARY, "1", "a"],
    &["ZREM", CANARY, "a"],
    &["UNLINK", CANARY],
];
const CANARY: &str = "q:{!canary}:m";

/// Checks all that must hold before a queue is opened.
pub(super) async fn at_start(client: &RedisClient, role: RedisRole) -> Result<(), LeaderError> {
    let findings = findings(client, Depth::Start).await;
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Warn) {
        tracing::warn!(finding = finding.what, "the queue's Redis: {}", finding.what);
    }
    let refused = findings.into_iter().filter(|finding| finding.severity == Severity::Refuse);
    let refused: Vec<_> = refused.map(|finding| finding.what).collect();
    if !refused.is_empty() {
        return Err(LeaderError::Unavailable(refused.join("; ")));
    }
    Ok(check_rights(client, role).await?)
}

/// Checks that the role may call its functions, and that the functions may run their inner commands: otherwise the first missing
/// right would appear in the middle of a step.
async fn check_rights(client: &RedisClient, role: RedisRole) -> Result<(), CallError> {
    for function in role.functions() {
        check_function(client, function).await?;
    }
    let call = client.function_call(role.canary(), "!canary");
    client.command::<String>(&call.command).await.map(drop)
}

/// Checks that the function is loaded and allowed. Without keys it does nothing.
async fn check_function(client: &RedisClient, function: &str) -> Result<(), CallError> {
    let mut probe = cmd("FCALL");
    client.command::<String>(probe.arg(client.library.function(function)).arg(0)).await.map(drop)
}

/// Loads the functions, unless this version is loaded: loading it again would disarm its queues.
pub(super) async fn install(client: &RedisClient) -> Result<(), CallError> {
    let name = client.library.name();
    let mut list = cmd("FUNCTION");
    let listed: Vec<redis::Value> = client.command(list.arg("LIST").arg("LIBRARYNAME").arg(&name)).await?;
    if listed.is_empty() {
        let mut load = cmd("FUNCTION");
        client.command::<String>(load.arg("LOAD").arg(client.library.text())).await?;
        tracing::info!(library = name, "loaded the queue's functions into Redis");
    }
    Ok(())
}

/// Returns everything that is wrong with the server.
pub(super) async fn findings(client: &RedisClient, depth: Depth) -> Vec<ServerFinding> {
    let checked = async {
        let info: String = client.command(&cmd("INFO")).await?;
        let info = info_fields(&info);
        let mut findings = of_info(&info, client.db());
        if info.get("role").is_some_and(|role| *role != "master") {
            // A replica without its primary refuses every further command.
            return Ok(findings);
        }
        findings.extend(of_settings(client).await?);
        findings.extend(of_default_user(client).await?);
        findings.extend(of_keys(client, depth).await?);
        if let Err(error) = check_function(client, "snapshot").await {
            findings.push(ServerFinding::refuse(error.to_string()));
        }
        Ok::<_, CallError>(findings)
    };
    checked.await.unwrap_or_else(|error| vec![ServerFinding::refuse(error.to_string())])
}

fn info_fields(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.split_once(':')).collect()
}

fn of_info(info: &HashMap<&str, &str>, db: i64) -> Vec<ServerFinding> {
    let mut findings = version::findings(info);
    let is = |field: &str, value: &str| info.get(field).is_none_or(|found| *found == value);
    if !is("role", "master") {
        findings.push(ServerFinding::refuse(
            "this Redis is a replica: set the address of the primary, since a replica takes no writes",
        ));
    }
    if !is("redis_mode", "standalone") {
        findings.push(ServerFinding::refuse(
            "this Redis is a Cluster or Sentinel: set the address of one server; standalone only until failover is safe",
        ));
    }
    // INFO shows this even where CONFIG is forbidden.
    if !is("aof_enabled", "1") {
        findings.push(wrong_setting(&APPEND_ONLY, "no"));
    }
    if !is("aof_last_write_status", "ok") {
        findings.push(ServerFinding::warn(
            "this Redis failed to write its append-only file: check its disk, since applications are durable only in that file",
        ));
    }
    if info.get("maxmemory").is_some_and(|max| *max == "0") {
        findings.push(ServerFinding::warn(
            "this Redis has no maxmemory: set one, since the kernel kills the server when the machine's memory is full, \
             while a full maxmemory refuses applications",
        ));
    }
    let dbs = info.keys().filter_map(|field| field.strip_prefix("db")?.parse::<i64>().ok());
    if dbs.into_iter().any(|other| other != db) {
        findings.push(ServerFinding::refuse(
            "another database of this Redis has keys: give the queue its own server, since other load delays applicants",
        ));
    }
    findings
}

async fn of_settings(client: &RedisClient) -> Result<Vec<ServerFinding>, CallError> {
    let mut findings = Vec::new();
    for setting in &SETTINGS {
        let reply = client.command::<Vec<String>>(cmd("CONFIG").arg("GET").arg(setting.name)).await;
        match reply {
            Ok(reply) => match reply.get(1) {
                Some(value) if value == setting.value => {}
                value => findings.push(wrong_setting(setting, value.map_or("unknown", String::as_str))),
            },
            Err(CallError::Redis(error)) if is_forbidden(&error) => {
                let what = "durability = declared: this Redis does not show its settings; make sure that it has appendfsync \
                            always and noeviction, since the program cannot check them";
                return Ok(vec![ServerFinding::warn(what)]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}

/// Redis replays its append-only file as the user `default`: a server where that user lacks a right starts without the
/// applications after its next restart. Every version must pass, also those that replay without looking at rights (Valkey
/// 9.1.2), since an older server may replace a newer one. The check sees the running server only: the ACL file, which a restart
/// reads, is not visible to a client.
async fn of_default_user(client: &RedisClient) -> Result<Vec<ServerFinding>, CallError> {
    for command in REPLAYED {
        let reply = client.command::<String>(cmd("ACL").arg("DRYRUN").arg("default").arg(command)).await;
        match reply {
            Ok(reply) if reply == "OK" => {}
            Ok(_) => return Ok(vec![ServerFinding::refuse(cannot_replay(command[0]))]),
            Err(CallError::Redis(error)) if is_forbidden(&error) => {
                let what = "this Redis forbids ACL DRYRUN: make sure that its user `default` has all rights, since Redis \
                            replays its append-only file as that user and the program cannot check it";
                return Ok(vec![ServerFinding::warn(what)]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Vec::new())
}

fn cannot_replay(command: &str) -> String {
    format!(
        "the user `default` of this Redis may not run {command}, and Redis replays its append-only file as that user: the next \
         restart would lose every application. Before any restart run \
         `ACL SETUSER default off resetpass allkeys allchannels +@all` and then `ACL SAVE`: a restart reads the ACL file, not \
         the rights of the running server"
    )
}

/// Whether the user lacks the right, or the provider of the server has renamed the command.
fn is_forbidden(error: &redis::RedisError) -> bool {
    error.code() == Some("NOPERM") || error.to_string().to_ascii_lowercase().contains("unknown command")
}

fn wrong_setting(RequiredSetting { name, value, why }: &RequiredSetting, found: &str) -> ServerFinding {
    ServerFinding::refuse(format!("this Redis has {name} {found}; set it to {value}: {why}"))
}

async fn of_keys(client: &RedisClient, depth: Depth) -> Result<Vec<ServerFinding>, CallError> {
    let pieces = if depth == Depth::Start { 100 } else { 1 };
    let mut cursor = "0".to_owned();
    for _ in 0..pieces {
        let (next, keys): (String, Vec<Vec<u8>>) =
            client.command(cmd("SCAN").arg(&cursor).arg("COUNT").arg(1_000)).await?;
        if keys.iter().any(|key| is_foreign(key)) {
            return Ok(vec![foreign_keys()]);
        }
        if next == "0" {
            return Ok(Vec::new());
        }
        cursor = next;
    }
    for _ in 0..16 {
        let key: Option<Vec<u8>> = client.command(&cmd("RANDOMKEY")).await?;
        if key.is_some_and(|key| is_foreign(&key)) {
            return Ok(vec![foreign_keys()]);
        }
    }
    Ok(Vec::new())
}

fn is_foreign(key: &[u8]) -> bool {
    !key.starts_with(b"q:")
}

fn foreign_keys() -> ServerFinding {
    ServerFinding::refuse(
        "this Redis has keys of another program: give the queue its own server, since other load delays applicants",
    )
}
