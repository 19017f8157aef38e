use std::mem;
use std::task::Waker;

/// Tasks that wait for the inner service's readiness, and must hear when the circuit opens.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    waiting: Vec<(u64, Waker)>,
    tickets: u64,
}

/// A place among the waiters, or none.
#[derive(Debug, Default)]
pub(crate) struct Ticket(Option<u64>);

impl Ticket {
    pub(crate) const fn is_taken(&self) -> bool {
        self.0.is_some()
    }
}

impl Waiters {
    /// Keeps `waker`, and hands back the one that it takes the place of.
    pub(crate) fn put(&mut self, ticket: &mut Ticket, waker: Waker) -> Option<Waker> {
        let place = self.place(ticket);
        if let Some((_, kept)) = place.and_then(|place| self.waiting.get_mut(place)) {
            return Some(mem::replace(kept, waker));
        }
        self.tickets += 1;
        ticket.0 = Some(self.tickets);
        self.waiting.push((self.tickets, waker));
        None
    }

    pub(crate) fn remove(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        let place = self.place(ticket);
        ticket.0 = None;
        place.map(|place| self.waiting.swap_remove(place).1)
    }

    pub(crate) fn take(&mut self) -> Vec<Waker> {
        self.waiting.drain(..).map(|(_, waker)| waker).collect()
    }

    fn place(&self, ticket: &Ticket) -> Option<usize> {
        let number = ticket.0?;
        self.waiting.iter().position(|(kept, _)| *kept == number)
    }
}
