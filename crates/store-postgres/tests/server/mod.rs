//! A `PostgreSQL` server, and a pooler, of this test binary's own.
//!
//! Each ends, and its directory goes, when the test process does, however it does: a guard process
//! waits for the end of a pipe.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod child;
pub(crate) mod proxy;

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use buttress_store_postgres::PostgresStore;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tokio::time::{Instant, sleep};

/// The user whom the servers run as; both refuse to run as root.
const USER: &str = "postgres";
/// As long as something may take on a machine that is busy with other things.
const MINUTE: Duration = Duration::from_mins(1);

/// A server whose schema is in place.
pub(crate) struct Server {
    dir: PathBuf,
    port: u16,
    process: Mutex<Child>,
    _guard: Child,
}

impl Server {
    /// The one that the tests of this binary share.
    pub(crate) fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Another one, for tests that kill it.
    pub(crate) fn start() -> Self {
        let dir = temporary("buttress-postgres");
        let data = dir.join("data");
        let mut initdb = as_user(&program("initdb"));
        initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        initdb.arg("--pgdata").arg(&data);
        let made = initdb.stdin(Stdio::null()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        fs::write(
            data.join("postgresql.auto.conf"),
            "listen_addresses = '127.0.0.1'\nmax_connections = 400\nshared_buffers = '64MB'\n\
             fsync = on\nsynchronous_commit = on\ncheckpoint_timeout = '1h'\n\
             deadlock_timeout = '50ms'\nautovacuum_naptime = '10s'\nlog_min_messages = fatal\n",
        )
        .unwrap();
        let guard = guard(&format!(
            "kill -9 $(head -1 '{0}/data/postmaster.pid') 2>/dev/null; rm -rf '{0}'",
            dir.display()
        ));
        let port = free_port();
        let process = Mutex::new(spawn(&dir, port));
        let server = Self {
            dir,
            port,
            process,
            _guard: guard,
        };
        server.wait_until_ready();
        server.migrate();
        server
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        options(self.port)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a power cut would end it, but for what the operating system still holds.
    pub(crate) fn kill(&self) {
        let mut process = self.lock();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it after a [`kill`](Self::kill), and waits until it has recovered.
    pub(crate) fn restart(&self) {
        let mut process = self.lock();
        // The backends of the one before notice its end, and hold its memory until they do.
        for attempt in 0.. {
            *process = spawn(&self.dir, self.port);
            apart(async || sleep(Duration::from_millis(30)).await);
            if process.try_wait().unwrap().is_none() {
                break;
            }
            assert!(attempt < 200, "does not start: {}", self.log());
        }
        drop(process);
        self.wait_until_ready();
    }

    /// A new role, whose tables are in a schema of its own.
    pub(crate) async fn role(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let role = format!("role_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.options().connect().await.unwrap();
        let text = format!(
            "CREATE ROLE {role} SUPERUSER LOGIN; CREATE SCHEMA {role}; \
             ALTER ROLE {role} SET search_path = {role}"
        );
        let query = sqlx::raw_sql(AssertSqlSafe(text));
        query.execute(&mut connection).await.unwrap();
        role
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_ready(&self) {
        let begun = Instant::now();
        apart(async || {
            while let Err(error) = self.options().connect().await {
                assert!(begun.elapsed() < MINUTE, "{error}: {}", self.log());
                sleep(Duration::from_millis(20)).await;
            }
        });
    }

    fn migrate(&self) {
        apart(async || {
            let pool = PgPoolOptions::new().max_connections(1);
            let store = PostgresStore::new(pool.connect_with(self.options()).await.unwrap());
            store.migrate().await.unwrap();
            store.pool().close().await;
        });
    }
}

/// pgbouncer in transaction mode before the shared server, with fewer connections than callers.
pub(crate) struct Pooler {
    port: u16,
    _process: Child,
    _guard: Child,
}

impl Pooler {
    pub(crate) fn shared() -> &'static Self {
        static POOLER: OnceLock<Pooler> = OnceLock::new();
        POOLER.get_or_init(|| Self::start(Server::shared()))
    }

    pub(crate) fn start(server: &Server) -> Self {
        let dir = temporary("buttress-pgbouncer");
        let port = free_port();
        let settings = dir.join("pgbouncer.ini");
        // It takes nobody's word for who exists.
        let mut users = format!("\"{USER}\" \"\"\n");
        for number in 0..1000 {
            writeln!(users, "\"role_{number}\" \"\"").unwrap();
        }
        fs::write(dir.join("users"), users).unwrap();
        fs::write(
            &settings,
            format!(
                "[databases]\npostgres = host=127.0.0.1 port={} dbname=postgres\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = trust\nauth_file = {1}/users\npool_mode = transaction\ndefault_pool_size = 8\n\
                 server_round_robin = 1\nserver_idle_timeout = 1\nmax_client_conn = 1000\nlogfile = {1}/log\n\
                 pidfile = {1}/pid\nlog_connections = 0\nlog_disconnections = 0\n",
                server.port,
                dir.display()
            )
        )
        .unwrap();
        let mut pgbouncer = as_user(Path::new("/usr/sbin/pgbouncer"));
        let process = pgbouncer
            .arg("-q")
            .arg(&settings)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let guard = guard(&format!(
            "kill -9 {} 2>/dev/null; rm -rf '{}'",
            process.id(),
            dir.display()
        ));
        apart(async || {
            let begun = Instant::now();
            while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                assert!(begun.elapsed() < MINUTE, "no pgbouncer");
                sleep(Duration::from_millis(10)).await;
            }
        });
        Self {
            port,
            _process: process,
            _guard: guard,
        }
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        options(self.port)
    }
}

/// Runs to its end on a thread of its own, for the caller may be in a runtime.
fn apart<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send) {
    std::thread::scope(|scope| {
        let done = scope.spawn(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(work());
        });
        done.join().unwrap();
    });
}

/// Waits for what happens soon.
pub(crate) async fn until(mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < MINUTE, "waited in vain");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn options(port: u16) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(USER)
        .database("postgres")
        .ssl_mode(PgSslMode::Disable)
        .extra_float_digits(None)
}

fn spawn(dir: &Path, port: u16) -> Child {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .unwrap();
    as_user(&program("postgres"))
        .arg("-D")
        .arg(dir.join("data"))
        .arg("-p")
        .arg(port.to_string())
        .arg("-k")
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The newest of the installed ones.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap_or_else(|error| {
        panic!("no PostgreSQL server (Debian's package postgresql): {error}")
    });
    let newest = versions
        .filter_map(|version| {
            let version: u32 = version.ok()?.file_name().to_str()?.parse().ok()?;
            Some(version)
        })
        .max()
        .unwrap();
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin/{name}"))
}

fn owner() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let of = fs::metadata("/proc/self").unwrap();
    (of.uid(), of.gid())
}

fn user_id(name: &str) -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    users
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == name).then_some(())?;
            let mut ids = fields.skip(1).map(|field| field.parse().unwrap());
            Some((ids.next()?, ids.next()?))
        })
        .unwrap_or_else(|| panic!("no user {name}"))
}

fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    if owner().0 == 0 {
        let (user, group) = user_id(USER);
        command.uid(user).gid(group);
    }
    command.current_dir("/");
    command
}

fn temporary(prefix: &str) -> PathBuf {
    let dir = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
    if owner().0 == 0 {
        let (user, group) = user_id(USER);
        chown(dir.path(), Some(user), Some(group)).unwrap();
    }
    // The guard removes it.
    dir.keep()
}

/// Runs `script` when the test process has ended: its end of the pipe is closed then.
fn guard(script: &str) -> Child {
    Command::new("sh")
        .arg("-c")
        .arg(format!("trap '' INT TERM HUP; cat >/dev/null; {script}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until so many connections of the pool's role wait for a lock.
pub(crate) async fn until_blocked(pool: &PgPool, count: i64) {
    let begun = Instant::now();
    loop {
        let query = sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE usename = current_user AND wait_event_type = 'Lock'",
        );
        if query.fetch_one(pool).await.unwrap() >= count {
            return;
        }
        assert!(begun.elapsed() < MINUTE, "nobody is blocked");
        sleep(Duration::from_millis(5)).await;
    }
}
