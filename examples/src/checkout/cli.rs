//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use buttress_store::OrphanPolicy;
use clap::{Args, Parser, Subcommand, ValueEnum};
use http::Uri;

use super::provider::Faults;
use super::shop::store::Location;

/// A shop that takes orders and charges a payment provider which misbehaves.
///
/// Without a command it runs the demonstration: provider, shop and buyers over real sockets, then
/// an audit of the provider's ledger. Exit code 0 if every order was paid exactly once and no answer
/// was wrong or forgotten, 1 if not, 2 if a severe run of 200 orders or more did not meet every kind
/// of fault at least 3 times, 64 for a wrong command line, 70 if the demonstration could not run.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) demo: DemoArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Runs the shop against a provider outside, as the environment says.
    ///
    /// `LISTEN` (default 127.0.0.1:8080), `PROVIDER_URL`, `PROVIDER_KEY`, `STORE` (memory:, the
    /// default, sqlite:PATH, `postgres://HOST/DATABASE` or `redis://HOST/NUMBER`), and `SHOP_SECRET`
    /// (default: made from `PROVIDER_KEY`).
    ///
    /// `POST /webhooks/{source}` is there for each source with a `WEBHOOK_SECRET_<SOURCE>`, its name in
    /// upper case with `_` for `-`: an HMAC secret, a public key, PayPal's webhook id, SNS topics, or
    /// Plaid's client id and secret between a colon. Several stand between commas, or in
    /// `WEBHOOK_SECRET_<SOURCE>_1`, `_2` and so on, which may hold commas. `PUBLIC_URL` is the shop's own, for senders that sign it;
    /// `WEBHOOK_SANDBOX` names those of paypal and plaid whose sandbox sends; Meta's verify token is
    /// `WEBHOOK_VERIFY_TOKEN_META`.
    Serve,
    /// Runs the provider alone.
    Provider(ProviderArgs),
    /// Runs the shop of a demonstration that kills it.
    #[command(hide = true)]
    Shop(ShopArgs),
}

#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// How many orders the buyers place.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(super) orders: u32,
    /// How many of them are placed at a time.
    #[arg(long, value_name = "C", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) concurrency: u32,
    /// The same seed brings the same faults. Default: random, and printed.
    #[arg(long, value_name = "S")]
    pub(super) seed: Option<u64>,
    /// How badly the provider behaves.
    #[arg(long, value_enum, default_value_t = Faults::Severe)]
    pub(super) faults: Faults,
    /// Where order rows and idempotency records are kept: `memory:` (the default), `sqlite:PATH`,
    /// `postgres://HOST/DATABASE` or `redis://HOST/NUMBER`.
    #[arg(long, value_name = "STORE")]
    pub(super) store: Option<Location>,
    /// Run the shop in a process of its own, and kill that so many times at random points.
    ///
    /// It is restarted on the same store until all orders are settled: a file, or a new one that is
    /// deleted in the end unless something was wrong. On a server three shops share it.
    #[arg(long, value_name = "KILLS", num_args = 0..=1, default_missing_value = "20", conflicts_with = "outage", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) crash: Option<u32>,
    /// Take the provider down in the middle of the run, for so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10", value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(super) outage: Option<u64>,
    /// Print the report as one JSON object, on the last line of standard output.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ShopArgs {
    /// The provider's URL.
    #[arg(long)]
    pub(super) provider: String,
    /// Where order rows and idempotency records are kept.
    #[arg(long)]
    pub(super) store: Location,
    /// What becomes of a request whose execution was lost.
    #[arg(long, value_enum)]
    pub(super) orphans: Orphans,
    /// Where packing slips are printed.
    #[arg(long)]
    pub(super) slips: Option<PathBuf>,
    /// Stop when standard input ends, so as not to outlive whoever started it.
    #[arg(long)]
    pub(super) with_parent: bool,
}

/// What becomes of a request whose execution was lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Orphans {
    /// Its repeat is executed.
    ReExecute,
    /// Its outcome is looked up.
    Refuse,
}

impl Orphans {
    /// Its name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ReExecute => "re-execute",
            Self::Refuse => "refuse",
        }
    }
}

impl From<Orphans> for OrphanPolicy {
    fn from(orphans: Orphans) -> Self {
        match orphans {
            Orphans::ReExecute => Self::ReExecute,
            Orphans::Refuse => Self::Refuse,
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct ProviderArgs {
    /// Where to listen; the address is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(super) listen: SocketAddr,
    /// The API key that callers must present.
    #[arg(
        long,
        env = "PROVIDER_KEY",
        value_name = "KEY",
        default_value = "sk_test_checkout",
        hide_env_values = true
    )]
    pub(super) api_key: String,
    /// The same seed brings the same faults.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(super) seed: u64,
    /// How badly it behaves.
    #[arg(long, value_enum, default_value_t = Faults::Off)]
    pub(super) faults: Faults,
    /// The URL that is told of charges, by webhooks signed as Stripe signs.
    #[arg(long, env = "WEBHOOK_URL", value_name = "URL")]
    pub(super) webhook_url: Option<Uri>,
    /// What webhooks are signed with.
    #[arg(
        long,
        env = "WEBHOOK_SECRET",
        value_name = "SECRET",
        default_value = "whsec_checkout",
        hide_env_values = true
    )]
    pub(super) webhook_secret: String,
    /// Offer no search: its route is 404.
    #[arg(long)]
    pub(super) no_search: bool,
    /// End when standard input ends, so as not to outlive whoever started it.
    #[arg(long, hide = true)]
    pub(super) with_parent: bool,
}
