//! Business rows and the record of their execution are committed together, or not at all.

mod server;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::routing::post;
use buttress_idempotency::{Execution, IdempotencyKeyLayer};
use buttress_key::DerivationSecret;
use buttress_store::{
    Begin, BeginRequest, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoredResponse, Token,
};
use buttress_store_postgres::{OpenTransaction, PostgresStore, TransactionLayer};
use http::{HeaderMap, Request, Response, StatusCode};
use server::Server;
use sqlx::postgres::PgPool;
use tokio::sync::Semaphore;
use tower::ServiceExt;

const DAY: Duration = Duration::from_hours(24);

/// A store and a table of orders, in a schema of their own.
async fn shop() -> PostgresStore {
    let server = Server::shared();
    let options = server.options().username(&server.role().await);
    let store = PostgresStore::connect(options, NonZeroU32::MIN.saturating_add(7));
    store.migrate().await.unwrap();
    let create = sqlx::raw_sql("CREATE TABLE orders (name text NOT NULL)");
    create.execute(store.pool()).await.unwrap();
    store
}

async fn orders(pool: &PgPool) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM orders");
    count.fetch_one(pool).await.unwrap()
}

fn request(key: &str) -> BeginRequest {
    BeginRequest {
        key: RecordKey::derive(&[key.as_bytes()]),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::random().unwrap(),
        lease: Duration::from_mins(1),
        retention: DAY,
        orphan: OrphanPolicy::Refuse,
    }
}

fn answer(body: &str) -> StoredResponse {
    StoredResponse::new(StatusCode::CREATED, &HeaderMap::new(), body.as_bytes())
}

async fn insert(connection: &mut sqlx::PgConnection, name: &str) {
    let insert = sqlx::query("INSERT INTO orders VALUES ($1)").bind(name);
    insert.execute(connection).await.unwrap();
}

/// Scenario 74.
#[tokio::test]
async fn a_business_rollback_leaves_the_key_absent_and_a_commit_replays() {
    let store = shop().await;
    for commits in [false, true] {
        let mut transaction = store.pool().begin().await.unwrap();
        let begun = store.begin_in(&mut transaction, &request("k")).await;
        let Begin::Acquired(claim) = begun.unwrap() else {
            panic!("not free");
        };
        assert_eq!(claim.execution(), 1);
        insert(&mut transaction, "book").await;
        let book = answer("book");
        let settled = store.complete_in(&mut transaction, &claim, &book, DAY);
        assert_eq!(settled.await.unwrap(), Settled::Applied);
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
    }
    assert_eq!(orders(store.pool()).await, 1);
    let Begin::Completed { response, .. } = store.begin(request("k")).await.unwrap() else {
        panic!("not kept");
    };
    assert_eq!(response, answer("book"));
}

/// Scenario 74.
#[tokio::test]
async fn a_concurrent_repeat_blocks_and_then_replays() {
    let store = shop().await;
    let mut first = store.pool().begin().await.unwrap();
    let begun = store.begin_in(&mut first, &request("k")).await.unwrap();
    let Begin::Acquired(claim) = begun else {
        panic!("{begun:?}");
    };
    let repeat = {
        let store = store.clone();
        tokio::spawn(async move {
            let mut second = store.pool().begin().await.unwrap();
            store.begin_in(&mut second, &request("k")).await.unwrap()
        })
    };
    server::until_blocked(store.pool(), 1).await;
    assert!(!repeat.is_finished());
    insert(&mut first, "book").await;
    let book = answer("book");
    let settled = store.complete_in(&mut first, &claim, &book, DAY);
    assert_eq!(settled.await.unwrap(), Settled::Applied);
    first.commit().await.unwrap();
    let found = repeat.await.unwrap();
    assert!(
        matches!(&found, Begin::Completed { response, .. } if *response == answer("book")),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_concurrent_repeat_owns_the_key_after_a_rollback() {
    let store = shop().await;
    let mut first = store.pool().begin().await.unwrap();
    let begun = store.begin_in(&mut first, &request("k")).await.unwrap();
    assert!(matches!(begun, Begin::Acquired(_)), "{begun:?}");
    let repeat = {
        let store = store.clone();
        tokio::spawn(async move { store.begin(request("k")).await.unwrap() })
    };
    server::until_blocked(store.pool(), 1).await;
    first.rollback().await.unwrap();
    let found = repeat.await.unwrap();
    assert!(
        matches!(&found, Begin::Acquired(claim) if claim.execution() == 1),
        "{found:?}"
    );
}

/// Where a slow handler stops, its row written.
struct Gate {
    /// A permit for each that has arrived.
    arrived: Semaphore,
    /// A permit lets one go on.
    open: Semaphore,
}

/// What the handler does, by the name of the order.
async fn place(
    State(gate): State<Arc<Gate>>,
    Path(name): Path<String>,
    mut transaction: OpenTransaction,
) -> Result<(StatusCode, String), StatusCode> {
    insert(&mut transaction, &name).await;
    match name.as_str() {
        "refused" => Ok((StatusCode::UNPROCESSABLE_ENTITY, "sold out".to_owned())),
        "broken" => Err(StatusCode::INTERNAL_SERVER_ERROR),
        "panics" => panic!("on purpose"),
        "slow" => {
            gate.arrived.add_permits(1);
            gate.open.acquire().await.unwrap().forget();
            Ok((StatusCode::CREATED, "slow".to_owned()))
        }
        "doomed" => {
            // A handler that overlooks the failure of a statement: nothing can be committed.
            let failed = sqlx::query("SELECT 1 / 0").execute(&mut *transaction).await;
            failed.unwrap_err();
            Ok((StatusCode::CREATED, "not so".to_owned()))
        }
        _ => Ok((StatusCode::CREATED, format!("placed {name}"))),
    }
}

struct App {
    store: PostgresStore,
    router: Router,
    gate: Arc<Gate>,
}

async fn app() -> App {
    let store = shop().await;
    let transactions = store.transactions().lock_wait(Duration::from_millis(300));
    let idempotency = IdempotencyKeyLayer::inbound(transactions.clone())
        .single_tenant()
        .orphan_policy(OrphanPolicy::Refuse)
        .secret(DerivationSecret::new([7; 32]).unwrap())
        .required()
        .build()
        .unwrap();
    let token = |extensions: &http::Extensions| {
        let execution = extensions.get::<Execution>();
        execution.map(|execution| *execution.token())
    };
    let gate = Arc::new(Gate {
        arrived: Semaphore::new(0),
        open: Semaphore::new(0),
    });
    let router = Router::new()
        .route("/{name}", post(place))
        .with_state(Arc::clone(&gate))
        .route_layer(TransactionLayer::new(transactions, token))
        .route_layer(idempotency);
    App {
        store,
        router,
        gate,
    }
}

impl App {
    async fn post(&self, name: &str, key: &str) -> (StatusCode, bool, String) {
        let request = Request::post(format!("/{name}"))
            .header("idempotency-key", key)
            .body(Body::empty())
            .unwrap();
        read(self.router.clone().oneshot(request).await.unwrap()).await
    }
}

async fn read(response: Response<Body>) -> (StatusCode, bool, String) {
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let replayed = head.headers.contains_key("idempotent-replayed");
    (
        head.status,
        replayed,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn a_handlers_rows_and_its_answer_are_committed_together() {
    let app = app().await;
    let first = app.post("book", "k").await;
    assert_eq!(
        first,
        (StatusCode::CREATED, false, "placed book".to_owned())
    );
    let repeat = app.post("book", "k").await;
    assert_eq!(
        repeat,
        (StatusCode::CREATED, true, "placed book".to_owned())
    );
    assert_eq!(orders(app.store.pool()).await, 1);
    // Both rows were written by one transaction, and so by one commit.
    let together = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM orders, buttress_idempotency AS r WHERE orders.xmin = r.xmin",
    );
    assert_eq!(together.fetch_one(app.store.pool()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_refusal_is_kept_and_its_rows_are_not() {
    let app = app().await;
    for replayed in [false, true] {
        let refused = app.post("refused", "k").await;
        let expected = (
            StatusCode::UNPROCESSABLE_ENTITY,
            replayed,
            "sold out".to_owned(),
        );
        assert_eq!(refused, expected);
    }
    assert_eq!(orders(app.store.pool()).await, 0);
}

#[tokio::test]
async fn a_failure_leaves_neither_rows_nor_record() {
    let app = app().await;
    for name in ["broken", "panics"] {
        for _ in 0..2 {
            let (status, replayed, _) = app.post(name, name).await;
            assert_eq!(
                (status, replayed),
                (StatusCode::INTERNAL_SERVER_ERROR, false),
                "{name}"
            );
        }
    }
    assert_eq!(orders(app.store.pool()).await, 0);
    // The key is free at once.
    for name in ["broken", "panics"] {
        let found = app.store.begin(request(name)).await.unwrap();
        assert!(matches!(found, Begin::Acquired(_)), "{found:?}");
    }
}

#[tokio::test]
async fn an_answer_that_could_not_be_committed_is_not_given() {
    let app = app().await;
    for _ in 0..2 {
        let (status, replayed, _) = app.post("doomed", "k").await;
        assert_eq!((status, replayed), (StatusCode::CONFLICT, false));
    }
    assert_eq!(orders(app.store.pool()).await, 0);
}

#[tokio::test]
async fn a_repeat_in_flight_waits_a_little_and_is_then_told() {
    let app = Arc::new(app().await);
    let first = {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.post("slow", "k").await })
    };
    app.gate.arrived.acquire().await.unwrap().forget();
    let (status, replayed, _) = app.post("slow", "k").await;
    assert_eq!((status, replayed), (StatusCode::CONFLICT, false));

    let second = {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.post("slow", "k").await })
    };
    server::until_blocked(app.store.pool(), 1).await;
    app.gate.open.add_permits(1);
    let expected = |replayed| (StatusCode::CREATED, replayed, "slow".to_owned());
    assert_eq!(first.await.unwrap(), expected(false));
    assert_eq!(second.await.unwrap(), expected(true));
    assert_eq!(orders(app.store.pool()).await, 1);
}

#[tokio::test]
async fn a_handler_whose_connection_was_killed_leaves_nothing_and_may_run_again() {
    let app = Arc::new(app().await);
    let first = {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.post("slow", "k").await })
    };
    app.gate.arrived.acquire().await.unwrap().forget();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE usename = current_user AND state = 'idle in transaction'";
    sqlx::query(kill).execute(app.store.pool()).await.unwrap();
    app.gate.open.add_permits(2);
    let (status, replayed, _) = first.await.unwrap();
    assert_eq!((status, replayed), (StatusCode::CONFLICT, false));
    assert_eq!(orders(app.store.pool()).await, 0);
    let again = app.post("slow", "k").await;
    assert_eq!(again, (StatusCode::CREATED, false, "slow".to_owned()));
    assert_eq!(orders(app.store.pool()).await, 1);
}
