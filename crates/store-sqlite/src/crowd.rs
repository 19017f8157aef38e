use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// Everybody who waits for the same thing. Woken together.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    seats: Mutex<Seats>,
    /// Something has happened, and nobody has looked yet.
    news: AtomicBool,
}

#[derive(Debug, Default)]
struct Seats {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Crowd {
    /// A place in the crowd, given up when it is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Seat {
        let mut seats = self.lock();
        let number = seats.free.pop().unwrap_or_else(|| {
            seats.wakers.push(None);
            seats.wakers.len() - 1
        });
        Seat {
            crowd: Arc::clone(self),
            number,
        }
    }

    /// Whether something has happened since the last who asked.
    pub(crate) fn take_news(&self) -> bool {
        self.news.swap(false, AcqRel)
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        // A panic under the lock can only come from a failed allocation.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Crowd {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before anybody is woken, who will ask for it.
        self.news.store(true, Release);
        let wakers: Vec<_> = {
            let mut seats = self.lock();
            seats.wakers.iter_mut().filter_map(Option::take).collect()
        };
        // Outside the lock: waking runs code of the executor.
        for waker in wakers {
            waker.wake();
        }
    }
}

/// One of the crowd.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    number: usize,
}

impl Seat {
    /// Wakes this task at the next event.
    pub(crate) fn listen(&self, cx: &Context<'_>) {
        let mut seats = self.crowd.lock();
        if let Some(waker) = seats.wakers.get_mut(self.number) {
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.crowd.lock();
        if let Some(waker) = seats.wakers.get_mut(self.number) {
            *waker = None;
        }
        seats.free.push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for news when it is woken, as a task on another thread might at once.
    struct Reader {
        crowd: Arc<Crowd>,
        read: AtomicBool,
    }

    impl Wake for Reader {
        fn wake(self: Arc<Self>) {
            self.read.store(self.crowd.take_news(), Release);
        }
    }

    #[test]
    fn whoever_is_woken_finds_the_news_and_nobody_finds_it_again() {
        let crowd = Arc::new(Crowd::default());
        let reader = Arc::new(Reader {
            crowd: Arc::clone(&crowd),
            read: AtomicBool::new(false),
        });
        let seat = crowd.enter();
        seat.listen(&Context::from_waker(&Waker::from(Arc::clone(&reader))));
        assert!(!crowd.take_news());
        crowd.wake_by_ref();
        assert!(reader.read.swap(false, AcqRel));
        assert!(!crowd.take_news());
    }
}
