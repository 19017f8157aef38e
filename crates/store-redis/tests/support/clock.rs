//! A clock that a test moves: everything that is stored grows older by as much.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use buttress_store_conformance::Clock;
use redis::{Client, Script};

/// As if the server's clock had been so many milliseconds further when the record was written.
static AGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local record = redis.call('GET', KEYS[1])
         if not record then return end
         local left = redis.call('PTTL', KEYS[1])
         if left >= 0 then
           left = left - ARGV[1]
           if left <= 0 then return redis.call('DEL', KEYS[1]) end
         end
         local ends = struct.unpack('>I8', record, 58)
         if ends > 0 then
           ends = ends - ARGV[1] * 1000
           record = string.sub(record, 1, 57) .. struct.pack('>I8', ends) .. string.sub(record, 66)
         end
         if left < 0 then return redis.call('SET', KEYS[1], record) end
         redis.call('SET', KEYS[1], record, 'PX', left)",
    )
});

/// For the records of one prefix.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) servers: Vec<String>,
    pub(crate) prefix: String,
}

impl Clock for Moved {
    /// Each pass ages what the one before has aged.
    fn adds_up(&self) -> bool {
        true
    }

    fn pass(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let millis = u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap();
        Box::pin(async move {
            for server in &self.servers {
                let client = Client::open(server.as_str()).unwrap();
                let mut connection = client.get_multiplexed_async_connection().await.unwrap();
                let mut list = redis::cmd("KEYS");
                list.arg(format!("{}*", self.prefix));
                let keys: Vec<Vec<u8>> = list.query_async(&mut connection).await.unwrap();
                for key in keys {
                    let mut age = AGE.key(key);
                    let () = age.arg(millis).invoke_async(&mut connection).await.unwrap();
                }
            }
        })
    }
}
