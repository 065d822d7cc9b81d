//! Whether the server is one that a queue may live on: its settings, its version, its neighbours, our rights. It changes
//! nothing; what it cannot see it says.

mod version;

use std::collections::HashMap;

use redis::cmd;

use super::fault::Fault;
use super::library::RedisRole;
use super::server::Server;
use crate::contract::LeadError;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The queue is not safe here, and is not opened.
    Refuse,
    /// The queue works, but an operator should know.
    Warn,
}

/// Something about the queue's server that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is, and what to do.
    pub what: String,
}

impl Finding {
    pub(super) fn refuse(what: impl Into<String>) -> Self {
        Self { severity: Severity::Refuse, what: what.into() }
    }
    pub(super) fn warn(what: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, what: what.into() }
    }
}

/// How many keys to check for other users of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// At the start: the first 100,000 keys.
    Start,
    /// Each minute: a thousand keys, and some at random.
    Sample,
}

/// What a durable line needs, and what it says if it is otherwise.
const SETTINGS: [(&str, &str, &str); 4] = [
    ("appendonly", "yes", "without it the queue is lost with the process"),
    ("appendfsync", "always", "otherwise acknowledged applications are lost with the process"),
    ("no-appendfsync-on-rewrite", "no", "otherwise nothing is synced while the journal is rewritten"),
    ("maxmemory-policy", "noeviction", "otherwise applications are thrown away when the memory is full"),
];

/// Commands that an append-only file of the queue holds, with arguments that their syntax needs.
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

/// What must hold before a queue is opened.
pub(super) async fn at_start(server: &Server, role: RedisRole) -> Result<(), LeadError> {
    let findings = findings(server, Depth::Start).await;
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Warn) {
        tracing::warn!(finding = finding.what, "the queue's Redis");
    }
    let refused = findings.into_iter().filter(|finding| finding.severity == Severity::Refuse);
    let refused: Vec<_> = refused.map(|finding| finding.what).collect();
    if !refused.is_empty() {
        return Err(LeadError::Unavailable(refused.join("; ")));
    }
    Ok(rights(server, role).await?)
}

/// Whether the role may call its functions, and they their inner commands: found out here, and not half-way.
async fn rights(server: &Server, role: RedisRole) -> Result<(), Fault> {
    for function in role.functions() {
        may_call(server, function).await?;
    }
    let question = server.question(role.canary(), "!canary");
    server.command::<String>(&question.command).await.map(drop)
}

/// Without keys a function does nothing, but it has to be there and allowed.
async fn may_call(server: &Server, function: &str) -> Result<(), Fault> {
    let mut probe = cmd("FCALL");
    server.command::<String>(probe.arg(server.library.function(function)).arg(0)).await.map(drop)
}

/// Loads the functions, unless this version is there: loading it again would disarm the lines that it serves.
pub(super) async fn install(server: &Server) -> Result<(), Fault> {
    let name = server.library.name();
    let mut list = cmd("FUNCTION");
    let listed: Vec<redis::Value> = server.command(list.arg("LIST").arg("LIBRARYNAME").arg(&name)).await?;
    if listed.is_empty() {
        let mut load = cmd("FUNCTION");
        server.command::<String>(load.arg("LOAD").arg(server.library.text())).await?;
        tracing::info!(library = name, "loaded the queue's functions");
    }
    Ok(())
}

/// Everything that is not as it should be.
pub(super) async fn findings(server: &Server, depth: Depth) -> Vec<Finding> {
    let looked = async {
        let info: String = server.command(&cmd("INFO")).await?;
        let info = parsed(&info);
        let mut findings = of_info(&info, server.db());
        if info.get("role").is_some_and(|role| *role != "master") {
            // A replica without its primary refuses every further question.
            return Ok(findings);
        }
        findings.extend(of_settings(server).await?);
        findings.extend(of_default_user(server).await?);
        findings.extend(of_keys(server, depth).await?);
        if let Err(fault) = may_call(server, "progress").await {
            findings.push(Finding::refuse(fault.to_string()));
        }
        Ok::<_, Fault>(findings)
    };
    looked.await.unwrap_or_else(|fault| vec![Finding::refuse(fault.to_string())])
}

fn parsed(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.split_once(':')).collect()
}

fn of_info(info: &HashMap<&str, &str>, db: i64) -> Vec<Finding> {
    let mut findings = version::findings(info);
    let says = |field: &str, value: &str| info.get(field).is_none_or(|said| *said == value);
    if !says("role", "master") {
        findings.push(Finding::refuse(
            "this Redis is a replica: give the address of the server that takes writes",
        ));
    }
    if !says("redis_mode", "standalone") {
        findings.push(Finding::refuse(
            "this Redis is a cluster or sentinel: standalone only until failover is safe",
        ));
    }
    // Seen here even where CONFIG is forbidden.
    if !says("aof_enabled", "1") {
        findings.push(needed(&SETTINGS[0], "no"));
    }
    if info.get("aof_last_write_status").is_some_and(|status| *status != "ok") {
        findings.push(Finding::warn("this Redis could not write its journal: check its disk"));
    }
    if info.get("maxmemory").is_some_and(|most| *most == "0") {
        let what =
            "this Redis has no maxmemory: it is killed when the machine's memory is full, and not refused";
        findings.push(Finding::warn(what));
    }
    let others = info.keys().filter_map(|field| field.strip_prefix("db")?.parse::<i64>().ok());
    if others.into_iter().any(|other| other != db) {
        findings.push(Finding::refuse(
            "another database of this Redis holds keys: the queue needs one of its own",
        ));
    }
    findings
}

async fn of_settings(server: &Server) -> Result<Vec<Finding>, Fault> {
    let mut findings = Vec::new();
    for setting in &SETTINGS {
        let asked = server.command::<Vec<String>>(cmd("CONFIG").arg("GET").arg(setting.0)).await;
        match asked {
            Ok(answer) => match answer.get(1) {
                Some(value) if value == setting.1 => {}
                value => findings.push(needed(setting, value.map_or("unknown", String::as_str))),
            },
            Err(Fault::Redis(error)) if is_forbidden(&error) => {
                let what = "durability = declared: this Redis does not show its settings; appendfsync always and \
                            noeviction are your word";
                return Ok(vec![Finding::warn(what)]);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(findings)
}

/// Redis replays its append-only file as the user `default`: a server where that user lacks a right forgets at its next restart.
/// Every version is held to this, also those that replay without looking at rights (Valkey 9.1.2): a server may be replaced by an
/// older one. Only the running server can be asked: the ACL file, which a restart reads, cannot be seen from here.
async fn of_default_user(server: &Server) -> Result<Vec<Finding>, Fault> {
    for command in REPLAYED {
        let answer = server.command::<String>(cmd("ACL").arg("DRYRUN").arg("default").arg(command)).await;
        match answer {
            Ok(answer) if answer == "OK" => {}
            Ok(_) => return Ok(vec![Finding::refuse(cannot_replay(command[0]))]),
            Err(Fault::Redis(error)) if is_forbidden(&error) => {
                let what = "this Redis does not allow ACL DRYRUN: the rights of its user `default`, as which it replays its \
                            append-only file, are not checked";
                return Ok(vec![Finding::warn(what)]);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(Vec::new())
}

fn cannot_replay(command: &str) -> String {
    format!(
        "the user `default` of this Redis may not run {command}, and Redis replays its append-only file as that user: the next \
         restart would lose every application. Before any restart run \
         `ACL SETUSER default off resetpass allkeys allchannels +@all` and then `ACL SAVE`: a restart reads the ACL file, not \
         what the running server has"
    )
}

/// Without the right, or because the host of the server has renamed the command.
fn is_forbidden(error: &redis::RedisError) -> bool {
    error.code() == Some("NOPERM") || error.to_string().to_ascii_lowercase().contains("unknown command")
}

fn needed((name, wanted, why): &(&str, &str, &str), found: &str) -> Finding {
    Finding::refuse(format!("this Redis has {name} {found}; set it to {wanted}: {why}"))
}

async fn of_keys(server: &Server, depth: Depth) -> Result<Vec<Finding>, Fault> {
    let pieces = if depth == Depth::Start { 100 } else { 1 };
    let mut cursor = "0".to_owned();
    for _ in 0..pieces {
        let (next, keys): (String, Vec<Vec<u8>>) =
            server.command(cmd("SCAN").arg(&cursor).arg("COUNT").arg(1_000)).await?;
        if keys.iter().any(|key| is_foreign(key)) {
            return Ok(vec![foreign()]);
        }
        if next == "0" {
            return Ok(Vec::new());
        }
        cursor = next;
    }
    for _ in 0..16 {
        let key: Option<Vec<u8>> = server.command(&cmd("RANDOMKEY")).await?;
        if key.is_some_and(|key| is_foreign(&key)) {
            return Ok(vec![foreign()]);
        }
    }
    Ok(Vec::new())
}

fn is_foreign(key: &[u8]) -> bool {
    !key.starts_with(b"q:")
}

fn foreign() -> Finding {
    Finding::refuse("this Redis holds keys of another program: the queue needs its own server")
}
