//! `explain`: what would happen to a program under a policy file, and why. It asks the engine as enforcement does, through
//! [`Launch::with`], and must neither run nor record anything.

mod document;
mod text;
mod why;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use epm_policy::{
    ChildBehaviour, DeviceId, ElevationType, Grant, GroupId, Moment, Platform, Trigger, Variables,
};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::failure::{ExitCode, Failure};
use super::{attributes, policy, terminal};
use crate::file_facts::contents::Depth;
use crate::file_facts::{self, Facts};
use crate::launch::{self, Device, Launch, Person};

/// Options of `explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The policy file: YAML, or JSON where the name ends in .json.
    #[arg(long, value_name = "FILE", env = "EPM_POLICY")]
    pub policy: PathBuf,
    /// The program: a path, or a name that is looked for in the system's folders.
    #[arg(value_name = "PROGRAM")]
    pub program: PathBuf,
    /// Arguments that the program would get.
    #[arg(long, value_name = "ARG", env = "EPM_ARGS", num_args = 0.., allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// Who would start it, by name or number [default: whoever asks].
    #[arg(long, value_name = "USER", env = "EPM_USER")]
    pub user: Option<String>,
    /// A further group of that user; may be repeated.
    #[arg(
        long,
        value_name = "GROUP",
        env = "EPM_USER_GROUP",
        value_delimiter = ','
    )]
    pub user_group: Vec<String>,
    /// Whether the user administers the device [default: as the user's groups say].
    #[arg(long, value_name = "BOOL", env = "EPM_ADMINISTRATOR")]
    pub administrator: Option<bool>,
    /// Id of the device.
    #[arg(long, value_name = "ID", env = "EPM_DEVICE")]
    pub device: Option<String>,
    /// A group that the device is in; may be repeated.
    #[arg(
        long,
        value_name = "GROUP",
        env = "EPM_DEVICE_GROUP",
        value_delimiter = ','
    )]
    pub device_group: Vec<String>,
    /// How it would be started.
    #[arg(
        long,
        value_name = "HOW",
        env = "EPM_TRIGGER",
        default_value = "elevate"
    )]
    pub trigger: AskedTrigger,
    /// Full path of the program that would start it.
    #[arg(long, value_name = "PATH", env = "EPM_PARENT")]
    pub parent: Option<String>,
    /// When, as in 2026-11-24T10:00:00Z or 2026-11-24T10:00 [default: now].
    #[arg(long, value_name = "TIME", env = "EPM_AT")]
    pub at: Option<String>,
    /// Judge the file as if it lay at this path.
    #[arg(long, value_name = "PATH", env = "EPM_AS_PATH")]
    pub as_path: Option<String>,
    /// Whose rules for paths hold.
    #[arg(
        long,
        value_name = "SYSTEM",
        env = "EPM_PLATFORM",
        default_value = "linux"
    )]
    pub platform: AskedPlatform,
    /// Root certificates that signers are judged by, PEM.
    #[arg(long, value_name = "FILE", env = "EPM_TRUSTED_ROOTS")]
    pub trusted_roots: Option<PathBuf>,
    /// Answer as one JSON object.
    #[arg(long, env = "EPM_JSON")]
    pub json: bool,
}

/// How a program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AskedTrigger {
    /// The user asks for it.
    Elevate,
    /// As any other program.
    Ordinary,
    /// By a program that was elevated and asks for rules of its children.
    Child,
}

/// A system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names of the systems")]
pub enum AskedPlatform {
    Linux,
    Windows,
}

pub(super) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let set = policy::set(&args.policy)?;
    let launch = launch(args)?;
    let settings = launch.with(|request| set.settings_for(request));
    let decision = launch.with(|request| set.decide(request));
    if args.json {
        let document = document::Document::of(&launch, &decision);
        terminal::say(serde_json::to_string(&document).unwrap_or_default());
    } else {
        terminal::say(text::text(&launch, &settings, &decision, &args.policy));
    }
    Ok(())
}

fn launch(args: &ExplainArgs) -> Result<Launch, Failure> {
    let moment = moment(args.at.as_deref())?;
    let person = person(args)?;
    let device = Device {
        id: args.device.as_deref().map(DeviceId::from),
        groups: args
            .device_group
            .iter()
            .map(|group| GroupId::from(&**group))
            .collect(),
        inactive: false,
    };
    let platform = match args.platform {
        AskedPlatform::Linux => Platform::Linux,
        AskedPlatform::Windows => Platform::Windows,
    };
    let trigger = match args.trigger {
        AskedTrigger::Elevate => Trigger::RunWithElevatedAccess,
        AskedTrigger::Ordinary => Trigger::OrdinaryLaunch,
        AskedTrigger::Child => Trigger::Child(Grant::new(
            ElevationType::UserConfirmed,
            ChildBehaviour::RequireRule,
        )),
    };
    Ok(Launch {
        platform,
        trigger,
        file: facts(args, moment.unix_s)?,
        arguments: Some(args.args.clone()),
        person,
        device,
        parent_path: args.parent.clone(),
        moment,
        variables: Variables::default(),
        approvals: Vec::new(),
    })
}

fn facts(args: &ExplainArgs, now_s: i64) -> Result<Facts, Failure> {
    let Some(path) = launch::find(&args.program) else {
        let folders = launch::SEARCHED_FOLDERS.join(", ");
        return Err(Failure::new(
            ExitCode::File,
            format!(
                "there is no program {} in {folders}",
                args.program.display()
            ),
            "Name it with its folder.",
        ));
    };
    let witnesses = attributes::witnesses(args.trusted_roots.as_deref())?;
    let looked = file_facts::open(&path)
        .and_then(|file| file_facts::look(&file, &path, Depth::Rules, &witnesses, now_s));
    let mut facts = looked.map_err(|error| attributes::unreadable_file(&error))?;
    if let Some(path) = &args.as_path {
        facts.path = Path::new(path).to_owned();
    }
    Ok(facts)
}

fn person(args: &ExplainArgs) -> Result<Person, Failure> {
    let asking = || rustix::process::geteuid().as_raw().to_string();
    let user = args.user.clone().unwrap_or_else(asking);
    let mut person = Person::named(&user).map_err(|error| {
        Failure::new(
            ExitCode::Usage,
            super::failure::with_causes(&error),
            "Name a user of this device with --user USER.",
        )
    })?;
    person
        .groups
        .extend(args.user_group.iter().map(|group| GroupId::from(&**group)));
    if let Some(administrator) = args.administrator {
        person.local_administrator = administrator;
    }
    Ok(person)
}

/// A time with its zone; without one it is of the wall clock here.
fn moment(at: Option<&str>) -> Result<Moment, Failure> {
    let zone = TimeZone::system();
    let time = match at {
        None => Some(Zoned::now()),
        Some(text) => {
            let exact = text
                .parse::<Timestamp>()
                .map(|time| time.to_zoned(zone.clone()));
            let wall = || {
                text.parse::<jiff::civil::DateTime>()?
                    .to_zoned(zone.clone())
            };
            exact.or_else(|_| wall()).ok()
        }
    };
    let time = time.ok_or_else(|| {
        Failure::new(
            ExitCode::Usage,
            format!("{:?} is no time", at.unwrap_or_default()),
            "Write it as in 2026-11-24T10:00:00Z with --at TIME.",
        )
    })?;
    Ok(Moment {
        unix_s: time.timestamp().as_second(),
        utc_offset_min: i16::try_from(time.offset().seconds() / 60).unwrap_or(0),
    })
}
