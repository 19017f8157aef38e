//! A replica takes over: what it had is there, and what it had not is lost unless it was waited for.

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store::{Begin, Durability, IdempotencyStore, Settled, StoreErrorKind};
use buttress_store_redis::{Confirmation, RedisStore, Unfit};

use crate::support::Server;
use crate::support::requests::{DAY, answer, claim, found, refusing, request};

mod support;

/// For what will not be confirmed.
const HASTY: Duration = Duration::from_millis(100);

/// For what will be.
const PATIENT: Duration = Duration::from_secs(20);

async fn pair() -> (Server, Server) {
    let (primary, replica) = tokio::join!(Server::start(), Server::start());
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    replica
        .wait_until(&["INFO", "replication"], "master_link_status:up")
        .await;
    primary
        .wait_until(&["INFO", "replication"], "state=online")
        .await;
    (primary, replica)
}

const fn one_replica(within: Duration) -> Confirmation {
    Confirmation::Replicas {
        count: NonZeroUsize::MIN,
        within,
    }
}

async fn confirmed(primary: &Server, within: Duration) -> RedisStore {
    let store = RedisStore::builder(primary.url()).confirmation(one_replica(within));
    store.connect().await.unwrap()
}

/// The replica has all that was written so far. (`WAIT` waits for what its own connection wrote.)
async fn heard(primary: &Server, replica: &Server) {
    assert_eq!(primary.cli(&["SET", "heard", "so far"]), "OK");
    replica.wait_until(&["GET", "heard"], "so far").await;
}

/// The replica hears nothing from now on.
fn cut(replica: &Server) {
    assert_eq!(replica.cli(&["REPLICAOF", "127.0.0.1", "1"]), "OK");
}

async fn fail_over(mut primary: Server, replica: &Server) -> RedisStore {
    primary.kill();
    assert_eq!(replica.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
    RedisStore::connect(replica.url()).await.unwrap()
}

#[tokio::test]
async fn a_failover_to_a_lagging_replica_executes_again_what_the_replica_had_not_heard_of() {
    let (primary, replica) = pair().await;
    let store = RedisStore::connect(primary.url()).await.unwrap();
    let mut runs = 0;
    let mut claims = Vec::new();
    for n in 0..100 {
        if n == 50 {
            heard(&primary, &replica).await;
            cut(&replica);
        }
        let held = claim(&store, request(&n.to_string())).await;
        runs += 1;
        if n % 2 == 0 {
            let settled = store.complete(&held, &answer(&n.to_string()), DAY).await;
            assert_eq!(settled.unwrap(), Settled::Applied);
        }
        claims.push(held);
    }

    let store = fail_over(primary, &replica).await;
    let (mut replayed, mut in_progress, mut again) = (0, 0, 0);
    for (n, first) in claims.iter().enumerate() {
        match store.begin(request(&n.to_string())).await.unwrap() {
            Begin::Completed { response, .. } => {
                assert_eq!(response, answer(&n.to_string()));
                replayed += 1;
            }
            Begin::InProgress { .. } => in_progress += 1,
            Begin::Acquired(second) => {
                assert_eq!(second.execution(), 1);
                // Whoever held it before is told that it no longer does.
                let late = store.complete(first, &answer("late"), DAY).await;
                assert_eq!(late.unwrap(), Settled::Lost);
                runs += 1;
                again += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    println!(
        "100 keys, half of them after the replica was cut off: {runs} runs, {again} of them second runs"
    );
    assert_eq!((replayed, in_progress, again), (25, 25, 50));
}

#[tokio::test]
async fn what_a_replica_has_to_confirm_is_not_executed_before_it_did() {
    let (primary, replica) = pair().await;
    let patient = confirmed(&primary, PATIENT).await;
    let hasty = confirmed(&primary, HASTY).await;
    let (mut runs, mut claims) = (0, Vec::new());
    for n in 0..60 {
        if n == 50 {
            cut(&replica);
        }
        let store = if n < 50 { &patient } else { &hasty };
        match store.begin(request(&n.to_string())).await {
            Ok(Begin::Acquired(held)) => {
                runs += 1;
                if n % 2 == 0 {
                    let settled = store.complete(&held, &answer(&n.to_string()), DAY).await;
                    assert_eq!(settled.unwrap(), Settled::Applied);
                }
                claims.push(held);
            }
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Indeterminate),
            Ok(other) => panic!("{other:?}"),
        }
    }
    // A late answer cannot be confirmed either, and is not said to be kept.
    let error = hasty
        .complete(&claims[1], &answer("1"), DAY)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Indeterminate);

    let store = fail_over(primary, &replica).await;
    let mut again = 0;
    for n in 0..60 {
        match store.begin(request(&n.to_string())).await.unwrap() {
            Begin::Acquired(_) => {
                assert!(n >= 50, "{n} was confirmed");
                again += 1;
            }
            Begin::Completed { .. } | Begin::InProgress { .. } => assert!(n < 50),
            other => panic!("{other:?}"),
        }
    }
    println!(
        "60 keys, 10 of them after the replica was cut off: {runs} runs before the failover, {again} after, none twice"
    );
    assert_eq!((runs, again), (50, 10));
    // Its owner is told to repeat, finds its claim, and this time the answer is kept.
    let settled = store.complete(&claims[1], &answer("1"), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    assert_eq!(found(&store, "1").await, answer("1"));
}

#[tokio::test]
async fn a_change_that_was_not_confirmed_is_repeated_with_its_token_until_it_is() {
    let (primary, replica) = pair().await;
    let patient = confirmed(&primary, PATIENT).await;
    let hasty = confirmed(&primary, HASTY).await;
    let (begun, strange) = (request("k"), request("k"));
    let unconfirmed = |error: buttress_store::StoreError| {
        assert_eq!(error.kind(), StoreErrorKind::Indeterminate, "{error:?}");
    };
    replica.signal("-STOP");
    unconfirmed(hasty.begin(begun).await.unwrap_err());
    unconfirmed(hasty.begin(begun).await.unwrap_err());
    // It stands all the same.
    let other = RedisStore::connect(primary.url()).await.unwrap();
    assert!(matches!(
        other.begin(strange).await,
        Ok(Begin::InProgress { .. })
    ));
    replica.signal("-CONT");
    let held = claim(&patient, begun).await;

    replica.signal("-STOP");
    unconfirmed(hasty.complete(&held, &answer("a"), DAY).await.unwrap_err());
    // Neither is the repeat, whatever connection it takes: it finds its answer and waits for it.
    for _ in 0..10 {
        unconfirmed(hasty.complete(&held, &answer("b"), DAY).await.unwrap_err());
    }
    replica.signal("-CONT");
    let settled = patient.complete(&held, &answer("c"), DAY).await.unwrap();
    assert_eq!(settled, Settled::AlreadyApplied);
    assert_eq!(found(&patient, "k").await, answer("a"));
}

#[tokio::test]
async fn a_server_that_cannot_confirm_is_refused_at_start() {
    let server = Server::start().await;
    let refusal = async |confirmation| {
        let refused = RedisStore::builder(server.url())
            .confirmation(confirmation)
            .connect()
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Unsupported);
        let unfit = refused.source().unwrap().downcast_ref::<Unfit>();
        unfit.unwrap().clone()
    };
    let expected = Unfit::TooFewReplicas {
        connected: 0,
        wanted: 1,
    };
    assert_eq!(refusal(one_replica(HASTY)).await, expected);
    // Before 7.2 there is no such command; from then on there has to be a file.
    let to_file = Confirmation::AppendOnlyFile {
        replicas: 0,
        within: HASTY,
    };
    let unfit = refusal(to_file).await;
    let Unfit::NoAppendOnlyFile(why) = &unfit else {
        panic!("{unfit:?}");
    };
    assert!(why.contains("WAITAOF"), "{why}");
}

/// Redis 7.0 has no such command, and says so; a newer one, or Valkey, confirms.
#[tokio::test]
async fn a_server_with_a_file_confirms_by_it_if_it_knows_how() {
    let server = Server::durable().await;
    let connected = RedisStore::builder(server.url())
        .confirmation(Confirmation::AppendOnlyFile {
            replicas: 0,
            within: Duration::from_secs(10),
        })
        .connect()
        .await;
    if server.cli(&["COMMAND", "INFO", "WAITAOF"]).is_empty() {
        let refused = connected.unwrap_err();
        let unfit = refused.source().unwrap().downcast_ref::<Unfit>();
        assert!(matches!(unfit, Some(Unfit::NoAppendOnlyFile(_))));
        return;
    }
    let store = connected.unwrap();
    assert_eq!(store.capabilities().durability, Durability::PowerLoss);
    for (name, begun) in [("k", request("k")), ("refuse", refusing("refuse"))] {
        let held = claim(&store, begun).await;
        let settled = store.complete(&held, &answer("a"), DAY).await.unwrap();
        assert_eq!(settled, Settled::Applied);
        assert_eq!(found(&store, name).await, answer("a"));
    }
    // At start, behind each call above, and once more for each of two scripts that it did not know.
    assert_eq!(server.calls("waitaof"), 9);
}
