//! Two versions of the program on one store, as during a rolling deployment.

use buttress_store_memory::MemoryStore;

use crate::kit::{Flaky, Mode, Runs, inbound, post, send};

#[tokio::test]
async fn two_versions_of_the_program_share_a_store_in_both_directions() {
    let records = MemoryStore::default();
    let (old, new) = (Flaky::on(records.clone()), Flaky::on(records));
    old.begin_is(Mode::Old);
    old.complete_is(Mode::Old);
    let runs = Runs::default();
    let [old, new] = [old, new].map(|store| runs.numbered(&inbound(store).build().unwrap()));

    // What the old one wrote both read.
    assert_eq!(send(&old, post("a", "order")).await.text(), "run 1");
    for reader in [&new, &old] {
        let again = send(reader, post("a", "order")).await;
        assert!(again.is_replay());
        assert_eq!((again.status, again.text()), (201, "run 1"));
    }
    // What the new one wrote the old one cannot read, and does not take for absent.
    assert_eq!(send(&new, post("b", "order")).await.text(), "run 2");
    let unread = send(&old, post("b", "order")).await;
    assert_eq!(
        (unread.status, &*unread.problem()),
        (503, "idempotency-unavailable")
    );
    assert!(send(&new, post("b", "order")).await.is_replay());
    assert_eq!(runs.count(), 2);
}
