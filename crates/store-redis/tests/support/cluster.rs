//! Three primaries that share the slots.

use buttress_store_redis::{Builder, RedisStore};

use super::{Server, until};

const SLOTS: u16 = 16_384;

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let args = [
            "--save",
            "",
            "--appendonly",
            "no",
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "2000",
        ];
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Server::with(&args).await);
        }
        for (node, (first, last)) in nodes
            .iter()
            .zip([(0, 5460), (5461, 10_922), (10_923, 16_383)])
        {
            let slots = [first.to_string(), last.to_string()];
            let added = node.cli(&["CLUSTER", "ADDSLOTSRANGE", &slots[0], &slots[1]]);
            assert_eq!(added, "OK");
        }
        for (epoch, node) in nodes.iter().enumerate() {
            node.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(epoch + 1).to_string()]);
            let port = nodes[0].port().to_string();
            node.cli(&["CLUSTER", "MEET", "127.0.0.1", &port]);
        }
        let cluster = Self { nodes };
        for node in &cluster.nodes {
            node.wait_until(&["CLUSTER", "INFO"], "cluster_state:ok")
                .await;
            node.wait_until(&["CLUSTER", "INFO"], "cluster_known_nodes:3")
                .await;
        }
        cluster
    }

    pub(crate) fn store(&self) -> Builder {
        RedisStore::cluster(self.nodes.iter().map(Server::url))
    }

    pub(crate) fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["CLUSTER", "MYID"])
    }

    pub(crate) fn slot_of(&self, key: &str) -> u16 {
        let slot = self.nodes[0].cli(&["CLUSTER", "KEYSLOT", key]);
        slot.parse().unwrap()
    }

    pub(crate) fn owner_of(slot: u16) -> usize {
        match slot {
            0..=5460 => 0,
            5461..=10_922 => 1,
            _ => 2,
        }
    }

    /// From now on, keys of the slot that are not on `from` are asked for on `to`.
    pub(crate) fn open(&self, slot: u16, from: usize, to: usize) {
        assert!(slot < SLOTS);
        let (slot, source, target) = (slot.to_string(), self.id(from), self.id(to));
        let set = |node: usize, args: [&str; 2]| {
            let [state, other] = args;
            self.nodes[node].cli(&["CLUSTER", "SETSLOT", &slot, state, other])
        };
        assert_eq!(set(to, ["IMPORTING", &source]), "OK");
        assert_eq!(set(from, ["MIGRATING", &target]), "OK");
    }

    /// Moves the keys that are there now.
    pub(crate) fn move_keys(&self, slot: u16, from: usize, to: usize) -> usize {
        let slot = slot.to_string();
        let keys = self.nodes[from].cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "100000"]);
        let port = self.nodes[to].port().to_string();
        let keys: Vec<_> = keys.lines().filter(|key| !key.is_empty()).collect();
        for some in keys.chunks(100) {
            let mut args = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            args.extend(some);
            assert_eq!(self.nodes[from].cli(&args), "OK");
        }
        keys.len()
    }

    /// The slot is `to`'s.
    pub(crate) async fn close(&self, slot: u16, to: usize) {
        let (slot, target) = (slot.to_string(), self.id(to));
        let mut order: Vec<_> = (0..self.nodes.len()).collect();
        order.sort_by_key(|node| *node != to);
        for node in order {
            let args = ["CLUSTER", "SETSLOT", &slot, "NODE", &target];
            let node = &self.nodes[node];
            until(|| node.cli(&args) == "OK", "a slot is settled").await;
        }
    }
}
