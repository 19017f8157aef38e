//! A shop that charges every order exactly once, through a provider that misbehaves.
//!
//! ```text
//! cli          the command line
//! demo         `checkout`: provider, shop and buyers over real sockets, then an audit
//!   report       what the audit found, as a table and as JSON
//! serve        `checkout serve`: the same shop against a provider outside
//!   host         a shop on a socket, until it is told to stop
//! shop         the shop; its stack of layers is shop/stack.rs
//! provider     `checkout provider`: a payment provider with Stripe's key semantics
//! ```

mod cli;
pub mod demo;
mod host;
pub mod provider;
pub mod report;
mod serve;
pub mod shop;

use std::process::ExitCode;

use buttress_classify::BoxError;
use clap::Parser;
use clap::error::ErrorKind;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use self::cli::{Cli, Command, ProviderArgs};
use self::provider::{Plan, Provider, Settings, Webhooks};

/// The command line was wrong (`EX_USAGE`); 2, which is usual, has another meaning here.
const USAGE: u8 = 64;
/// The program could not do its work (`EX_SOFTWARE`).
const SOFTWARE: u8 = 70;

/// Runs the program that the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // There is nobody left to tell.
            let _ = error.print();
            let is_help = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return if is_help {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(USAGE)
            };
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            let chain = buttress_classify::chain(&*error).map(ToString::to_string);
            eprintln!("checkout: {}", chain.collect::<Vec<_>>().join(": "));
            ExitCode::from(SOFTWARE)
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> Result<ExitCode, BoxError> {
    match cli.command {
        None => demo::run(&cli.demo).await,
        Some(Command::Serve) => serve::run().await.map(|()| ExitCode::SUCCESS),
        Some(Command::Shop(args)) => demo::keep_shop(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Provider(args)) => provide(args).await.map(|()| ExitCode::SUCCESS),
    }
}

async fn provide(args: ProviderArgs) -> Result<(), BoxError> {
    let ProviderArgs { seed, faults, .. } = args;
    let webhooks = Webhooks::new(&args.webhook_secret)?;
    if let Some(url) = args.webhook_url {
        webhooks.tell(url);
    }
    let settings = Settings {
        search: !args.no_search,
        webhooks: Some(webhooks),
        ..Settings::new(args.api_key, Plan::Seeded { seed, faults })
    };
    let listener = TcpListener::bind(args.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    tokio::select! {
        result = Provider::new(settings).serve(listener) => Ok(result?),
        () = input_ends(), if args.with_parent => Ok(()),
    }
}

/// Waits for the end of standard input, which comes at the latest when the parent process ends.
async fn input_ends() {
    let mut input = tokio::io::stdin();
    // An input that cannot be read has ended too.
    while input.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {}
}
