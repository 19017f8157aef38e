use std::cmp::Ordering;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::exclusive::into_bytes;
use crate::gather::longer;
use crate::{BoxError, NotReplayable, Superseded};

/// One reader of a source that several may read, each from the first byte.
pub(crate) struct Reader<B> {
    shared: Arc<Mutex<Shared<B>>>,
    /// Its age: the newest reader that has been polled owns the source.
    generation: u64,
    /// The frames that it has read, and the bytes in them.
    frames: usize,
    bytes: u64,
    ended: bool,
}

struct Shared<B> {
    source: Source<B>,
    /// `None` once there was more than the cap: then only the owner can read on.
    kept: Option<Vec<Bytes>>,
    /// The bytes that have come out of the source.
    bytes: u64,
    cap: u64,
    trailers: Option<HeaderMap>,
    /// The newest reader made, and the newest one polled.
    newest: u64,
    owner: u64,
    /// Whom the source will wake.
    waiting: Option<Waker>,
}

enum Source<B> {
    Live(B),
    Ended,
    Failed,
}

impl<B> Reader<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// The first reader of `body`, out of which `first` has come already.
    pub(crate) fn new(body: B, first: Option<Frame<Bytes>>, cap: usize) -> Self {
        // A first frame that is here already is kept, whatever length was promised.
        let length = first
            .as_ref()
            .and_then(Frame::data_ref)
            .map_or(0, Bytes::len);
        let mut shared = Shared {
            source: Source::Live(body),
            kept: Some(Vec::new()),
            bytes: 0,
            cap: cap.max(length) as u64,
            trailers: None,
            newest: 0,
            owner: 0,
            waiting: None,
        };
        if let Some(frame) = first {
            shared.keep(&frame);
        }
        Self::at_start(Arc::new(Mutex::new(shared)), 0)
    }

    pub(crate) fn try_clone(&self) -> Result<Self, NotReplayable> {
        let mut shared = lock(&self.shared);
        if let Source::Failed = shared.source {
            return Err(NotReplayable::Failed);
        }
        if shared.kept.is_none() {
            return Err(NotReplayable::TooLarge);
        }
        shared.newest += 1;
        let generation = shared.newest;
        Ok(Self::at_start(Arc::clone(&self.shared), generation))
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut shared = lock(&self.shared);
        let former = shared.own(self.generation);
        let frame = shared.poll_frame(self.generation, self.frames, cx);
        drop(shared);
        // A former owner hears that it will get no more, or its connection would wait for ever.
        if let Some(waker) = former {
            waker.wake();
        }
        match &frame {
            Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                Some(data) if data.is_empty() => {}
                Some(data) => {
                    self.frames += 1;
                    self.bytes += data.len() as u64;
                }
                None => self.ended = true,
            },
            Poll::Ready(_) => self.ended = true,
            Poll::Pending => {}
        }
        frame
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        if self.ended {
            return true;
        }
        let shared = lock(&self.shared);
        if shared.lost_to(self.generation) {
            return false;
        }
        let ended = match &shared.source {
            Source::Live(body) => body.is_end_stream(),
            Source::Ended => shared.trailers.is_none(),
            Source::Failed => false,
        };
        ended && shared.left(self.bytes) == 0
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        if self.ended {
            return SizeHint::with_exact(0);
        }
        let shared = lock(&self.shared);
        if shared.lost_to(self.generation) {
            return SizeHint::default();
        }
        let left = shared.left(self.bytes);
        match &shared.source {
            Source::Live(body) => longer(body.size_hint(), left),
            Source::Ended => SizeHint::with_exact(left),
            // No length, or what is kept would be sent as if it were all.
            Source::Failed => SizeHint::default(),
        }
    }
}

impl<B> Reader<B> {
    fn at_start(shared: Arc<Mutex<Shared<B>>>, generation: u64) -> Self {
        Self {
            shared,
            generation,
            frames: 0,
            bytes: 0,
            ended: false,
        }
    }
}

impl<B> Shared<B> {
    /// The bytes that a reader of the first `read` can still have without the source.
    fn left(&self, read: u64) -> u64 {
        self.bytes.saturating_sub(read)
    }

    /// Whether bytes that the reader of this generation has not had are gone.
    fn lost_to(&self, generation: u64) -> bool {
        self.kept.is_none() && generation != self.owner
    }

    /// Makes the reader of this generation the owner, if it is newer and can still read it all.
    /// Returns whom the former owner left waiting.
    fn own(&mut self, generation: u64) -> Option<Waker> {
        if generation <= self.owner || self.kept.is_none() {
            return None;
        }
        self.owner = generation;
        self.waiting.take()
    }

    /// Why the reader of this generation cannot have what is not kept, if it cannot.
    fn refuse(&self, generation: u64) -> Option<BoxError> {
        match generation.cmp(&self.owner) {
            Ordering::Less => Some(Superseded(()).into()),
            Ordering::Equal => None,
            Ordering::Greater => Some(NotReplayable::TooLarge.into()),
        }
    }
}

impl<B> Shared<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll_frame(
        &mut self,
        generation: u64,
        frames: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(data) = self.kept.as_ref().and_then(|kept| kept.get(frames)) {
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if (self.kept.is_none() || matches!(self.source, Source::Live(_)))
            && let Some(refusal) = self.refuse(generation)
        {
            return Poll::Ready(Some(Err(refusal)));
        }
        let body = match &mut self.source {
            Source::Live(body) => body,
            Source::Ended => {
                return Poll::Ready(self.trailers.clone().map(Frame::trailers).map(Ok));
            }
            Source::Failed => return Poll::Ready(Some(Err(NotReplayable::Failed.into()))),
        };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let frame = frame.map_data(into_bytes);
                self.keep(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.source = Source::Failed;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.source = Source::Ended;
                Poll::Ready(None)
            }
            Poll::Pending => {
                match &mut self.waiting {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => self.waiting = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    /// Keeps what came out of the source, and notes its end.
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.bytes += data.len() as u64;
            if self.bytes > self.cap {
                self.kept = None;
            }
            if let Some(kept) = &mut self.kept
                && !data.is_empty()
            {
                kept.push(data.clone());
            }
            if let Source::Live(body) = &self.source
                && body.is_end_stream()
            {
                self.source = Source::Ended;
            }
        } else {
            if self.kept.is_some() {
                self.trailers = frame.trailers_ref().cloned();
            }
            self.source = Source::Ended;
        }
    }
}

/// Nobody but the source itself can have panicked under this lock, and what it would say next
/// nobody knows.
fn lock<B>(shared: &Mutex<Shared<B>>) -> MutexGuard<'_, Shared<B>> {
    shared.lock().unwrap_or_else(|poisoned| {
        let mut guard = poisoned.into_inner();
        guard.source = Source::Failed;
        guard
    })
}
