//! Servers, connections and processes that fail: what is told, and what is there afterwards.

mod server;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Resolution,
    Settled, StoreErrorKind, StoredResponse, Token,
};
use buttress_store_postgres::PostgresStore;
use http::{HeaderMap, StatusCode};
use server::Server;
use server::child::{self, Process, say};
use server::proxy::Proxy;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnectOptions;
use tokio::time::Instant;

const LEASE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

fn number(number: u64) -> RecordKey {
    RecordKey::derive(&[&number.to_be_bytes()])
}

fn request(key: &str) -> BeginRequest {
    BeginRequest {
        key: RecordKey::derive(&[key.as_bytes()]),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::random().unwrap(),
        lease: LEASE,
        retention: DAY,
        orphan: OrphanPolicy::ReExecute,
    }
}

fn answer(body: &[u8]) -> StoredResponse {
    StoredResponse::new(StatusCode::CREATED, &HeaderMap::new(), body)
}

fn acquired(begin: Begin) -> Claim {
    match begin {
        Begin::Acquired(claim) => claim,
        other => panic!("not acquired: {other:?}"),
    }
}

fn connect(options: PgConnectOptions) -> PostgresStore {
    PostgresStore::connect(options, NonZeroU32::MIN.saturating_add(7))
}

/// On the shared server, in a schema of its own.
async fn own() -> (PostgresStore, PgConnectOptions) {
    let server = Server::shared();
    let options = server.options().username(&server.role().await);
    let store = connect(options.clone());
    store.migrate().await.unwrap();
    (store, options)
}

async fn run(store: &PostgresStore, text: &str) {
    let query = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
    query.execute(store.pool()).await.unwrap();
}

/// No test of its own: what the others run in a process that they kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_process_of_its_own() {
    let Some(orders) = child::orders() else {
        return;
    };
    let store = connect(server::options(orders.port));
    let policy = match orders.role.as_str() {
        "refuse" => OrphanPolicy::Refuse,
        _ => OrphanPolicy::ReExecute,
    };
    let request = BeginRequest {
        key: number(orders.first),
        lease: Duration::from_millis(700),
        orphan: policy,
        ..request("")
    };
    let _claim = acquired(store.begin(request).await.unwrap());
    // The effect, outside of the database, is that it is said.
    say("effect");
    std::future::pending::<()>().await;
}

async fn after_a_killed_client(policy: OrphanPolicy, key: u64) -> (PostgresStore, Begin) {
    let server = Server::shared();
    let role = match policy {
        OrphanPolicy::ReExecute => "re-execute",
        OrphanPolicy::Refuse => "refuse",
    };
    let mut process = Process::start(role, server.port(), key);
    process.wait_for("effect");
    process.kill();

    let store = connect(server.options());
    let request = BeginRequest {
        key: number(key),
        orphan: policy,
        ..request("")
    };
    loop {
        // Until the dead owner's lease has ended it is in progress, and waiting for it ends then.
        let found = store.begin(request).await.unwrap();
        let Begin::InProgress { retry_after } = found else {
            return (store, found);
        };
        assert!(retry_after <= Duration::from_millis(700), "{retry_after:?}");
        store.wait(&request.key, LEASE).await.unwrap();
    }
}

/// Scenarios 61 and 62: before or after its effect, nobody can tell.
#[tokio::test]
async fn a_killed_clients_key_is_executed_again_once_its_lease_has_ended() {
    let (_, found) = after_a_killed_client(OrphanPolicy::ReExecute, 61).await;
    assert_eq!(acquired(found).execution(), 2);
}

/// Scenario 62.
#[tokio::test]
async fn a_killed_clients_key_is_unknown_under_refuse_until_it_is_adopted() {
    let (store, found) = after_a_killed_client(OrphanPolicy::Refuse, 62).await;
    assert_eq!(found, Begin::OutcomeUnknown);
    let unknowns = store.unknowns(None, NonZeroUsize::MAX).await.unwrap();
    let ours: Vec<_> = unknowns.iter().filter(|u| *u.key() == number(62)).collect();
    assert_eq!(ours.len(), 1);
    let resolution = Resolution::Completed {
        response: answer(b"looked up"),
        retention: DAY,
    };
    let adopted = store.adopt(&number(62), &resolution).await.unwrap();
    assert_eq!(adopted, Settled::Applied);
}

/// Scenario 63, for the server: what it acknowledged is there, and what it did not is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_during_completions_loses_nothing_acknowledged_and_tears_nothing() {
    let server = Server::start();
    let mut dice = fastrand::Rng::with_seed(63);
    let mut tally = [0; 3];
    for round in 0..6_u64 {
        let store = connect(server.options());
        let mut tasks = tokio::task::JoinSet::new();
        let dead = Arc::new(AtomicBool::new(false));
        for task in 0..16 {
            let (store, dead) = (store.clone(), Arc::clone(&dead));
            tasks.spawn(async move {
                let mut begun = Vec::new();
                for step in 0.. {
                    let name = format!("{round} {task} {step}");
                    let Ok(Begin::Acquired(claim)) = store.begin(request(&name)).await else {
                        break;
                    };
                    let kept = answer(&vec![7; 20_000]);
                    let settled = store.complete(&claim, &kept, DAY).await;
                    let stops = settled.is_err() || dead.load(SeqCst);
                    begun.push((name, settled.is_ok()));
                    if stops {
                        break;
                    }
                }
                begun
            });
        }
        tokio::time::sleep(Duration::from_millis(dice.u64(150..400))).await;
        tokio::task::block_in_place(|| {
            server.kill();
            dead.store(true, SeqCst);
            server.restart();
        });
        let begun = tasks.join_all().await.concat();
        let store = connect(server.options());
        for (name, acknowledged) in begun {
            let state = match store.begin(request(&name)).await.unwrap() {
                Begin::Completed { response, .. } => {
                    assert_eq!(response, answer(&vec![7; 20_000]));
                    usize::from(!acknowledged)
                }
                Begin::InProgress { .. } if !acknowledged => 2,
                other => panic!("{name}, acknowledged {acknowledged}: {other:?}"),
            };
            tally[state] += 1;
        }
    }
    println!("completed and told, completed and not told, in progress: {tally:?}");
    assert!(tally[0] > 100, "{tally:?}");
}

/// Scenario 63, for a connection: a hundred completions, each cut at a random point.
#[tokio::test]
async fn a_completion_whose_connection_is_killed_happened_whole_or_not_at_all() {
    let (store, options) = own().await;
    let killer = connect(options.clone());
    let victim = PostgresStore::connect(options.application_name("victim"), NonZeroU32::MIN);
    let mut dice = fastrand::Rng::with_seed(64);
    let mut tally = [0; 3];
    for round in 0..100 {
        let name = round.to_string();
        let claim = acquired(store.begin(request(&name)).await.unwrap());
        // Long enough to be killed half-way.
        let kept = answer(&vec![9; 200_000]);
        let completing = victim.complete(&claim, &kept, DAY);
        let killing = async {
            tokio::time::sleep(Duration::from_micros(dice.u64(0..4000))).await;
            let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                        WHERE usename = current_user AND application_name = 'victim'";
            run(&killer, kill).await;
        };
        let (completed, ()) = tokio::join!(completing, killing);
        let found = store.begin(request(&name)).await.unwrap();
        let state = match (completed, found) {
            (Ok(Settled::Applied), Begin::Completed { response, .. }) => {
                assert_eq!(response, kept);
                0
            }
            (Err(_), Begin::Completed { response, .. }) => {
                assert_eq!(response, kept);
                let again = store.complete(&claim, &answer(b"other"), DAY).await;
                assert_eq!(again.unwrap(), Settled::AlreadyApplied);
                1
            }
            (Err(_), Begin::InProgress { .. }) => {
                let again = store.complete(&claim, &kept, DAY).await;
                assert_eq!(again.unwrap(), Settled::Applied);
                2
            }
            other => panic!("{other:?}"),
        };
        tally[state] += 1;
    }
    println!("completed and told, completed and not told, in progress: {tally:?}");
    assert!(tally[1] + tally[2] > 10, "hardly any was cut: {tally:?}");
}

/// Scenario 71: between a begin's look and its write somebody else's insert is committed.
#[tokio::test]
async fn a_begin_that_finds_no_row_asks_again() {
    let (store, _) = own().await;
    let mut other = store.pool().begin().await.unwrap();
    let begun = store.begin_in(&mut other, &request("k")).await.unwrap();
    let claim = acquired(begun);
    let late = {
        let store = store.clone();
        tokio::spawn(async move { store.begin(request("k")).await })
    };
    server::until_blocked(store.pool(), 1).await;
    other.commit().await.unwrap();
    let found = late.await.unwrap().unwrap();
    assert!(matches!(found, Begin::InProgress { .. }), "{found:?}");
    let settled = store.complete(&claim, &answer(b"one"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
}

/// Scenario 72.
#[tokio::test]
async fn a_begin_whose_backend_is_killed_is_indeterminate_and_its_repeat_owns_the_key() {
    let (store, _) = own().await;
    let mut other = store.pool().begin().await.unwrap();
    let _begun = store.begin_in(&mut other, &request("k")).await.unwrap();
    let ours = request("k");
    let killed = {
        let store = store.clone();
        tokio::spawn(async move { store.begin(ours).await })
    };
    server::until_blocked(store.pool(), 1).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE usename = current_user AND wait_event_type = 'Lock'";
    run(&store, kill).await;
    let error = killed.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Indeterminate, "{error:?}");
    other.rollback().await.unwrap();
    assert_eq!(acquired(store.begin(ours).await.unwrap()).execution(), 1);
}

/// Scenario 72, after the commit: each operation, whose answer is lost, is repeated.
#[tokio::test]
async fn an_operation_whose_answer_is_lost_is_indeterminate_and_its_repeat_tells() {
    let (store, options) = own().await;
    let proxy = Proxy::start(Server::shared()).await;
    for unprepared in [false, true] {
        let options = proxy.options().username(options.get_username());
        let far = PostgresStore::connect(options, NonZeroU32::MIN);
        let far = if unprepared { far.unprepared() } else { far };
        // The statements are prepared, so the next request is the statement itself.
        let warm = acquired(far.begin(request("warm")).await.unwrap());
        assert_eq!(far.renew(&warm, LEASE).await.unwrap(), Settled::Applied);
        assert_eq!(far.release(&warm).await.unwrap(), Settled::Applied);
        let warm = acquired(far.begin(request("warm")).await.unwrap());
        let kept = answer(b"kept");
        let done = Duration::from_micros(1);
        assert_eq!(
            far.complete(&warm, &kept, done).await.unwrap(),
            Settled::Applied
        );

        let ours = request("k");
        proxy.lose_the_next_answer();
        let error = far.begin(ours).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Indeterminate, "{error:?}");
        let found = store.begin(request("k")).await.unwrap();
        assert!(matches!(found, Begin::InProgress { .. }), "{found:?}");
        let claim = acquired(far.begin(ours).await.unwrap());
        assert_eq!(claim.execution(), 1);

        let free = request("free");
        let given_back = acquired(far.begin(free).await.unwrap());
        // Prepares the statement on the connection that comes next.
        assert_eq!(far.release(&given_back).await.unwrap(), Settled::Applied);
        let given_back = acquired(far.begin(free).await.unwrap());
        proxy.lose_the_next_answer();
        let error = far.release(&given_back).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Indeterminate, "{error:?}");
        let again = far.release(&given_back).await.unwrap();
        assert_eq!(again, Settled::AlreadyApplied);

        prepare_completion(&far).await;
        proxy.lose_the_next_answer();
        let error = far.complete(&claim, &kept, DAY).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Indeterminate, "{error:?}");
        let again = far.complete(&claim, &kept, DAY).await.unwrap();
        assert_eq!(again, Settled::AlreadyApplied);
        run(&store, "DELETE FROM buttress_idempotency").await;
    }
}

/// The statement is prepared on the connection that comes next.
async fn prepare_completion(store: &PostgresStore) {
    let nobody = Claim::new(number(0), Token::NOBODY, 1);
    let settled = store.complete(&nobody, &answer(b""), DAY).await.unwrap();
    assert_eq!(settled, Settled::Lost);
}

/// Scenario 73.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_serializable_isolation_one_still_owns_each_key() {
    let (store, options) = own().await;
    for level in ["serializable", "repeatable read"] {
        let strict = options
            .clone()
            .options([("default_transaction_isolation", level)]);
        let strict = connect(strict);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let strict = strict.clone();
            tasks.spawn(async move {
                let mut owned = Vec::new();
                for key in 0..40 {
                    match strict.begin(request(&key.to_string())).await {
                        Ok(Begin::Acquired(claim)) => owned.push(claim),
                        Ok(Begin::InProgress { .. }) => {}
                        other => panic!("{other:?}"),
                    }
                }
                owned
            });
        }
        let owned = tasks.join_all().await.concat();
        assert_eq!(owned.len(), 40, "{level}");
        run(&store, "DELETE FROM buttress_idempotency").await;
    }
}

/// Scenario 73.
#[tokio::test]
async fn a_deadlock_in_the_applications_transactions_is_unavailable_to_one_of_them() {
    let (store, _) = own().await;
    let mut one = store.pool().begin().await.unwrap();
    let mut two = store.pool().begin().await.unwrap();
    let _a = acquired(store.begin_in(&mut one, &request("a")).await.unwrap());
    let _b = acquired(store.begin_in(&mut two, &request("b")).await.unwrap());
    let (b, a) = (request("b"), request("a"));
    let one = async {
        let found = store.begin_in(&mut one, &b).await;
        one.rollback().await.unwrap();
        found
    };
    let two = async {
        let found = store.begin_in(&mut two, &a).await;
        two.rollback().await.unwrap();
        found
    };
    let (one, two) = tokio::join!(one, two);
    let error = match (one, two) {
        (Err(error), Ok(Begin::Acquired(_))) | (Ok(Begin::Acquired(_)), Err(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
}

/// Scenario 73: a server that has become a replica, or a role that may not write.
#[tokio::test]
async fn a_read_only_server_is_unavailable_and_nothing_is_executed() {
    let (store, options) = own().await;
    let read_only = connect(options.options([("default_transaction_read_only", "on")]));
    let error = read_only.begin(request("k")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");

    let claim = acquired(store.begin(request("k")).await.unwrap());
    let error = read_only.complete(&claim, &answer(b"a"), DAY).await;
    assert_eq!(error.unwrap_err().kind(), StoreErrorKind::Unavailable);
    // Nor is what is kept given out: the statement that looks is the one that would write.
    let settled = store.complete(&claim, &answer(b"a"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    let error = read_only.begin(request("k")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn limits_of_the_server_a_missing_table_and_a_missing_server_are_unavailable() {
    let (store, options) = own().await;
    let mut other = store.pool().begin().await.unwrap();
    let _claim = acquired(store.begin_in(&mut other, &request("k")).await.unwrap());
    for limit in ["lock_timeout", "statement_timeout"] {
        let limited = connect(options.clone().options([(limit, "50")]));
        let error = limited.begin(request("k")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    }
    other.rollback().await.unwrap();

    let bare = Server::shared().role().await;
    let bare = connect(options.clone().username(&bare));
    let error = bare.begin(request("k")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = connect(options.port(listener.local_addr().unwrap().port()));
    drop(listener);
    let error = nobody.begin(request("k")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_is_used_again_and_nothing_is_taken_for_absent() {
    let server = Server::start();
    let store = connect(server.options());
    let ours = request("k");
    let claim = acquired(store.begin(ours).await.unwrap());
    tokio::task::block_in_place(|| server.kill());
    let error = store.begin(request("k")).await.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            StoreErrorKind::Unavailable | StoreErrorKind::Indeterminate
        ),
        "{error:?}"
    );
    tokio::task::block_in_place(|| server.restart());
    let begun = Instant::now();
    let found = loop {
        match store.begin(request("k")).await {
            Ok(found) => break found,
            Err(error) => assert!(begun.elapsed() < LEASE, "{error:?}"),
        }
    };
    assert!(matches!(found, Begin::InProgress { .. }), "{found:?}");
    let settled = store.complete(&claim, &answer(b"a"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
}

/// Scenario 75.
#[tokio::test]
async fn those_who_wait_wake_by_polling_while_the_listener_is_cut_off() {
    let (store, options) = own().await;
    let elsewhere = connect(options.clone());
    let listener = options.clone().application_name("listener");
    let listener = tokio::spawn(store.listener(listener).run());
    server::until(|| store.capabilities().wakes).await;

    for cut in [false, true, false] {
        let claim = acquired(elsewhere.begin(request("k")).await.unwrap());
        let (waiter, key) = (store.clone(), *claim.key());
        let waiting = tokio::spawn(async move {
            waiter.wait(&key, LEASE).await.unwrap();
            Instant::now()
        });
        let awaited = "SELECT count(*) FROM buttress_idempotency WHERE awaited";
        while sqlx::query_scalar::<_, i64>(awaited)
            .fetch_one(store.pool())
            .await
            .unwrap()
            == 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if cut {
            let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                        WHERE usename = current_user AND application_name = 'listener'";
            run(&elsewhere, kill).await;
        }
        let settled = Instant::now();
        assert_eq!(elsewhere.release(&claim).await.unwrap(), Settled::Applied);
        let woken = waiting.await.unwrap();
        let late = woken.saturating_duration_since(settled);
        assert!(late < Duration::from_secs(10), "{late:?}");
        // It comes back by itself.
        server::until(|| store.capabilities().wakes).await;
    }
    listener.abort();
    let _ = listener.await;
    assert!(!store.capabilities().wakes);
}

#[tokio::test]
async fn without_a_listener_those_who_wait_poll() {
    let (store, options) = own().await;
    let elsewhere = connect(options);
    let claim = acquired(elsewhere.begin(request("k")).await.unwrap());
    let waiting = store.wait(claim.key(), LEASE);
    let settling = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        elsewhere.release(&claim).await.unwrap()
    };
    let (waited, settled) = tokio::join!(waiting, settling);
    waited.unwrap();
    assert_eq!(settled, Settled::Applied);
    assert!(!store.capabilities().wakes);
}

#[tokio::test]
async fn a_settlement_is_told_only_to_those_who_wait() {
    let (store, options) = own().await;
    let mut listener = sqlx::postgres::PgListener::connect_with(store.pool())
        .await
        .unwrap();
    listener.listen("buttress_idempotency").await.unwrap();
    let claim = acquired(store.begin(request("alone")).await.unwrap());
    let settled = store.complete(&claim, &answer(b"a"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);

    let hearing = tokio::spawn(store.listener(options).run());
    server::until(|| store.capabilities().wakes).await;
    let claim = acquired(store.begin(request("awaited")).await.unwrap());
    let (waiter, key) = (store.clone(), *claim.key());
    let waiting = tokio::spawn(async move { waiter.wait(&key, LEASE).await });
    let marked = "SELECT count(*) FROM buttress_idempotency WHERE awaited";
    let marked = || sqlx::query_scalar::<_, i64>(marked).fetch_one(store.pool());
    while marked().await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let settled = store.complete(&claim, &answer(b"a"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    waiting.await.unwrap().unwrap();
    // Other schemas of the same database tell on the same channel.
    let expected = hex::encode(key.as_bytes());
    let alone = hex::encode(request("alone").key.as_bytes());
    loop {
        let heard = listener.recv().await.unwrap();
        assert_ne!(heard.payload(), alone);
        if heard.payload() == expected {
            break;
        }
    }
    hearing.abort();
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_unsupported_and_stays() {
    let (store, _) = own().await;
    let ours = request("k");
    let claim = acquired(store.begin(ours).await.unwrap());
    run(
        &store,
        "UPDATE buttress_idempotency SET version = 2, due = now() - interval '1 day'",
    )
    .await;
    let unsupported = |error: buttress_store::StoreError| {
        assert_eq!(error.kind(), StoreErrorKind::Unsupported, "{error:?}");
    };
    unsupported(store.begin(ours).await.unwrap_err());
    unsupported(store.begin(request("k")).await.unwrap_err());
    unsupported(
        store
            .complete(&claim, &answer(b"a"), DAY)
            .await
            .unwrap_err(),
    );
    unsupported(store.renew(&claim, LEASE).await.unwrap_err());
    unsupported(store.release(&claim).await.unwrap_err());
    let resolution = Resolution::NotExecuted;
    unsupported(store.adopt(claim.key(), &resolution).await.unwrap_err());
    assert_eq!(store.purge(NonZeroUsize::MAX).await.unwrap(), 0);
}

#[tokio::test]
async fn a_damaged_answer_is_corrupt_and_nobody_executes() {
    let (store, _) = own().await;
    let claim = acquired(store.begin(request("k")).await.unwrap());
    let settled = store.complete(&claim, &answer(b"a"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    run(
        &store,
        "UPDATE buttress_idempotency SET response = substring(response FROM 1 FOR 5)",
    )
    .await;
    let error = store.begin(request("k")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_migrate_at_once() {
    let server = Server::shared();
    let options = server.options().username(&server.role().await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let store = connect(options.clone());
        tasks.spawn(async move { store.migrate().await });
    }
    for migrated in tasks.join_all().await {
        migrated.unwrap();
    }
    // And again where all is there, beside a transaction that has written.
    let store = connect(options);
    let mut busy = store.pool().begin().await.unwrap();
    let _claim = acquired(store.begin_in(&mut busy, &request("k")).await.unwrap());
    store.migrate().await.unwrap();
    busy.commit().await.unwrap();
}

#[tokio::test]
async fn a_replay_is_one_round_trip_and_so_is_every_other_outcome() {
    let (_, options) = own().await;
    let proxy = Proxy::start(Server::shared()).await;
    for unprepared in [false, true] {
        let options = proxy.options().username(options.get_username());
        let store = PostgresStore::connect(options, NonZeroU32::MIN);
        let store = if unprepared {
            store.unprepared()
        } else {
            store
        };
        // Prepares its statements.
        let claim = acquired(store.begin(request("first")).await.unwrap());
        let kept = answer(b"kept");
        let settled = store.complete(&claim, &kept, DAY).await;
        assert_eq!(settled.unwrap(), Settled::Applied);

        let before = proxy.queries();
        let claim = acquired(store.begin(request("k")).await.unwrap());
        let _in_progress = store.begin(request("k")).await.unwrap();
        assert_eq!(proxy.queries() - before, 2);
        let settled = store.complete(&claim, &kept, DAY).await;
        assert_eq!(settled.unwrap(), Settled::Applied);
        assert_eq!(proxy.queries() - before, 3);
        for repeat in 1..=10 {
            let found = store.begin(request("k")).await.unwrap();
            assert!(matches!(found, Begin::Completed { .. }), "{found:?}");
            assert_eq!(proxy.queries() - before, 3 + repeat);
        }
        let other = BeginRequest {
            fingerprint: Fingerprint::from_bytes([2; Fingerprint::LEN]),
            ..request("k")
        };
        let _ = store.begin(other).await;
        assert_eq!(proxy.queries() - before, 14);
        run(&store, "DELETE FROM buttress_idempotency").await;
    }
}

/// A repeat must not cost the disk anything: it neither writes nor locks.
#[tokio::test]
async fn a_replay_writes_nothing() {
    let (store, _) = own().await;
    let claim = acquired(store.begin(request("k")).await.unwrap());
    let settled = store.complete(&claim, &answer(b"a"), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    let row = "SELECT xmax::text || ctid::text FROM buttress_idempotency";
    let row = || sqlx::query_scalar::<_, String>(row).fetch_one(store.pool());
    let before = row().await.unwrap();
    let found = store.begin(request("k")).await.unwrap();
    assert!(matches!(found, Begin::Completed { .. }), "{found:?}");
    assert_eq!(row().await.unwrap(), before);
}
