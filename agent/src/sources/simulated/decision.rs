//! How a simulated elevation is decided: by the operating system, by a rule, by the default response or by support.
//!
//! The programme makes progress: people lose administrator rights, rules reach one department after the other, and
//! what was unmanaged becomes managed. Nothing here knows a clock.

use epm_proto::v1;

use super::catalogue::{Kind, Program, RuleKind};
use super::devices::{FleetDevice, Platform};
use super::draw::{Draw, uuid_text};
use super::people::{NETBIOS, Person};

/// Everything that a decision depends on.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) seed: u64,
    pub(super) device: &'a FleetDevice,
    pub(super) person: &'a Person,
    pub(super) program: &'a Program,
    /// Day of the programme; negative before it began.
    pub(super) day: i64,
    /// Rules in force for this department on that day.
    pub(super) rules_in_force: usize,
}

/// What came of it, in the record's own words.
#[derive(Clone, Debug, Default)]
pub(super) struct Decision {
    pub(super) outcome: v1::Outcome,
    pub(super) management: v1::Management,
    pub(super) source: v1::DecisionSource,
    pub(super) elevation_type: v1::ElevationType,
    pub(super) trigger: v1::Trigger,
    pub(super) run_as: v1::RunAs,
    pub(super) reason: &'static str,
    pub(super) justification: &'static str,
    pub(super) authenticated: bool,
    pub(super) policy: Option<v1::Policy>,
    /// Account whose credentials were typed, where it is not the person's own.
    pub(super) helper: Option<String>,
}

const JUSTIFICATIONS: [&str; 20] = [
    "Update asked for by the application on start",
    "Need the new version for the release build",
    "Ticket INC0048213, agreed with the service desk",
    "Installing a plug-in that the client sent",
    "Debugging a service that runs as SYSTEM",
    "Month-end close, the add-in will not load otherwise",
    "Changing the network adapter for the lab bench",
    "The licence dongle needs its driver",
    "Rendering fails without access to the scratch disk",
    "Local database must be restarted",
    "Setting up the demo for tomorrow's customer visit",
    "Docker will not start without it",
    "Editing the hosts file to test the staging address",
    "Capturing traffic for the vendor's support case",
    "Printer driver is out of date",
    "Second attempt, the first install rolled back",
    "Training material needs this program",
    "asdf",
    "work",
    "Need to install for project Harbour",
];

/// Decides what becomes of one wish to run a program with administrator rights.
pub(super) fn decide(question: &Question<'_>, draw: &mut Draw) -> Decision {
    let rule_in_force = question
        .program
        .rule
        .as_ref()
        .filter(|rule| question.day >= rule.day + question.person.persona.wave_days());
    let is_admin = is_local_admin(question.person, question.day);
    match (question.device.platform, rule_in_force) {
        (Platform::Windows, _) if is_admin => os_run_as(draw),
        (Platform::Linux, None) => sudo(is_admin, question.program, draw),
        // On Linux the first weeks go through sudo even where a rule exists: habits change slowly.
        (Platform::Linux, Some(_)) if is_admin || draw.chance(0.35) => {
            sudo(is_admin, question.program, draw)
        }
        (_, Some(rule)) => {
            let mut decision = by_rule(rule.kind, draw);
            decision.policy = Some(policy(question, rule.kind, &rule.id, &rule.name, draw));
            decision
        }
        (Platform::Windows, None) => no_rule(question, draw),
    }
}

/// Whether `person` still has administrator rights of their own on a day of the programme.
pub(super) fn is_local_admin(person: &Person, day: i64) -> bool {
    person.standard_from_day.is_none_or(|from| day < from)
}

// An administrator uses the system's own Run as administrator; a matching rule changes nothing about that.
fn os_run_as(draw: &mut Draw) -> Decision {
    let cancelled = draw.chance(0.02);
    Decision {
        outcome: if cancelled {
            v1::Outcome::Cancelled
        } else {
            v1::Outcome::Elevated
        },
        management: v1::Management::Unmanaged,
        source: v1::DecisionSource::None,
        elevation_type: v1::ElevationType::Unmanaged,
        trigger: v1::Trigger::OsRunas,
        run_as: v1::RunAs::CurrentUser,
        reason: if cancelled {
            "consent prompt closed by the user"
        } else {
            ""
        },
        ..Decision::default()
    }
}

fn sudo(is_sudoer: bool, program: &Program, draw: &mut Draw) -> Decision {
    let (outcome, reason) = match draw.below(100) {
        // Servers keep sudo for everybody who logs in there; on workstations a few are refused.
        0..=6 if !is_sudoer => (v1::Outcome::Denied, "user NOT in sudoers"),
        7..=9 => (v1::Outcome::Denied, "3 incorrect password attempts"),
        10 if program.kind == Kind::Shell => (v1::Outcome::Denied, "command not allowed"),
        _ => (v1::Outcome::Elevated, ""),
    };
    let trigger = match program.kind {
        Kind::Shell if program.is_su() => v1::Trigger::Su,
        Kind::Installer if draw.chance(0.25) => v1::Trigger::Pkexec,
        _ => v1::Trigger::Sudo,
    };
    Decision {
        outcome,
        management: v1::Management::Unmanaged,
        source: v1::DecisionSource::None,
        elevation_type: v1::ElevationType::Unmanaged,
        trigger,
        run_as: v1::RunAs::Root,
        reason,
        ..Decision::default()
    }
}

fn by_rule(kind: RuleKind, draw: &mut Draw) -> Decision {
    let managed = Decision {
        outcome: v1::Outcome::Elevated,
        management: v1::Management::Managed,
        source: v1::DecisionSource::Rule,
        trigger: v1::Trigger::RunWithElevatedAccess,
        run_as: v1::RunAs::VirtualAccount,
        ..Decision::default()
    };
    match kind {
        RuleKind::Automatic => Decision {
            elevation_type: v1::ElevationType::Automatic,
            trigger: v1::Trigger::Automatic,
            ..managed
        },
        RuleKind::UserConfirmed => confirmed(
            v1::ElevationType::UserConfirmed,
            draw.chance(0.15),
            managed,
            draw,
        ),
        RuleKind::CurrentUser => Decision {
            run_as: v1::RunAs::CurrentUser,
            ..confirmed(v1::ElevationType::CurrentUser, true, managed, draw)
        },
        RuleKind::SupportApproved => {
            let approved = draw.chance(0.85);
            Decision {
                outcome: if approved {
                    v1::Outcome::Elevated
                } else {
                    v1::Outcome::Denied
                },
                source: v1::DecisionSource::Approval,
                elevation_type: v1::ElevationType::SupportApproved,
                justification: draw.pick(&JUSTIFICATIONS),
                reason: if approved {
                    ""
                } else {
                    "request denied by support"
                },
                ..managed
            }
        }
        RuleKind::Deny => Decision {
            outcome: v1::Outcome::Denied,
            elevation_type: v1::ElevationType::Deny,
            reason: "denied by rule",
            ..managed
        },
    }
}

fn confirmed(
    kind: v1::ElevationType,
    authenticated: bool,
    managed: Decision,
    draw: &mut Draw,
) -> Decision {
    let justification = if draw.chance(0.8) {
        draw.pick(&JUSTIFICATIONS)
    } else {
        ""
    };
    let (outcome, reason) = match draw.below(200) {
        0..=8 => (v1::Outcome::Cancelled, "prompt closed by the user"),
        9..=11 => (
            v1::Outcome::Failed,
            "the program could not be started: file not found",
        ),
        12..=13 if authenticated => (v1::Outcome::Denied, "authentication failed"),
        _ => (v1::Outcome::Elevated, ""),
    };
    Decision {
        outcome,
        elevation_type: kind,
        justification,
        reason,
        authenticated: authenticated && outcome == v1::Outcome::Elevated,
        ..managed
    }
}

// A standard user and no rule: the default response answers, or the service desk types its own credentials.
fn no_rule(question: &Question<'_>, draw: &mut Draw) -> Decision {
    let managed = Decision {
        management: v1::Management::Managed,
        source: v1::DecisionSource::DefaultResponse,
        trigger: v1::Trigger::RunWithElevatedAccess,
        run_as: v1::RunAs::VirtualAccount,
        ..Decision::default()
    };
    match draw.below(100) {
        0..=44 => Decision {
            outcome: v1::Outcome::Elevated,
            management: v1::Management::Unmanaged,
            source: v1::DecisionSource::None,
            elevation_type: v1::ElevationType::Unmanaged,
            trigger: v1::Trigger::UacCredential,
            run_as: v1::RunAs::Other,
            helper: Some(format!(
                r"{NETBIOS}\helpdesk{:02}",
                question.device.index % 7 + 1
            )),
            ..Decision::default()
        },
        45..=69 => confirmed(v1::ElevationType::UserConfirmed, false, managed, draw),
        _ => Decision {
            outcome: v1::Outcome::Denied,
            elevation_type: v1::ElevationType::Deny,
            reason: "no rule matched and the default response is deny",
            ..managed
        },
    }
}

fn policy(
    question: &Question<'_>,
    kind: RuleKind,
    rule_id: &str,
    rule_name: &str,
    draw: &mut Draw,
) -> v1::Policy {
    let department = question.person.persona.department();
    let seed = question.seed.to_le_bytes();
    let is_for_user = draw.chance(0.7);
    // One in six programs is also covered by a broader rule for its publisher, which loses.
    let mut candidate_rule_ids = vec![rule_id.to_owned()];
    let has_rival = rule_id.as_bytes().first().is_some_and(|byte| byte % 6 == 0);
    if has_rival {
        candidate_rule_ids.push(uuid_text(&[
            b"publisher-rule",
            question.program.company.as_bytes(),
        ]));
    }
    let deciding_step = match (kind, has_rival) {
        (RuleKind::Deny, _) => "deny_first",
        (_, false) => "only_match",
        (RuleKind::Automatic, true) => "file_hash",
        (_, true) => "most_attributes",
    };
    v1::Policy {
        policy_id: uuid_text(&[b"policy", &seed, department.as_bytes()]),
        policy_name: format!("Elevation rules: {department}"),
        policy_version: question.rules_in_force.to_string(),
        rule_id: rule_id.to_owned(),
        rule_name: rule_name.to_owned(),
        rule_target: if is_for_user {
            v1::RuleTarget::User
        } else {
            v1::RuleTarget::Device
        }
        .into(),
        candidate_rule_ids,
        deciding_step: deciding_step.to_owned(),
        attribute_score: if kind == RuleKind::Automatic { 5 } else { 3 },
    }
}
