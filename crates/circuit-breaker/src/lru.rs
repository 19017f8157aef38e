#![allow(
    clippy::indexing_slicing,
    reason = "a place is one that `add` gave out, and nodes are never taken away"
)]

use std::collections::HashMap;
use std::hash::Hash;

use crate::circuit::Circuit;

const NONE: usize = usize::MAX;

/// Circuits by key, the most recently used first; each operation but the search for room is O(1).
#[derive(Debug)]
pub(crate) struct Lru<K> {
    places: HashMap<K, usize>,
    nodes: Vec<Node<K>>,
    newest: usize,
    oldest: usize,
}

#[derive(Debug)]
struct Node<K> {
    key: K,
    circuit: Circuit,
    newer: usize,
    older: usize,
}

impl<K: Clone + Eq + Hash> Lru<K> {
    pub(crate) fn new() -> Self {
        Self {
            places: HashMap::new(),
            nodes: Vec::new(),
            newest: NONE,
            oldest: NONE,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.places.keys()
    }

    /// The circuit of `key`; being looked at is not being used.
    pub(crate) fn peek(&self, key: &K) -> Option<&Circuit> {
        self.places
            .get(key)
            .map(|place| &self.nodes[*place].circuit)
    }

    /// The circuit of `key`, which becomes the newest.
    pub(crate) fn touch(&mut self, key: &K) -> Option<&Circuit> {
        let place = *self.places.get(key)?;
        if place != self.newest {
            self.unlink(place);
            self.link(place);
        }
        Some(&self.nodes[place].circuit)
    }

    /// Adds `circuit` as the newest.
    pub(crate) fn add(&mut self, key: K, circuit: Circuit) {
        let place = self.nodes.len();
        self.places.insert(key.clone(), place);
        self.nodes.push(Node {
            key,
            circuit,
            newer: NONE,
            older: NONE,
        });
        self.link(place);
    }

    /// Puts `circuit` where the oldest idle one was, which it returns; back again if none is idle.
    pub(crate) fn replace_oldest(&mut self, key: K, circuit: Circuit) -> Result<Circuit, Circuit> {
        let mut place = self.oldest;
        while place != NONE && !self.nodes[place].circuit.is_alone() {
            place = self.nodes[place].newer;
        }
        if place == NONE {
            return Err(circuit);
        }
        self.places.remove(&self.nodes[place].key);
        self.places.insert(key.clone(), place);
        self.unlink(place);
        let node = &mut self.nodes[place];
        node.key = key;
        let evicted = std::mem::replace(&mut node.circuit, circuit);
        self.link(place);
        Ok(evicted)
    }

    fn unlink(&mut self, place: usize) {
        let (newer, older) = (self.nodes[place].newer, self.nodes[place].older);
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older].newer = newer,
        }
    }

    fn link(&mut self, place: usize) {
        let older = self.newest;
        self.nodes[place].newer = NONE;
        self.nodes[place].older = older;
        match older {
            NONE => self.oldest = place,
            older => self.nodes[older].newer = place,
        }
        self.newest = place;
    }
}
