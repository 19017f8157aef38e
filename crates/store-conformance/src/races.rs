//! Many callers at once. These clauses run on several threads, on the real clock.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use buttress_store::{Begin, BeginRequest, Settled};
use tokio::task::JoinSet;

use crate::Stage;
use crate::stage::{random, response};

/// Longer than any race lasts.
const LONG: Duration = Duration::from_secs(600);

/// 64 callers begin the same 1 000 keys at once: one of them owns each.
pub async fn of_64_callers_one_owns_each_of_1000_keys(stage: &Stage) {
    let keys = 1000;
    let owners: Arc<Vec<AtomicU32>> = Arc::new((0..keys).map(|_| AtomicU32::new(0)).collect());
    let mut tasks = JoinSet::new();
    for caller in 0..64 {
        let (store, owners) = (stage.shared(), Arc::clone(&owners));
        let requests: Vec<_> = (0..keys)
            .map(|key| long(stage.request(&key.to_string())))
            .collect();
        tasks.spawn(async move {
            for key in 0..keys {
                // Each caller starts elsewhere, so that some meet and some come late.
                let key = (key + caller % 4) % keys;
                match store.begin(requests[key]).await.unwrap() {
                    Begin::Acquired(claim) => {
                        assert_eq!(claim.execution(), 1);
                        owners[key].fetch_add(1, SeqCst);
                    }
                    Begin::InProgress { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    tasks.join_all().await;
    assert!(owners.iter().all(|owners| owners.load(SeqCst) == 1));
}

/// Whatever callers do at once: a key has one owner at a time, one completion, and one answer to
/// everybody who begins after it.
pub async fn concurrent_histories_keep_one_owner_and_one_answer(stage: &Stage) {
    let keys = 24;
    let books: Arc<Vec<Book>> = Arc::new((0..keys).map(|_| Book::default()).collect());
    let mut tasks = JoinSet::new();
    for caller in 0..16_u64 {
        let (store, books) = (stage.shared(), Arc::clone(&books));
        let request = stage.request("");
        let names: Vec<_> = (0..keys).map(|key| stage.key(&key.to_string())).collect();
        tasks.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(caller);
            for _ in 0..60 {
                let key = dice.usize(..keys);
                let book = &books[key];
                let request = long(BeginRequest {
                    key: names[key],
                    token: random(),
                    ..request
                });
                let completed_before = book.completed.load(SeqCst);
                let claim = match store.begin(request).await.unwrap() {
                    Begin::Acquired(claim) => claim,
                    Begin::Completed { response, .. } => {
                        book.answers
                            .lock()
                            .unwrap()
                            .insert(response.encoded().clone());
                        continue;
                    }
                    Begin::InProgress { .. } if completed_before == 0 => continue,
                    other => panic!("{other:?}"),
                };
                assert_eq!(completed_before, 0, "acquired after its completion");
                assert_eq!(book.owners.fetch_add(1, SeqCst), 0, "two owners");
                tokio::task::yield_now().await;
                if dice.u8(..4) == 0 {
                    let renewed = store.renew(&claim, LONG).await.unwrap();
                    assert_eq!(renewed, Settled::Applied);
                }
                book.owners.fetch_sub(1, SeqCst);
                if dice.u8(..5) == 0 {
                    let answer = response(&format!("{caller}"));
                    let settled = store.complete(&claim, &answer, LONG).await.unwrap();
                    assert_eq!(settled, Settled::Applied);
                    book.completed.fetch_add(1, SeqCst);
                } else {
                    let settled = store.release(&claim).await.unwrap();
                    assert_eq!(settled, Settled::Applied);
                }
            }
        });
    }
    tasks.join_all().await;
    let mut completed = 0;
    for book in books.iter() {
        completed += book.completed.load(SeqCst);
        assert!(book.completed.load(SeqCst) <= 1, "completed twice");
        assert!(book.answers.lock().unwrap().len() <= 1, "two answers");
    }
    assert!(completed > 0, "nothing was completed");
}

#[derive(Default)]
struct Book {
    owners: AtomicUsize,
    completed: AtomicUsize,
    answers: std::sync::Mutex<HashSet<bytes::Bytes>>,
}

fn long(request: BeginRequest) -> BeginRequest {
    BeginRequest {
        lease: LONG,
        retention: LONG,
        ..request
    }
}
