//! Servers that end, stop, run full and turn read-only: an error each time, and never "absent".

use std::error::Error;
use std::time::Duration;

use buttress_store::{Begin, Durability, IdempotencyStore, Settled, StoreError, StoreErrorKind};
use buttress_store_redis::{RedisStore, Unfit};

use crate::support::requests::{DAY, answer, claim, found, is_in_progress, refusing, request};
use crate::support::{Server, until};

mod support;

fn unfit(error: &StoreError) -> &Unfit {
    assert_eq!(error.kind(), StoreErrorKind::Unsupported);
    error.source().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn a_restarted_server_that_kept_a_file_replays_with_scripts_it_has_never_seen() {
    let mut server = Server::durable().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    assert_eq!(store.capabilities().durability, Durability::PowerLoss);
    let first = claim(&store, request("answered")).await;
    let settled = store.complete(&first, &answer("paid"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    let begun = request("in progress");
    let second = claim(&store, begun).await;

    // The very next call finds the connection cut, and makes another.
    server.restart().await;
    assert_eq!(found(&store, "answered").await, answer("paid"));
    assert!(is_in_progress(
        &store.begin(request("in progress")).await.unwrap()
    ));
    assert_eq!(claim(&store, begun).await, second);

    server.cli(&["SCRIPT", "FLUSH"]);
    let settled = store.complete(&second, &answer("late"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    assert_eq!(found(&store, "in progress").await, answer("late"));
}

#[tokio::test]
async fn a_restarted_server_that_kept_nothing_executes_again_and_says_so_beforehand() {
    let mut server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    assert_eq!(store.capabilities().durability, Durability::Process);
    let first = claim(&store, request("k")).await;
    server.restart().await;
    let second = claim(&store, request("k")).await;
    assert_eq!(second.execution(), 1);
    let late = store.complete(&first, &answer("late"), DAY).await.unwrap();
    assert_eq!(late, Settled::Lost);
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable_and_one_that_is_back_is_used() {
    let mut server = Server::durable().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let held = claim(&store, request("k")).await;
    server.kill();

    // Sent on a connection that was cut: nobody knows. Refused: certainly not.
    let error = store.begin(request("other")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Indeterminate);
    for _ in 0..3 {
        let error = store.begin(request("other")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let error = store.complete(&held, &answer("a"), DAY).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
    let refused = RedisStore::connect(server.url()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);

    server.restart().await;
    let settled = store.complete(&held, &answer("a"), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
}

#[tokio::test]
async fn a_reply_that_is_lost_is_indeterminate_and_the_same_token_finds_its_claim() {
    let server = Server::start().await;
    let store = RedisStore::builder(server.url())
        .response_limit(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    // The server knows the scripts from here on: what it reads later, it executes.
    let warm = claim(&store, refusing("warm")).await;
    let settled = store.complete(&warm, &answer("warm"), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);

    for (name_of_key, begun, other) in [
        ("k", request("k"), request("k")),
        ("refuse", refusing("refuse"), refusing("refuse")),
    ] {
        server.signal("-STOP");
        let error = store.begin(begun).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Indeterminate);
        server.signal("-CONT");
        let stands = || server.cli(&["EXISTS", &name(name_of_key)]) == "1";
        until(stands, "it claims").await;

        let held = claim(&store, begun).await;
        assert_eq!(held.execution(), 1);
        assert!(is_in_progress(&store.begin(other).await.unwrap()));

        server.signal("-STOP");
        let error = store.complete(&held, &answer("first"), DAY).await;
        assert_eq!(error.unwrap_err().kind(), StoreErrorKind::Indeterminate);
        server.signal("-CONT");
        // The server reads what lies in its socket before anything newer.
        let settled = store.complete(&held, &answer("second"), DAY).await.unwrap();
        assert_eq!(settled, Settled::AlreadyApplied);
        assert_eq!(found(&store, name_of_key).await, answer("first"));
    }
}

#[tokio::test]
async fn a_server_without_memory_is_an_error_and_not_a_free_key() {
    let server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let answered = claim(&store, request("answered")).await;
    let settled = store.complete(&answered, &answer("paid"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    let held = claim(&store, request("held")).await;

    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = store.begin(request("new")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(
        error.source().unwrap().to_string().contains("OOM"),
        "{error:?}"
    );
    let error = store.complete(&held, &answer("late"), DAY).await;
    assert_eq!(error.unwrap_err().kind(), StoreErrorKind::Unavailable);
    // What is there is answered.
    assert_eq!(found(&store, "answered").await, answer("paid"));
    assert!(is_in_progress(&store.begin(request("held")).await.unwrap()));

    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    let settled = store.complete(&held, &answer("late"), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    assert_eq!(claim(&store, request("new")).await.execution(), 1);
}

#[tokio::test]
async fn a_server_that_cannot_write_its_snapshot_is_an_error_and_still_answers_what_it_has() {
    let server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let answered = claim(&store, request("answered")).await;
    let settled = store.complete(&answered, &answer("paid"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);

    // Where the snapshot should be there is a directory.
    std::fs::create_dir(server.dir().join("dump.rdb")).unwrap();
    server.cli(&["CONFIG", "SET", "save", "3600 1"]);
    server.cli(&["BGSAVE"]);
    server
        .wait_until(&["INFO", "persistence"], "rdb_last_bgsave_status:err")
        .await;
    for begun in [request("new"), refusing("strict")] {
        let error = store.begin(begun).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let told = error.source().unwrap().to_string();
        assert!(told.contains("MISCONF"), "{told}");
    }
    assert_eq!(found(&store, "answered").await, answer("paid"));

    std::fs::remove_dir(server.dir().join("dump.rdb")).unwrap();
    server.cli(&["BGSAVE"]);
    server
        .wait_until(&["INFO", "persistence"], "rdb_last_bgsave_status:ok")
        .await;
    assert_eq!(claim(&store, request("new")).await.execution(), 1);
}

/// The first try went down with its connection, and nobody knows what became of it.
#[tokio::test]
async fn a_refusal_of_the_second_try_leaves_the_first_in_doubt() {
    let server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    for begun in [request("new"), refusing("strict")] {
        let _warm = store.begin(begun).await.unwrap_err();
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        let error = store.begin(begun).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Indeterminate, "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_was_demoted_is_unavailable_until_it_is_promoted() {
    let server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let _held = claim(&store, request("held")).await;
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let error = store.begin(request("new")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let refused = RedisStore::connect(server.url()).await.unwrap_err();
    assert_eq!(unfit(&refused), &Unfit::Replica);

    server.cli(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(claim(&store, request("new")).await.execution(), 1);
}

#[tokio::test]
async fn a_server_that_evicts_is_refused_unless_it_is_allowed_to() {
    let server = Server::start().await;
    for policy in ["allkeys-lru", "volatile-ttl"] {
        server.cli(&["CONFIG", "SET", "maxmemory-policy", policy]);
        let refused = RedisStore::connect(server.url()).await.unwrap_err();
        assert_eq!(unfit(&refused), &Unfit::Evicts(policy.to_owned()));
    }
    let store = RedisStore::builder(server.url())
        .may_evict()
        .connect()
        .await;
    let _held = claim(&store.unwrap(), request("k")).await;
}

#[tokio::test]
async fn a_user_who_may_do_nothing_but_what_a_store_needs_is_enough() {
    let server = Server::start().await;
    let made = server.cli(&[
        "ACL",
        "SETUSER",
        "shop",
        "on",
        ">secret",
        "resetkeys",
        "resetchannels",
        "~buttress:idempotency:*",
        "+eval",
        "+pttl",
        "+evalsha",
        "+get",
        "+getrange",
        "+set",
        "+setrange",
        "+del",
        "+time",
        "+publish",
        "+subscribe",
    ]);
    assert_eq!(made, "OK");
    let url = format!("redis://shop:secret@{}", server.address());
    let store = RedisStore::connect(url).await.unwrap();
    let held = claim(&store, request("k")).await;
    // A waiter leaves its mark, the channel is refused, and the completion stands all the same.
    server.cli(&["SETRANGE", &name("k"), "3", "\u{1}"]);
    let settled = store.complete(&held, &answer("done"), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    assert_eq!(found(&store, "k").await, answer("done"));

    let url = format!("redis://shop:wrong@{}", server.address());
    let error = RedisStore::connect(url).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_stays() {
    let server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let held = claim(&store, request("k")).await;
    for (version, kind) in [
        ("\u{2}", StoreErrorKind::Unsupported),
        ("\u{7f}", StoreErrorKind::Unsupported),
    ] {
        server.cli(&["SETRANGE", &name("k"), "0", version]);
        let before = server.cli(&["GET", &name("k")]);
        assert_eq!(store.begin(request("k")).await.unwrap_err().kind(), kind);
        for failed in [
            store.complete(&held, &answer("a"), DAY).await,
            store.renew(&held, DAY).await,
            store.release(&held).await,
            store
                .adopt(held.key(), &buttress_store::Resolution::NotExecuted)
                .await,
        ] {
            assert_eq!(failed.unwrap_err().kind(), kind);
        }
        assert_eq!(store.wait(held.key(), DAY).await.unwrap_err().kind(), kind);
        assert_eq!(server.cli(&["GET", &name("k")]), before);
    }
    server.cli(&["SET", &name("k"), "\u{1}torn"]);
    let error = store.begin(request("k")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    server.cli(&["SET", &name("k"), ""]);
    let error = store.begin(request("k")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    server.cli(&["DEL", &name("k")]);
    server.cli(&["LPUSH", &name("k"), "not ours"]);
    let error = store.begin(request("k")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(matches!(
        store.begin(request("other")).await,
        Ok(Begin::Acquired(_))
    ));
}

/// The server's key of the record.
fn name(key: &str) -> String {
    let bytes = *request(key).key.as_bytes();
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.fold("buttress:idempotency:".to_owned(), |name, digit| {
        name + &digit
    })
}
