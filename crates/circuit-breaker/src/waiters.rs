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
    pub(crate) fn put(&mut self, ticket: &mut Ticket, waker: &Waker) {
        let known = |(number, _): &&mut (u64, Waker)| Some(*number) == ticket.0;
        if let Some((_, kept)) = self.waiting.iter_mut().find(known) {
            kept.clone_from(waker);
            return;
        }
        self.tickets += 1;
        ticket.0 = Some(self.tickets);
        self.waiting.push((self.tickets, waker.clone()));
    }

    pub(crate) fn remove(&mut self, ticket: &mut Ticket) {
        if let Some(number) = ticket.0.take() {
            self.waiting.retain(|(kept, _)| *kept != number);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Waker> {
        self.waiting.drain(..).map(|(_, waker)| waker).collect()
    }
}
