//! The command line of the agent: what can be asked and how it answers. The work itself is in the library.

mod approve;
mod attributes;
mod broker;
mod doctor;
mod events;
mod explain;
pub mod failure;
mod follow;
mod followed_logs;
mod import;
mod install;
mod kernel_audit;
pub mod logging;
mod policies;
mod policy;
mod queue;
mod run;
mod status;
mod sudo_log_server;
mod summary_text;
pub mod terminal;

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use failure::{ExitCode, Failure};

pub use approve::ApproveArgs;
pub use attributes::AttributesArgs;
pub use doctor::DoctorArgs;
pub use events::EventsArgs;
pub use explain::{AskedPlatform, AskedTrigger, ExplainArgs};
pub use install::{InstallArgs, InstallTarget, UninstallArgs};
pub use policies::{PoliciesArgs, SettingsArgs};
pub use policy::{CheckArgs, LeastSeverity, PolicyCommand};

/// Where `epm serve` listens unless told otherwise.
const DEFAULT_COLLECTOR: &str = "http://127.0.0.1:8443";
/// Where sudo looks for a log server unless told otherwise (30343), on this device.
const DEFAULT_SUDO_LOG_SERVER: &str = "127.0.0.1:30343";
/// Where the state is when root runs the agent.
const SYSTEM_STATE: &str = "/var/lib/epm-agent";
/// Where it is below the home folder otherwise.
const USER_STATE: &str = ".local/state/epm-agent";

/// Options of every command come behind those of the command.
const LAST_IN_HELP: usize = 500;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  another agent uses the state folder
  4  a file could not be read or is of no known format
  5  the disk is full
  6  records wait in the spool: the collector was not reached in time
  7  a policy file has mistakes, or findings that --fail-on names
  8  doctor found something that failed; warnings end with 0";

/// Records elevations on this device and delivers them to a collector.
#[derive(Debug, Parser)]
#[command(name = "epm-agent", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub place: Place,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// Where the collector is; http:// reaches this device only.
    #[arg(long, value_name = "URL", global = true, env = "EPM_COLLECTOR", default_value = DEFAULT_COLLECTOR, display_order = LAST_IN_HELP)]
    pub collector: String,
    /// Folder of identity and spool [default: /var/lib/epm-agent for root, else ~/.local/state/epm-agent].
    #[arg(long, value_name = "DIR", global = true, env = "EPM_STATE", display_order = LAST_IN_HELP)]
    pub state: Option<PathBuf>,
    /// How much to log to standard error [default: info for run and follow, else error].
    #[arg(long, value_name = "LEVEL", global = true, env = "EPM_LOG_LEVEL", display_order = LAST_IN_HELP)]
    pub log_level: Option<LogLevel>,
}

/// How much to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch this device, deliver what was recorded and answer `elevate`, until Ctrl-C or SIGTERM.
    Run(Box<RunArgs>),
    /// Say who this agent is, whether it runs, how its sensors are and what waits to be delivered.
    Status(StatusArgs),
    /// Say which policies are in force, or in a policy file.
    Policies(PoliciesArgs),
    /// Say which elevation settings hold on this device, and on which of them policies disagree.
    Settings(SettingsArgs),
    /// List the records that wait to be delivered, oldest first, and say what was lost.
    Queue(QueueArgs),
    /// Show the records that the spool holds, and with --follow those that come.
    Events(EventsArgs),
    /// Check everything that the agent needs, and say what to do about what is not there.
    Doctor(DoctorArgs),
    /// Read elevations from files and deliver them.
    Import(ImportArgs),
    /// Follow logs as they grow and are rotated, and deliver what they say, until Ctrl-C or SIGTERM.
    Follow(FollowArgs),
    /// Install this program as a service of systemd, and start it.
    Install(InstallArgs),
    /// Stop the service and remove what install made; what was not delivered stays.
    Uninstall(UninstallArgs),
    /// Say what rules can know about files: digests, signature, version, package, place.
    Attributes(AttributesArgs),
    /// Say what would happen to a program under a policy file, and why.
    Explain(Box<ExplainArgs>),
    /// Sign an approval for one user, device and program, which the user's agent takes.
    Approve(ApproveArgs),
    /// Work on policy files.
    #[command(subcommand)]
    Policy(PolicyCommand),
}

/// Options of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Where sudo tells of its runs, with `Defaults log_servers` in its sudoers; off where nobody shall.
    #[arg(long, value_name = "ADDR", env = "EPM_SUDO_LOG_SERVER", default_value = DEFAULT_SUDO_LOG_SERVER)]
    pub sudo_log_server: ListenAddress,
    /// Certificate chain for sudo on other devices, PEM; then only TLS is spoken.
    #[arg(long, value_name = "FILE", env = "EPM_SUDO_LOG_SERVER_CERT", requires_all = ["sudo_log_server_key", "sudo_log_server_clients"])]
    pub sudo_log_server_cert: Option<PathBuf>,
    /// Key of that certificate, PEM.
    #[arg(
        long,
        value_name = "FILE",
        env = "EPM_SUDO_LOG_SERVER_KEY",
        requires = "sudo_log_server_cert"
    )]
    pub sudo_log_server_key: Option<PathBuf>,
    /// Authority whose certificates sudo's clients have, PEM.
    #[arg(
        long,
        value_name = "FILE",
        env = "EPM_SUDO_LOG_SERVER_CLIENTS",
        requires = "sudo_log_server_cert"
    )]
    pub sudo_log_server_clients: Option<PathBuf>,
    /// Whether the kernel's audit records are read: programs that start with root's rights, as far as the audit rules of
    /// this device say, and what sudo is asked for. An audit.log of this device should then not be followed too.
    #[arg(
        long,
        value_name = "WHEN",
        env = "EPM_AUDIT",
        value_enum,
        default_value = "off"
    )]
    pub audit: AuditUse,
    /// A log to follow beside that, or a folder that receives logs, as `follow` does; may be given several times.
    #[arg(long, value_name = "PATH", env = "EPM_FOLLOW_LOG")]
    pub follow_log: Vec<PathBuf>,
    /// Time zone of stamps in followed logs that name none, such as Europe/Berlin [default: the zone of this device].
    #[arg(long, value_name = "ZONE", env = "EPM_ZONE", requires = "follow_log")]
    pub zone: Option<String>,
    /// How often to look at followed logs where the system does not tell of changes, as on network file systems.
    #[arg(long, value_name = "DURATION", env = "EPM_POLL", default_value = "5s", value_parser = humantime::parse_duration)]
    pub poll: Duration,
    /// How often a harmless run of sudo is made, to see that it is recorded and acknowledged; off where it shall not be.
    /// Only root's agent does.
    #[arg(
        long,
        value_name = "DURATION",
        env = "EPM_SELF_TEST",
        default_value = "6h"
    )]
    pub self_test: Every,
    /// Policies that `elevate` is answered by, YAML or JSON; root's alone to write. Without it nothing is elevated.
    #[arg(long, value_name = "FILE", env = "EPM_POLICY")]
    pub policy: Option<PathBuf>,
    /// Public Ed25519 key, PEM, by which the control plane signs policies; may be repeated. Policies then come over the
    /// connection to the collector and outlive restarts.
    #[arg(
        long,
        value_name = "FILE",
        env = "EPM_POLICY_KEY",
        value_delimiter = ',',
        conflicts_with = "policy"
    )]
    pub policy_key: Vec<PathBuf>,
    /// Where `elevate` finds this agent.
    #[arg(long, value_name = "PATH", env = "EPM_SOCKET", default_value = crate::broker::protocol::SYSTEM_SOCKET)]
    pub socket: PathBuf,
    /// The file of /etc/pam.d by which people prove who they are.
    #[arg(long, value_name = "NAME", env = "EPM_PAM_SERVICE", default_value = crate::broker::authentication::SERVICE)]
    pub pam_service: String,
    /// Public Ed25519 key, PEM, of whoever approves requests (epm-agent approve); may be repeated.
    #[arg(
        long,
        value_name = "FILE",
        env = "EPM_APPROVAL_KEY",
        value_delimiter = ','
    )]
    pub approval_key: Vec<PathBuf>,
    /// Root certificates that signers of Windows programs are judged by, PEM. Without them no rule with a certificate
    /// matches.
    #[arg(long, value_name = "FILE", env = "EPM_TRUSTED_ROOTS")]
    pub trusted_roots: Option<PathBuf>,
}

/// Whether the kernel's audit records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuditUse {
    /// Not.
    Off,
    /// Where this process may; where it may not, that is no failure.
    Auto,
    /// Always; that it may not is a failing sensor.
    On,
}

/// How often, if ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Never.
    Off,
    /// Again after this time.
    After(Duration),
}

impl std::str::FromStr for Every {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, humantime::parse_duration(text)) {
            ("off", _) => Ok(Self::Off),
            (_, Ok(time)) if !time.is_zero() => Ok(Self::After(time)),
            _ => Err("write a time, for example 6h, or off"),
        }
    }
}

/// Where to listen, if anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Nowhere.
    Off,
    /// At an address of this device.
    At(SocketAddr),
}

impl std::str::FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            _ => text
                .parse()
                .map(Self::At)
                .map_err(|_| "write an IP address and a port, for example 127.0.0.1:30343, or off"),
        }
    }
}

/// Options of `status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Answer as one JSON object.
    #[arg(long, env = "EPM_JSON")]
    pub json: bool,
}

/// Options of `queue`.
#[derive(Clone, Debug, Args)]
pub struct QueueArgs {
    /// Records to list at most.
    #[arg(long, value_name = "N", env = "EPM_LIMIT", default_value_t = 50)]
    pub limit: usize,
    /// Answer as one JSON object.
    #[arg(long, env = "EPM_JSON")]
    pub json: bool,
}

/// How to print what a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SummaryFormat {
    /// For people.
    Text,
    /// One JSON object a file, one a line.
    Json,
}

/// Options of `import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// Windows event logs (.evtx), or logs of sudo: auth.log, its own log file, its JSON event log, log.json of an I/O log.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Only say what the files hold: no collector and no state folder is needed.
    #[arg(long, env = "EPM_DRY_RUN")]
    pub dry_run: bool,
    /// How to print what the files hold.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "EPM_SUMMARY",
        default_value = "text"
    )]
    pub summary: SummaryFormat,
    /// Time zone of stamps that name none, such as Europe/Berlin [default: the zone of this device].
    #[arg(long, value_name = "ZONE", env = "EPM_ZONE")]
    pub zone: Option<String>,
    /// How long to wait for a collector that does not answer before leaving records in the spool.
    #[arg(long, value_name = "DURATION", env = "EPM_WAIT", default_value = "30s", value_parser = humantime::parse_duration)]
    pub wait: Duration,
}

/// Options of `follow`.
#[derive(Clone, Debug, Args)]
pub struct FollowArgs {
    /// Logs, of the formats that import reads, and folders that receive such files. None needs to be there yet.
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Time zone of stamps that name none, such as Europe/Berlin [default: the zone of this device].
    #[arg(long, value_name = "ZONE", env = "EPM_ZONE")]
    pub zone: Option<String>,
    /// How often to look where the system does not tell that a file has changed, as on network file systems.
    #[arg(long, value_name = "DURATION", env = "EPM_POLL", default_value = "5s", value_parser = humantime::parse_duration)]
    pub poll: Duration,
}

/// Runs a command.
///
/// # Errors
///
/// The failure to show, with its exit code.
pub fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run(args) => {
            let broker = broker::configured(&cli.place, &args)?;
            on_runtime(run::run(cli.place, *args, broker))
        }
        Command::Status(args) => status::status(&cli.place, &args),
        Command::Policies(args) => policies::policies(&cli.place, &args),
        Command::Settings(args) => policies::settings(&cli.place, &args),
        Command::Queue(args) => queue::queue(&cli.place, &args),
        Command::Events(args) => events::events(&cli.place, &args),
        Command::Doctor(args) => doctor::doctor(&cli.place, &args),
        Command::Install(args) => install::install(&cli.place, &args),
        Command::Uninstall(args) => install::uninstall(&args),
        Command::Attributes(args) => attributes::attributes(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Approve(args) => approve::approve(&args),
        Command::Policy(PolicyCommand::Check(args)) => policy::check(&args),
        Command::Import(args) if args.dry_run => import::dry_run(&args),
        Command::Import(args) => on_runtime(import::import(cli.place, args)),
        Command::Follow(args) => on_runtime(follow::follow(cli.place, args)),
    }
}

/// All of a file, unless it has more than `most` bytes: then one more than that, so that the reader can tell.
fn bounded_read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(most + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn on_runtime(work: impl std::future::Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("cannot start", &error))?;
    runtime.block_on(work)
}

impl Place {
    /// The state folder that was asked for, or the one that this user has.
    ///
    /// # Errors
    ///
    /// Where none was asked for and the user has no home.
    pub fn state_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(state) = &self.state {
            return Ok(state.clone());
        }
        if rustix::process::geteuid().is_root() {
            return Ok(PathBuf::from(SYSTEM_STATE));
        }
        match std::env::var_os("HOME").filter(|home| !home.is_empty()) {
            Some(home) => Ok(PathBuf::from(home).join(USER_STATE)),
            None => Err(Failure::new(
                ExitCode::Usage,
                "this user has no home folder to keep state in",
                "Name a folder with --state DIR.",
            )),
        }
    }
}
