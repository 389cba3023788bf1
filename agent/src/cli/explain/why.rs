//! The engine's words in sentences: outcomes, reasons and what to do about them. Closed lists, so that a new word cannot
//! be forgotten here. It must not judge anything itself.

use epm_policy::{
    ChildBehaviour, DecidingStep, Decision, Denial, EffectiveSettings, ElevationType, Failure,
    Grant, LossReason, MissReason, NearMiss, Outcome, RuleAttribute, RunAs, SignatureSource,
    Unelevated, Unmanaged, Validation,
};

use super::text::names_rule;
use crate::launch::Launch;

/// What would happen.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Elevate(grant) => format!("ELEVATED at once, {}", granted(grant)),
        Outcome::Confirm(grant, validation) => {
            format!(
                "ELEVATED after the user {}, {}",
                confirms(*validation),
                granted(grant)
            )
        }
        Outcome::RequestApproval => {
            "NOT ELEVATED until support approves; the user is asked for a reason".to_owned()
        }
        Outcome::Deny(_) => "DENIED, and the user is told".to_owned(),
        Outcome::RunUnelevated(_) => "NOT ELEVATED: it runs with the user's own rights".to_owned(),
        Outcome::Unmanaged(_) => {
            "NOT MANAGED: the system does what it does without the agent".to_owned()
        }
        Outcome::Fail(_) => "FAILS: this file cannot be elevated".to_owned(),
    }
}

fn confirms(validation: Validation) -> &'static str {
    match (validation.business_justification, validation.authentication) {
        (false, false) => "confirms",
        (true, false) => "gives a justification",
        (false, true) => "authenticates",
        (true, true) => "gives a justification and authenticates",
    }
}

fn granted(grant: &Grant) -> String {
    let account = match grant.run_as {
        RunAs::VirtualAccount => "as an account of its own",
        RunAs::CurrentUser => "as the user",
    };
    let children = match grant.children {
        ChildBehaviour::RequireRule => "what it starts needs rules too",
        ChildBehaviour::DenyAll => "what it starts is not elevated",
        ChildBehaviour::AllowAll => "whatever it starts is elevated too",
    };
    format!("{account}; {children}")
}

pub(super) fn elevation_type(elevation_type: ElevationType) -> &'static str {
    match elevation_type {
        ElevationType::UserConfirmed => "user confirmed",
        ElevationType::CurrentUser => "elevate as current user",
        ElevationType::SupportApproved => "support approved",
        ElevationType::Automatic => "automatic",
        ElevationType::Deny => "deny",
    }
}

/// Which question settled it.
pub(super) fn step(decision: &Decision<'_>, settings: &EffectiveSettings) -> String {
    let sentence = match decision.step {
        DecidingStep::NotActive if !settings.conflicts.is_empty() => {
            "settings policies contradict each other, and elevation is not managed here"
        }
        DecidingStep::NotActive => "no settings policy switches elevation on for this launch",
        DecidingStep::LocalAdministrator => {
            "administrators are not managed, whatever the rules say"
        }
        DecidingStep::ParentRule => {
            "the rule of the program that starts it speaks for its children"
        }
        DecidingStep::FileNotSupported => return failed(decision),
        DecidingStep::Deny => "a deny rule knows the file, and nothing beats a deny rule",
        DecidingStep::OnlyCandidate => "exactly one rule that acts matches",
        DecidingStep::UserTarget => "a rule deployed to the user beats one deployed to the device",
        DecidingStep::Hash => "a rule with a hash beats one without",
        DecidingStep::AttributeCount => {
            "of the rules that match, the one with more attributes wins"
        }
        DecidingStep::TypeOrder => "the rules are equally specific, and the order of types decides",
        DecidingStep::RuleId => "the rules are equal in everything, and the lesser id wins",
        DecidingStep::Arguments => "the rule that won lists its arguments, and another was given",
        DecidingStep::OrdinaryLaunch => "only automatic rules act where nobody asks for elevation",
        DecidingStep::DefaultResponse => match settings.default_response {
            Some(_) => "no rule matches, so the default response answers",
            None => "no rule matches, and no default response is configured: that denies",
        },
        DecidingStep::NoRule => "no rule matches, and no default response applies to children",
    };
    format!("{sentence} ({})", decision.step)
}

fn failed(decision: &Decision<'_>) -> String {
    let failure = match decision.outcome {
        Outcome::Fail(failure) | Outcome::RunUnelevated(Unelevated::FileNotSupported(failure)) => {
            failure
        }
        _ => return format!("the file cannot be elevated ({})", decision.step),
    };
    let sentence = match failure {
        Failure::UnsupportedFileType => "only exe, msi and ps1 files can be elevated",
        Failure::NetworkPath => "the file's bytes come from another machine",
        Failure::BlockedDownload => "the file was downloaded, and nobody vouched for it",
        Failure::PathNotCanonical => "the path is relative, takes turns, or is no text",
    };
    format!("{sentence} ({})", decision.step)
}

/// Why a rule that matched did not win.
pub(super) fn loss(reason: LossReason) -> &'static str {
    match reason {
        LossReason::DenyRule => "lost, a deny rule matches",
        LossReason::UserTarget => "lost, the winner is deployed to the user",
        LossReason::Hash => "lost, the winner has a hash",
        LossReason::AttributeCount => "lost, the winner has more attributes",
        LossReason::TypeOrder => "lost, the winner's type goes first",
        LossReason::RuleId => "lost, the winner's id is less",
        LossReason::ReportOnly => "it only reports",
        LossReason::OrdinaryLaunch => "held back, nobody asked for elevation",
        LossReason::LocalAdministrator => "held back, administrators are not managed",
    }
}

/// What a rule wanted and what the file has.
pub(super) fn miss(miss: &NearMiss<'_>, launch: &Launch) -> String {
    let detection = &miss.rule.detection;
    let conditions = &miss.rule.conditions;
    let or_any = |text: &Option<String>| text.clone().unwrap_or_else(|| "any".to_owned());
    let facts = launch.file.as_policy();
    let known =
        |text: Option<&str>| text.map_or_else(|| "not known".to_owned(), |t| format!("{t:?}"));
    let (what, wanted, found) = match miss.attribute {
        RuleAttribute::Assignment => {
            return "its policy is not assigned to this user or device".to_owned();
        }
        RuleAttribute::Time => return "its time window does not hold now".to_owned(),
        RuleAttribute::DeviceGroups => {
            return "the device is in none of its groups; --device-group names one".to_owned();
        }
        RuleAttribute::FileName => {
            let name = launch.file.file_name();
            ("name", detection.file_name.clone(), known(name))
        }
        RuleAttribute::FilePath => {
            let folder = launch.file.path.parent().and_then(|folder| folder.to_str());
            ("folder", or_any(&detection.file_path), known(folder))
        }
        RuleAttribute::FileHash => {
            let wanted = detection.file_hash.map(|hash| hash.to_string());
            (
                "SHA-256",
                or_any(&wanted),
                launch.file.contents.sha256.to_string(),
            )
        }
        RuleAttribute::Signature => return format!("signature: {}", signed(miss, launch)),
        RuleAttribute::MinimumVersion => {
            let wanted = detection
                .minimum_version
                .map(|version| format!("{version} or later"));
            let found = facts.version.map(|version| version.to_string());
            ("version", or_any(&wanted), known(found.as_deref()))
        }
        RuleAttribute::FileDescription => (
            "description",
            or_any(&detection.file_description),
            known(facts.description),
        ),
        RuleAttribute::ProductName => (
            "product",
            or_any(&detection.product_name),
            known(facts.product_name),
        ),
        RuleAttribute::InternalName => (
            "internal name",
            or_any(&detection.internal_name),
            known(facts.internal_name),
        ),
        RuleAttribute::ParentPath => {
            let found = known(launch.parent_path.as_deref());
            ("parent program", or_any(&conditions.parent_path), found)
        }
    };
    let note = match miss.reason {
        MissReason::Different => "",
        MissReason::Unknown => " (a fact that is not known matches nothing)",
    };
    format!("{what}: the rule wants {wanted:?}, and it is {found}{note}")
}

fn signed(miss: &NearMiss<'_>, launch: &Launch) -> String {
    let facts = &launch.file;
    match &miss.rule.detection.signature {
        SignatureSource::Package { name, origin } => {
            let origin = origin
                .as_ref()
                .map_or_else(String::new, |origin| format!(" by {origin}"));
            let found = match &facts.package {
                None => "no package knows it".to_owned(),
                Some(package) if package.unchanged != Some(true) => {
                    format!("it is not as package {} brought it", package.name)
                }
                Some(package) => {
                    let by = package.origin.as_deref().unwrap_or("nobody named");
                    format!("it came with package {} by {by}", package.name)
                }
            };
            format!("the rule wants package {name}{origin}, and {found}")
        }
        _ => {
            let status = crate::cli::attributes::status(facts.signature_status());
            let by = facts
                .signature()
                .and_then(|signature| signature.signer.as_ref());
            let by = by.map_or_else(String::new, |by| format!(" by {}", by.subject));
            format!(
                "the rule's certificate must have signed the file validly, and it is {status}{by}"
            )
        }
    }
}

/// What an administrator can do where the outcome is not what is wanted, and what to beware of.
pub(super) fn remedies(decision: &Decision<'_>, launch: &Launch) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(remedy(decision, launch));
    let refused = matches!(
        decision.outcome,
        Outcome::Deny(Denial::DefaultResponse) | Outcome::RunUnelevated(Unelevated::NoRule)
    );
    if let Some(nearest) = decision.near_misses.rules.first().filter(|_| refused) {
        lines.push(format!(
            "Or change the rule that nearly matched: {}.",
            names_rule(nearest)
        ));
    }
    let elevated = decision.outcome.permissiveness() > 0;
    if let Some(part) = launch.changeable_by_user().filter(|_| elevated) {
        let path = part.path.display();
        lines.push(format!(
            "BEWARE: the user can change {path}, and so what is elevated."
        ));
        if decision
            .winner
            .is_none_or(|winner| winner.rule.detection.file_hash.is_none())
        {
            lines.push(
                "Move the program to where only root can write, or give its hash.".to_owned(),
            );
        }
    }
    lines
}

fn remedy(decision: &Decision<'_>, launch: &Launch) -> Option<String> {
    let winner = decision.winner.map(|winner| winner.rule);
    let id = winner.map(|rule| rule.id.to_string()).unwrap_or_default();
    Some(match decision.outcome {
        Outcome::Elevate(_) | Outcome::Confirm(..) => return None,
        Outcome::RequestApproval => {
            "Approve the request, or write a rule of another type.".to_owned()
        }
        Outcome::Deny(Denial::DenyRule) => {
            format!("Remove or narrow the deny rule {id}; no other rule can beat it.")
        }
        Outcome::Deny(Denial::UnlistedArgument) => {
            let allowed = winner.and_then(|rule| rule.allowed_arguments.as_deref());
            let allowed = allowed.unwrap_or_default();
            let mut given = launch.arguments.iter().flatten();
            let unlisted = given.find(|argument| !allowed.contains(argument));
            let unlisted = unlisted.map_or("the argument", |argument| argument);
            format!("Add {unlisted:?} to allowed_arguments of {id}, which has {allowed:?}.")
        }
        Outcome::Deny(Denial::DefaultResponse) => {
            "Write a rule for this file; `epm-agent attributes` shows by what it can be known."
                .to_owned()
        }
        Outcome::RunUnelevated(Unelevated::ParentDeniesChildren) => {
            "Set child_behaviour of the parent's rule to require_rule, and write a rule.".to_owned()
        }
        Outcome::RunUnelevated(Unelevated::NoRule) => "Write a rule for this child.".to_owned(),
        Outcome::Unmanaged(Unmanaged::NotActive) => {
            "Assign a settings policy that reaches this user or device, with enabled: true."
                .to_owned()
        }
        Outcome::Unmanaged(Unmanaged::LocalAdministrator) => {
            "Take the user out of the administrators; rules hold for standard users.".to_owned()
        }
        Outcome::Unmanaged(Unmanaged::OrdinaryLaunch) => {
            "Start it with `elevate`, or write an automatic rule.".to_owned()
        }
        Outcome::Fail(failure) | Outcome::RunUnelevated(Unelevated::FileNotSupported(failure)) => {
            match failure {
                Failure::NetworkPath => "Install the program on a local disk.",
                Failure::BlockedDownload => "Have the download checked and its mark removed.",
                Failure::UnsupportedFileType => "Elevate the program that opens the file.",
                Failure::PathNotCanonical => "Start it by its full path.",
            }
            .to_owned()
        }
    })
}
