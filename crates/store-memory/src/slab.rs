/// Values with numbers, which do not move as more come.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    /// Each full but the last.
    chunks: Vec<Vec<T>>,
}

/// How many values are allocated at once.
const CHUNK: usize = 32;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn get(&self, number: usize) -> Option<&T> {
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.chunks.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }

    pub(crate) fn len(&self) -> usize {
        let last = self.chunks.last().map_or(CHUNK, Vec::len);
        self.chunks.len() * CHUNK + last - CHUNK
    }

    pub(crate) fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(value),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.chunks.push(chunk);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_order_in_which_values_came() {
        let mut slab = Slab::default();
        for number in 0..5 * CHUNK {
            assert_eq!((slab.len(), slab.get(number)), (number, None));
            slab.push(number);
        }
        assert!(slab.iter().copied().eq(0..5 * CHUNK));
        for value in slab.iter_mut() {
            *value += 1;
        }
        assert!((0..5 * CHUNK).all(|number| slab.get(number) == Some(&(number + 1))));
        assert!(slab.get_mut(5 * CHUNK).is_none());
    }
}
