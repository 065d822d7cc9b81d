//! The shipped rights, `ops/redis.acl`: each role can do its own and nothing else, and what lacks is found at the start.

use queue::{LeaderError, Queue, QueueError, RedisOptions, RedisRole};
use testkit::{RedisKind, RedisServer};

use super::{as_user, both, installed, meddle, open_for_long};
use crate::harness::{FENCE, applicant, arming, event, key, number, projection};

both! {
    the_gateway_reads_how_events_stand_and_no_application
    each_role_can_do_its_own_and_is_refused_the_rest
    no_role_can_do_what_is_nobodys
    a_missing_right_is_found_before_the_queue_is_used
}

/// A selector is one word of the command, though it has spaces.
fn with_selectors_whole(words: &[&str]) -> Vec<String> {
    let text = words.join(" ");
    let (plain, selector) = text.split_once(" (").map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let words = plain.split(' ').map(ToOwned::to_owned);
    words.chain(selector.map(|selector| format!("({selector}"))).collect()
}

async fn each_role_can_do_its_own_and_is_refused_the_rest(kind: RedisKind) {
    let server = installed(kind).await;
    let worker = Queue::open_redis(as_user(&server, "worker", RedisRole::Worker)).await.unwrap();
    let signup = Queue::open_redis(as_user(&server, "signup", RedisRole::Signup)).await.unwrap();
    let verifier = Queue::open_redis(as_user(&server, "verify", RedisRole::Verify)).await.unwrap();
    open_for_long(&worker).await;
    for who in 1..=2 {
        assert_eq!(signup.apply(&event(), applicant(who)).await.unwrap().number, number(who));
    }
    signup.cancel(&event(), key(2), number(2)).await.unwrap().unwrap();
    let head = worker.head(&event(), 9).await.unwrap();
    worker.admitted(&event(), FENCE, head.through, &[key(1)]).await.unwrap();
    let entry = worker.inbox(&event(), 0, 9).await.unwrap()[0].id;
    worker.acknowledge(&event(), FENCE, entry).await.unwrap();
    worker.settle(&event(), FENCE).await.unwrap();
    for reader in [&worker, &signup, &verifier] {
        assert_eq!(reader.catalogue().await, Ok(vec![event()]));
        assert_eq!(reader.entries(&event(), 0, 9).await.unwrap().len(), 2);
        assert_eq!(reader.snapshot(&event()).await.unwrap().admitted_through, 2);
        assert_eq!(reader.app_key_of(&event(), number(1)).await, Ok(Some(key(1))));
        assert_eq!(reader.entry(&event(), key(1)).await.unwrap().unwrap().number, number(1));
    }
    for outsider in [&signup, &verifier] {
        lacks(&outsider.publish(&[]).await);
        lacks(&outsider.arm(&event(), 9, arming(9, 0)).await);
        lacks(&outsider.project(&event(), 9, projection()).await);
        lacks(&outsider.admitted(&event(), 9, 0, &[]).await);
        lacks(&outsider.acknowledge(&event(), 9, 0).await);
        lacks(&outsider.restore(&event(), 9, &[]).await);
        lacks(&outsider.settle(&event(), 9).await);
        lacks(&outsider.head(&event(), 9).await);
        lacks(&outsider.inbox(&event(), 0, 9).await);
    }
    let refused = verifier.apply(&event(), applicant(3)).await;
    assert!(
        matches!(&refused, Err(QueueError::Unavailable(why)) if why.contains("ops/redis.acl")),
        "{refused:?}"
    );
    assert!(verifier.cancel(&event(), key(1), number(1)).await.is_err());
}

async fn the_gateway_reads_how_events_stand_and_no_application(kind: RedisKind) {
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
    lacks(&gateway.publish(&[]).await);
    for command in [["HMGET", "q:{spring}:c", "x"], ["HMGET", "q:{spring}:a:0", "x"]] {
        let answer = meddle::<redis::Value>(&server.url_of("gateway"), &command).await;
        assert!(answer.is_err(), "{command:?}: {answer:?}");
    }
}

fn lacks<T: std::fmt::Debug>(answer: &Result<T, LeaderError>) {
    assert!(
        matches!(answer, Err(LeaderError::Unavailable(why)) if why.contains("ops/redis.acl")),
        "{answer:?}"
    );
}

async fn no_role_can_do_what_is_nobodys(kind: RedisKind) {
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
            let answer = meddle::<redis::Value>(&server.url_of(user), command).await;
            let told = answer.expect_err("refused").to_string();
            assert!(
                told.contains("NOPERM") || told.to_lowercase().contains("permission"),
                "{user} {command:?}: {told}"
            );
        }
    }
    assert!(
        meddle::<redis::Value>(&server.url_without_user(), &["PING"]).await.is_err(),
        "the default user is off"
    );
    assert!(meddle::<redis::Value>(&server.url_as("worker", "guess"), &["PING"]).await.is_err());
}

async fn a_missing_right_is_found_before_the_queue_is_used(kind: RedisKind) {
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
        let whole: Vec<_> = ["ACL", "SETUSER"].into_iter().chain(line.split(' ').skip(1)).collect();
        let whole = with_selectors_whole(&whole);
        // What a connection needs is the server's to refuse, and unseen settings are told as such.
        let first = whole.iter().position(|word| word == "+time").unwrap();
        for (at, lacking) in whole.iter().enumerate().skip(first) {
            let mut words: Vec<_> = whole.iter().map(String::as_str).collect();
            words.remove(at);
            words.insert(3, "reset");
            words.push(">open-sesame");
            meddle::<()>(&server.url(), &words).await.unwrap();
            let opened = Queue::open_redis(as_user(&server, user, role)).await;
            assert!(
                matches!(&opened, Err(LeaderError::Unavailable(why)) if why.contains("lacks a right")),
                "{user} without {lacking}: {opened:?}"
            );
        }
    }
}
