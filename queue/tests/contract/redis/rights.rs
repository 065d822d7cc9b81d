//! The shipped rights (`ops/redis.acl`): each role has its own and no others, and a missing one is found at the start.

use queue::{LeaderError, Queue, QueueError, RedisOptions, RedisRole};
use testkit::{RedisKind, RedisServer};

use super::{as_user, both, installed, open_for_long, raw_command};
use crate::harness::{FENCE, applicant, arming, event, key, number, projection};

both! {
    the_gateway_reads_events_and_no_application
    each_role_has_its_own_rights_and_no_others
    no_role_may_administer_the_server
    a_missing_right_is_found_when_the_queue_is_opened
}

/// The words of a command. A selector is one word, although it contains spaces.
fn with_selectors_whole(words: &[&str]) -> Vec<String> {
    let text = words.join(" ");
    let (plain, selector) = text.split_once(" (").map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let words = plain.split(' ').map(ToOwned::to_owned);
    words.chain(selector.map(|selector| format!("({selector}"))).collect()
}

async fn each_role_has_its_own_rights_and_no_others(kind: RedisKind) {
    let server = installed(kind).await;
    let worker = Queue::open_redis(as_user(&server, "worker", RedisRole::Worker)).await.unwrap();
    let signup = Queue::open_redis(as_user(&server, "signup", RedisRole::Signup)).await.unwrap();
    let verifier = Queue::open_redis(as_user(&server, "verify", RedisRole::Verify)).await.unwrap();
    open_for_long(&worker).await;
    for person in 1..=2 {
        assert_eq!(signup.apply(&event(), applicant(person)).await.unwrap().number, number(person));
    }
    signup.cancel(&event(), key(2), number(2)).await.unwrap().unwrap();
    let head = worker.head(&event(), 9).await.unwrap();
    worker.admitted(&event(), FENCE, head.through, &[key(1)], 0).await.unwrap();
    let entry = worker.inbox(&event(), 0, 9).await.unwrap()[0].id;
    worker.acknowledge(&event(), FENCE, entry, 0).await.unwrap();
    worker.settle(&event(), FENCE).await.unwrap();
    for reader in [&worker, &signup, &verifier] {
        assert_eq!(reader.catalogue().await, Ok(vec![event()]));
        assert_eq!(reader.entries(&event(), 0, 9).await.unwrap().len(), 2);
        assert_eq!(reader.snapshot(&event()).await.unwrap().admitted_through, 2);
        assert_eq!(reader.app_key_of(&event(), number(1)).await, Ok(Some(key(1))));
        assert_eq!(reader.entry(&event(), key(1)).await.unwrap().unwrap().number, number(1));
    }
    for reader in [&signup, &verifier] {
        assert_lacks_right(&reader.publish(&[]).await);
        assert_lacks_right(&reader.arm(&event(), 9, arming(9, 0)).await);
        assert_lacks_right(&reader.project(&event(), 9, projection()).await);
        assert_lacks_right(&reader.admitted(&event(), 9, 0, &[], 0).await);
        assert_lacks_right(&reader.acknowledge(&event(), 9, 0, 0).await);
        assert_lacks_right(&reader.restore(&event(), 9, &[]).await);
        assert_lacks_right(&reader.settle(&event(), 9).await);
        assert_lacks_right(&reader.head(&event(), 9).await);
        assert_lacks_right(&reader.inbox(&event(), 0, 9).await);
    }
    let refused = verifier.apply(&event(), applicant(3)).await;
    assert!(
        matches!(&refused, Err(QueueError::Unavailable(why)) if why.contains("ops/redis.acl")),
        "{refused:?}"
    );
    assert!(verifier.cancel(&event(), key(1), number(1)).await.is_err());
}

async fn the_gateway_reads_events_and_no_application(kind: RedisKind) {
    let server = installed(kind).await;
    let worker = Queue::open_redis(as_user(&server, "worker", RedisRole::Worker)).await.unwrap();
    open_for_long(&worker).await;
    assert_eq!(worker.apply(&event(), applicant(1)).await.unwrap().number, number(1));
    let gateway = Queue::open_redis(as_user(&server, "gateway", RedisRole::Gateway)).await.unwrap();
    assert_eq!(gateway.catalogue().await, Ok(vec![event()]));
    assert_eq!(gateway.snapshot(&event()).await.unwrap().seq, 1);
    assert!(gateway.entry(&event(), key(1)).await.is_err());
    assert!(gateway.entries(&event(), 0, 9).await.is_err());
    assert!(gateway.app_key_of(&event(), number(1)).await.is_err());
    assert!(gateway.apply(&event(), applicant(2)).await.is_err());
    assert!(gateway.cancel(&event(), key(1), number(1)).await.is_err());
    assert_lacks_right(&gateway.publish(&[]).await);
    for command in [["HMGET", "q:{spring}:c", "x"], ["HMGET", "q:{spring}:a:0", "x"]] {
        let reply = raw_command::<redis::Value>(&server.url_of("gateway"), &command).await;
        assert!(reply.is_err(), "{command:?}: {reply:?}");
    }
}

fn assert_lacks_right<T: std::fmt::Debug>(reply: &Result<T, LeaderError>) {
    assert!(
        matches!(reply, Err(LeaderError::Unavailable(why)) if why.contains("ops/redis.acl")),
        "{reply:?}"
    );
}

async fn no_role_may_administer_the_server(kind: RedisKind) {
    let server = installed(kind).await;
    let refused: [&[&str]; 22] = [
        &["CONFIG", "SET", "appendfsync", "no"],
        &["EVAL", "return 1", "0"],
        &["SCRIPT", "FLUSH"],
        &["FUNCTION", "FLUSH"],
        &["FUNCTION", "DELETE", "x"],
        &["KEYS", "*"],
        &["FLUSHALL"],
        &["FLUSHDB"],
        &["MODULE", "LIST"],
        &["REPLICAOF", "NO", "ONE"],
        &["SHUTDOWN"],
        &["ACL", "LIST"],
        &["ACL", "GETUSER", "default"],
        &["ACL", "SETUSER", "default", "on"],
        &["ACL", "SAVE"],
        &["MONITOR"],
        &["DEL", "q:catalogue"],
        &["UNLINK", "q:{spring}:m"],
        &["RENAME", "q:{spring}:m", "q:{other}:m"],
        &["EXPIRE", "q:{spring}:m", "1"],
        &["HGET", "session:1", "a"],
        &["SET", "q:x", "1"],
    ];
    for user in ["signup", "worker", "verify", "gateway", "migrate"] {
        for command in refused {
            let reply = raw_command::<redis::Value>(&server.url_of(user), command).await;
            let error = reply.expect_err("refused").to_string();
            assert!(
                error.contains("NOPERM") || error.to_lowercase().contains("permission"),
                "{user} {command:?}: {error}"
            );
        }
    }
    assert!(
        raw_command::<redis::Value>(&server.url_without_user(), &["PING"]).await.is_err(),
        "the default user is off"
    );
    assert!(raw_command::<redis::Value>(&server.url_as("worker", "guess"), &["PING"]).await.is_err());
}

async fn a_missing_right_is_found_when_the_queue_is_opened(kind: RedisKind) {
    let server = RedisServer::start(kind).await;
    Queue::install_redis(&RedisOptions::new(server.url(), RedisRole::Worker)).await.unwrap();
    let acl = queue::redis_acl();
    for (user, role) in [
        ("signup", RedisRole::Signup),
        ("worker", RedisRole::Worker),
        ("verify", RedisRole::Verify),
        ("gateway", RedisRole::Gateway),
    ] {
        let line = acl.lines().find(|line| line.starts_with(&format!("user {user} "))).unwrap();
        let rule_words: Vec<_> = ["ACL", "SETUSER"].into_iter().chain(line.split(' ').skip(1)).collect();
        let rule_words = with_selectors_whole(&rule_words);
        // The words before it are the rights of the connection, which the server refuses itself, and of the check, which warns.
        let first = rule_words.iter().position(|word| word == "+time").unwrap();
        for (at, missing) in rule_words.iter().enumerate().skip(first) {
            let mut words: Vec<_> = rule_words.iter().map(String::as_str).collect();
            words.remove(at);
            words.insert(3, "reset");
            words.push(">open-sesame");
            raw_command::<()>(&server.url(), &words).await.unwrap();
            let opened = Queue::open_redis(as_user(&server, user, role)).await;
            assert!(
                matches!(&opened, Err(LeaderError::Unavailable(why)) if why.contains("lacks a right")),
                "{user} without {missing}: {opened:?}"
            );
        }
    }
}
