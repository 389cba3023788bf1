//! The command line: commands, flags and their environment variables. It parses and checks; it starts nothing.
//!
//! Every flag has an environment variable of the same name with `EPM_` in front; a test keeps that true.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use epm_agent::sources::simulated::MAX_DEVICES;

use crate::control::ControlPlace;
use crate::event_log::LogPlace;

const QUICK_START: &str = "\
Quick start:
  1. epm demo                             a simulated fleet, reports at http://127.0.0.1:8080/
  2. epm serve --data /var/lib/epm        a server that keeps what it receives
  3. epm-agent import /var/log/auth.log   real records into that server

Every flag has an environment variable: --data is EPM_DATA. The flag wins.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 data folder in use, 4 cannot listen, 5 data folder
cannot be used, 6 verify found a difference, 130 stopped at once by a second Ctrl-C.";

/// Endpoint privilege management: collects every elevation of a fleet and reports on them.
#[derive(Debug, Parser)]
#[command(name = "epm", version, max_term_width = 100, after_help = QUICK_START, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Least level that is logged to stderr
    #[arg(
        long,
        env = "EPM_LOG_LEVEL",
        hide_env = true,
        global = true,
        value_name = "LEVEL",
        value_enum,
        help_heading = "Logging"
    )]
    pub log_level: Option<LogLevel>,
}

/// Commands of the server binary.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it: every role in one process and a simulated fleet
    Demo(DemoArgs),
    /// Run every role in one process on one data folder
    Serve(ServeArgs),
    /// Run the collector: agents deliver to it, it writes the event log
    Collector(CollectorArgs),
    /// Run the processor: it folds the event log into tables
    Processor(ProcessorArgs),
    /// Run the query API: reports and console over the tables
    QueryApi(QueryApiArgs),
    /// Print a report
    Report(ReportArgs),
    /// Make an administrator's token, at the server itself
    Token(TokenArgs),
    /// Fold the event log again and compare with the tables; check the hash chains
    Verify(VerifyArgs),
    /// Replace the tables by a new fold of the event log
    Rebuild(StoresArgs),
}

/// Levels of logging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What an operator should look at.
    Warn,
    /// What started, stopped and changed.
    Info,
    /// Each step.
    Debug,
}

/// `epm demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Number of simulated devices
    #[arg(long, env = "EPM_DEVICES", hide_env = true, value_name = "N", default_value_t = 60, value_parser = device_count)]
    pub devices: usize,
    /// Days of history before live traffic begins
    #[arg(long, env = "EPM_DAYS", hide_env = true, value_name = "D", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub days: u32,
    /// Makes the same people, devices and events again
    #[arg(long, env = "EPM_SEED", hide_env = true, value_name = "N", default_value_t = 7, value_parser = seed)]
    pub seed: u64,
    /// Keep the data in this folder [default: a temporary folder, removed at the end]
    #[arg(long, env = "EPM_DATA", hide_env = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address of the console and the REST interface
    #[arg(long, env = "EPM_HTTP", hide_env = true, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub http: SocketAddr,
    /// Address that agents deliver to; port 0 takes a free one
    #[arg(long, env = "EPM_GRPC", hide_env = true, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = address)]
    pub grpc: SocketAddr,
}

/// `epm serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Folder that holds the event log and the tables
    #[arg(long, env = "EPM_DATA", hide_env = true, value_name = "DIR")]
    pub data: PathBuf,
    /// Event log elsewhere than in the data folder: kafka://BROKER:9092/TOPIC?OPTION=VALUE, or a folder
    #[arg(long, env = "EPM_LOG", hide_env = true, value_name = "DIR|URL", value_parser = LogPlace::parse)]
    pub log: Option<LogPlace>,
    /// Control plane's store: sqlite:///PATH or postgres://USER@HOST/DATABASE [default: control.db in the data folder]
    #[arg(long, env = "EPM_CONTROL", hide_env = true, hide_env_values = true, value_name = "URL", value_parser = ControlPlace::parse)]
    pub control: Option<ControlPlace>,
    /// Who may read reports: whoever reaches the address, which must be a loopback one, or only who has a token
    #[arg(
        long,
        env = "EPM_ACCESS",
        hide_env = true,
        value_name = "WHO",
        value_enum,
        default_value_t
    )]
    pub access: ReadAccess,
    /// Address of the console and the REST interface
    #[arg(long, env = "EPM_HTTP", hide_env = true, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub http: SocketAddr,
    /// Address that agents deliver to
    #[arg(long, env = "EPM_GRPC", hide_env = true, value_name = "ADDR", default_value = "127.0.0.1:8443", value_parser = address)]
    pub grpc: SocketAddr,
}

/// `epm collector`.
#[derive(Args, Clone, Debug)]
pub struct CollectorArgs {
    /// Event log: a folder, or a topic as kafka://BROKER:9092/TOPIC?OPTION=VALUE
    #[arg(long, env = "EPM_LOG", hide_env = true, value_name = "DIR|URL", value_parser = LogPlace::parse)]
    pub log: LogPlace,
    /// Address that agents deliver to
    #[arg(long, env = "EPM_GRPC", hide_env = true, value_name = "ADDR", default_value = "127.0.0.1:8443", value_parser = address)]
    pub grpc: SocketAddr,
}

/// `epm processor`.
#[derive(Args, Clone, Debug)]
pub struct ProcessorArgs {
    /// Event log: a folder, or a topic as kafka://BROKER:9092/TOPIC?OPTION=VALUE
    #[arg(long, env = "EPM_LOG", hide_env = true, value_name = "DIR|URL", value_parser = LogPlace::parse)]
    pub log: LogPlace,
    /// Folder of the tables
    #[arg(long, env = "EPM_TABLES", hide_env = true, value_name = "DIR")]
    pub tables: PathBuf,
}

/// `epm query-api`.
#[derive(Args, Clone, Debug)]
pub struct QueryApiArgs {
    /// Folder of the tables
    #[arg(long, env = "EPM_TABLES", hide_env = true, value_name = "DIR")]
    pub tables: PathBuf,
    /// Control plane's store: sqlite:///PATH or postgres://USER@HOST/DATABASE; without one there is no sign-in
    #[arg(long, env = "EPM_CONTROL", hide_env = true, hide_env_values = true, value_name = "URL", value_parser = ControlPlace::parse)]
    pub control: Option<ControlPlace>,
    /// Who may read reports: whoever reaches the address, which must be a loopback one, or only who has a token
    #[arg(
        long,
        env = "EPM_ACCESS",
        hide_env = true,
        value_name = "WHO",
        value_enum,
        default_value_t
    )]
    pub access: ReadAccess,
    /// Address of the console and the REST interface
    #[arg(long, env = "EPM_HTTP", hide_env = true, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub http: SocketAddr,
}

/// Where `verify` and `rebuild` find the event log and the tables.
#[derive(Args, Clone, Debug)]
pub struct StoresArgs {
    /// Data folder of a server that is not running; holds log/ and tables/
    #[arg(long, env = "EPM_DATA", hide_env = true, value_name = "DIR")]
    pub data: PathBuf,
    /// Event log elsewhere than in the data folder: kafka://BROKER:9092/TOPIC?OPTION=VALUE, or a folder
    #[arg(long, env = "EPM_LOG", hide_env = true, value_name = "DIR|URL", value_parser = LogPlace::parse)]
    pub log: Option<LogPlace>,
}

/// `epm verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Event log and tables.
    #[command(flatten)]
    pub stores: StoresArgs,
    /// Control plane's store: sqlite:///PATH or postgres://USER@HOST/DATABASE [default: control.db in the data folder, where there is one]
    #[arg(long, env = "EPM_CONTROL", hide_env = true, hide_env_values = true, value_name = "URL", value_parser = ControlPlace::parse)]
    pub control: Option<ControlPlace>,
}

/// Who may read reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReadAccess {
    /// Whoever reaches the address.
    #[default]
    Open,
    /// Who has a token.
    Required,
}

/// `epm token`: for who can reach the control store itself, whatever roles there are.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("which store").required(true).args(["data", "control"])))]
pub struct TokenArgs {
    /// Data folder of a server, running or not
    #[arg(long, env = "EPM_DATA", hide_env = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Control plane's store, instead of --data: sqlite:///PATH or postgres://USER@HOST/DATABASE
    #[arg(long, env = "EPM_CONTROL", hide_env = true, hide_env_values = true, value_name = "URL", value_parser = ControlPlace::parse)]
    pub control: Option<ControlPlace>,
    /// Days for which the token works
    #[arg(long, env = "EPM_DAYS", hide_env = true, value_name = "D", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub days: u32,
}

/// Formats of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// Comma separated values.
    Csv,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Parquet file.
    Parquet,
    /// Arrow IPC stream.
    Arrow,
}

/// `epm report`.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("where from").required(true).multiple(true).args(["data", "tables"])))]
pub struct ReportArgs {
    /// Name of the report, for example elevations or by-application
    pub name: String,
    /// Data folder of a server, running or not
    #[arg(long, env = "EPM_DATA", hide_env = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder of the tables, instead of --data
    #[arg(long, env = "EPM_TABLES", hide_env = true, value_name = "DIR")]
    pub tables: Option<PathBuf>,
    /// Start: 2026-11-01, 2026-11-01T08:00:00Z, or an age such as 24h or 30d
    #[arg(long, env = "EPM_SINCE", hide_env = true, value_name = "T")]
    pub since: Option<String>,
    /// End, exclusive; written like --since
    #[arg(long, env = "EPM_UNTIL", hide_env = true, value_name = "T")]
    pub until: Option<String>,
    /// Read the tables as they were then; written like --since
    #[arg(long, env = "EPM_AS_OF", hide_env = true, value_name = "T")]
    pub as_of: Option<String>,
    /// Only rows with this value; again for more; !V is not V, * is any text
    #[arg(long = "where", env = "EPM_WHERE", hide_env = true, value_name = "K=V", value_parser = key_value)]
    pub filters: Vec<(String, String)>,
    /// Columns, separated by commas
    #[arg(
        long,
        env = "EPM_COLUMNS",
        hide_env = true,
        value_name = "C,C",
        value_delimiter = ','
    )]
    pub columns: Vec<String>,
    /// Column to sort by; -C for descending
    #[arg(
        long,
        env = "EPM_SORT",
        hide_env = true,
        value_name = "C",
        allow_hyphen_values = true
    )]
    pub sort: Option<String>,
    /// Most rows of a table for people; files hold all rows unless it is given
    #[arg(long, env = "EPM_LIMIT", hide_env = true, value_name = "N")]
    pub limit: Option<usize>,
    /// Format
    #[arg(
        long,
        env = "EPM_FORMAT",
        hide_env = true,
        value_enum,
        default_value_t,
        hide_possible_values = false
    )]
    pub format: Format,
}

fn device_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MAX_DEVICES).contains(&count) => Ok(count),
        _ => Err(format!("write a whole number from 1 to {MAX_DEVICES}")),
    }
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port, for example 127.0.0.1:8080".to_owned())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write COLUMN=VALUE, for example outcome=denied".to_owned()),
    }
}
