//! Servers on which a queue is not opened, and findings about servers that changed later.

use queue::{LeaderError, Queue, RedisOptions, RedisRole, Severity};
use testkit::{RedisKind, RedisServer};

use super::{both, raw_command};

both! {
    a_server_that_is_not_durable_is_refused_with_every_reason
    a_server_that_would_lose_its_queue_at_a_restart_is_refused
    a_server_with_keys_of_another_program_is_refused
    a_server_without_the_functions_is_refused
    a_replica_is_refused
    a_later_change_is_found_by_the_check
    a_server_without_config_is_opened_with_a_warning
}

fn options(server: &RedisServer) -> RedisOptions {
    RedisOptions::new(server.url(), RedisRole::Worker)
}

async fn installed(kind: RedisKind, more: &[&str]) -> RedisServer {
    let server = RedisServer::start_with(kind, more).await;
    Queue::install_redis(&options(&server)).await.unwrap();
    server
}

async fn refusal(server: &RedisServer) -> String {
    match Queue::open_redis(options(server)).await.unwrap_err() {
        LeaderError::Unavailable(why) => why,
        other => panic!("{other}"),
    }
}

async fn set(server: &RedisServer, name: &str, value: &str) {
    raw_command::<()>(&server.url(), &["CONFIG", "SET", name, value]).await.unwrap();
}

async fn a_server_that_is_not_durable_is_refused_with_every_reason(kind: RedisKind) {
    let changed = [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ];
    let server = installed(kind, &[]).await;
    for (name, bad, good) in changed {
        set(&server, name, bad).await;
        let why = refusal(&server).await;
        assert!(why.contains(&format!("{name} {bad}; set it to {good}")), "{why}");
        set(&server, name, good).await;
    }
    for (name, bad, _) in changed {
        set(&server, name, bad).await;
    }
    let why = refusal(&server).await;
    assert!(changed.iter().all(|(name, ..)| why.contains(name)), "{why}");
}

/// With the users file of earlier versions, Redis 7.0 starts empty after a restart.
async fn a_server_that_would_lose_its_queue_at_a_restart_is_refused(kind: RedisKind) {
    let server = installed(kind, &[]).await;
    let worker = || Queue::open_redis(RedisOptions::new(server.url_of("worker"), RedisRole::Worker));
    let set_default = async |rules: &[&str]| {
        let command = [&["ACL", "SETUSER", "default", "off", "resetpass"], rules].concat();
        raw_command::<()>(&server.url(), &command).await.unwrap();
    };
    worker().await.unwrap();
    for rules in [
        &["resetkeys", "resetchannels", "-@all"][..],
        &["allkeys", "allchannels", "+@all", "-exec"],
        &["resetkeys", "~cache:*", "allchannels", "+@all"],
    ] {
        set_default(rules).await;
        let why = worker().await.unwrap_err().to_string();
        assert!(why.contains("ACL SETUSER default off resetpass allkeys allchannels +@all"), "{why}");
    }
    set_default(&["allkeys", "allchannels", "+@all"]).await;
    worker().await.unwrap();
}

async fn a_server_with_keys_of_another_program_is_refused(kind: RedisKind) {
    let server = installed(kind, &[]).await;
    raw_command::<()>(&server.url(), &["SET", "session:1", "x"]).await.unwrap();
    assert!(refusal(&server).await.contains("keys of another program"));
    raw_command::<()>(&server.url(), &["MOVE", "session:1", "1"]).await.unwrap();
    assert!(refusal(&server).await.contains("another database"));
    raw_command::<()>(&server.url(), &["FLUSHALL"]).await.unwrap();
    Queue::open_redis(options(&server)).await.unwrap();
}

async fn a_server_without_the_functions_is_refused(kind: RedisKind) {
    let server = RedisServer::start(kind).await;
    let why = refusal(&server).await;
    assert!(why.contains("run `firstcome migrate`"), "{why}");
}

async fn a_replica_is_refused(kind: RedisKind) {
    let server = installed(kind, &[]).await;
    let queue = Queue::open_redis(options(&server)).await.unwrap();
    raw_command::<()>(&server.url(), &["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    assert!(refusal(&server).await.contains("is a replica"));
    let error = queue.publish(&[]).await.unwrap_err().to_string();
    assert!(error.contains("is a replica"), "{error}");
}

async fn a_later_change_is_found_by_the_check(kind: RedisKind) {
    let server = installed(kind, &[]).await;
    let queue = Queue::open_redis(options(&server)).await.unwrap();
    let refused = async || {
        let findings = queue.check().await.into_iter();
        let refused = findings.filter(|finding| finding.severity == Severity::Refuse);
        refused.map(|finding| finding.what).collect::<Vec<_>>()
    };
    assert_eq!(refused().await, [] as [String; 0]);
    set(&server, "appendfsync", "everysec").await;
    raw_command::<()>(&server.url(), &["SET", "session:1", "x"]).await.unwrap();
    let findings = refused().await;
    assert!(
        findings[0].contains("appendfsync everysec") && findings[1].contains("another program"),
        "{findings:?}"
    );
    set(&server, "appendfsync", "always").await;
    raw_command::<()>(&server.url(), &["FLUSHALL"]).await.unwrap();
    raw_command::<()>(&server.url(), &["FUNCTION", "FLUSH"]).await.unwrap();
    assert!(refused().await[0].contains("firstcome migrate"));
    drop(server);
    assert_eq!(refused().await.len(), 1);
}

async fn a_server_without_config_is_opened_with_a_warning(kind: RedisKind) {
    let server = installed(kind, &[]).await;
    let hosted = ["ACL", "SETUSER", "hosted", "on", ">pw", "~*", "+@all", "-config", "-acl"];
    raw_command::<()>(&server.url(), &hosted).await.unwrap();
    let options = RedisOptions::new(server.url_as("hosted", "pw"), RedisRole::Worker);
    let queue = Queue::open_redis(options).await.unwrap();
    let declared = |finding: &queue::ServerFinding| {
        finding.severity == Severity::Warn && finding.what.starts_with("durability = declared")
    };
    let findings = queue.check().await;
    assert_eq!(findings.iter().filter(|finding| declared(finding)).count(), 1);
    let unchecked = |finding: &&queue::ServerFinding| {
        finding.severity == Severity::Warn && finding.what.contains("ACL DRYRUN")
    };
    assert_eq!(findings.iter().filter(unchecked).count(), 1);
}
