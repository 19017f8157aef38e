//! Each wrapper, and all of them together, keep the store contract.

use std::time::Duration;

use buttress_store_conformance::{Stage, idempotency};
use buttress_store_memory::MemoryStore;
use buttress_store_wrappers::{Cached, Encrypted, Keyring, Metered, TimeLimited};

const LIMIT: Duration = Duration::from_secs(2);

fn keyring() -> Keyring {
    Keyring::new(1, &[7; 32]).unwrap()
}

mod encrypted {
    use super::*;
    idempotency!(async { Stage::paused(Encrypted::new(MemoryStore::default(), keyring())) });
}

mod cached {
    use super::*;
    idempotency!(async { Stage::paused(Cached::new(MemoryStore::default())) });
}

mod metered {
    use super::*;
    idempotency!(async { Stage::paused(Metered::new(MemoryStore::default(), "memory")) });
}

mod time_limited {
    use super::*;
    idempotency!(async { Stage::paused(TimeLimited::new(MemoryStore::default(), LIMIT)) });
}

mod all_together {
    use super::*;
    idempotency!(async {
        let store = Metered::new(MemoryStore::default(), "memory");
        let store = Encrypted::new(TimeLimited::new(store, LIMIT), keyring());
        Stage::paused(Cached::new(store))
    });
}
