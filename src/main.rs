//! The `twig` binary: command line, configuration, wiring; nothing else.

mod commands;
mod node;
mod quickstart;
mod serve;
mod settings;
mod telemetry;

use clap::{Parser, Subcommand};

use settings::{Flags, Settings};
use telemetry::Telemetry;

#[derive(Parser)]
#[command(name = "twig", version, about = "A self-hosted backend for AI agents over your own documents")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    flags: Flags,
    /// Print one JSON document on standard output and nothing else there
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make an organization, a key, a data spec and an agent; ingest a folder, ask a first question, and serve
    Quickstart {
        folder: Option<std::path::PathBuf>,
        #[arg(long)]
        question: Option<String>,
    },
    /// Serve the API
    Serve,
    /// Organizations
    #[command(subcommand)]
    Orgs(commands::Orgs),
    /// API keys
    #[command(subcommand)]
    Keys(commands::Keys),
    /// Views: status, rebuild, switch, drop
    #[command(subcommand)]
    Projections(commands::Projections),
    /// Bring past interactions in from elsewhere
    #[command(subcommand)]
    Import(commands::Import),
    /// Measure search and answers on your own questions
    #[command(subcommand)]
    Eval(commands::Eval),
    /// Print the commented default settings, or check the ones in force
    Config {
        #[arg(long)]
        check: bool,
    },
    /// Check every store and say what to do
    Doctor,
    /// Write everything into one file
    Backup { file: std::path::PathBuf },
    /// Bring a backup back
    Restore {
        file: std::path::PathBuf,
        #[arg(long)]
        force: bool,
    },
    /// Print the OpenAPI document
    Openapi,
}

fn main() -> std::process::ExitCode {
    // Parsers of risky formats run in a process of their own: this binary again.
    if std::env::args().nth(1).as_deref() == Some("extract-worker") {
        return std::process::ExitCode::from(u8::try_from(twig_sources::extract_worker_main()).unwrap_or(1));
    }
    let cli = Cli::parse();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("twig: the TLS provider could not be installed");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("twig: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run(cli));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("twig: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), String> {
    if let Command::Config { check: false } = cli.command {
        print!("{}", settings::DEFAULT_FILE);
        return Ok(());
    }
    if matches!(cli.command, Command::Openapi) {
        println!("{:#}", twig_api::openapi::document());
        return Ok(());
    }
    let settings = Settings::load(&cli.flags)?;
    let telemetry = Telemetry::begin(&settings, matches!(cli.command, Command::Serve))?;
    let done = carry_out(cli, settings).await;
    telemetry.end().await;
    done
}

async fn carry_out(cli: Cli, settings: Settings) -> Result<(), String> {
    match cli.command {
        Command::Serve => serve::serve(settings, |_, _| async {}).await,
        Command::Quickstart { folder, question } => quickstart::run(settings, folder, question).await,
        Command::Orgs(command) => commands::orgs(&settings, command, cli.json).await,
        Command::Keys(command) => commands::keys(&settings, command, cli.json).await,
        Command::Projections(command) => commands::projections(&settings, command, cli.json).await,
        Command::Import(command) => commands::import(&settings, command, cli.json).await,
        Command::Eval(command) => commands::eval(&settings, command, cli.json).await,
        Command::Config { .. } => {
            commands::say(cli.json, &serde_json::json!({"valid": true}), "the settings are valid");
            Ok(())
        }
        Command::Doctor => commands::doctor(&settings, cli.json),
        Command::Backup { file } => commands::backup(&settings, &file, cli.json),
        Command::Restore { file, force } => commands::restore(&settings, &file, force, cli.json),
        Command::Openapi => Ok(()),
    }
}
