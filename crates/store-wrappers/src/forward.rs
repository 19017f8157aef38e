/// Methods that a wrapper hands on as they are.
macro_rules! forward {
    ($($method:ident)*) => {
        $(forward!(@ $method);)*
    };
    (@ begin) => {
        fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
            self.inner.begin(request)
        }
    };
    (@ complete) => {
        fn complete<'a>(
            &'a self,
            claim: &'a Claim,
            response: &'a StoredResponse,
            retention: Duration,
        ) -> StoreFuture<'a, Settled> {
            self.inner.complete(claim, response, retention)
        }
    };
    (@ renew) => {
        fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
            self.inner.renew(claim, lease)
        }
    };
    (@ release) => {
        fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
            self.inner.release(claim)
        }
    };
    (@ adopt) => {
        fn adopt<'a>(
            &'a self,
            key: &'a RecordKey,
            resolution: &'a Resolution,
        ) -> StoreFuture<'a, Settled> {
            self.inner.adopt(key, resolution)
        }
    };
    (@ unknowns) => {
        fn unknowns<'a>(
            &'a self,
            after: Option<&'a RecordKey>,
            limit: NonZeroUsize,
        ) -> StoreFuture<'a, Vec<Unknown>> {
            self.inner.unknowns(after, limit)
        }
    };
    (@ wait) => {
        fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
            self.inner.wait(key, limit)
        }
    };
    (@ purge) => {
        fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize> {
            self.inner.purge(limit)
        }
    };
    (@ capabilities) => {
        fn capabilities(&self) -> Capabilities {
            self.inner.capabilities()
        }
    };
}

pub(crate) use forward;
