//! Cedar with the drawn rules: a policy for each, what is selective in its scope or first in its condition, the way its
//! documentation writes them. Deny overrides permit there as here.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::str::FromStr as _;

use anyhow::anyhow;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, RestrictedExpression,
};

use crate::drawn::{Folder, Launch, Rule, World, hex};

/// The rules as Cedar policies.
pub(crate) fn text(world: &World) -> anyhow::Result<String> {
    let mut text = String::new();
    for rule in &world.rules {
        writeln!(text, "{}", policy(rule))?;
    }
    Ok(text)
}

fn policy(rule: &Rule) -> String {
    let effect = if rule.denies { "forbid" } else { "permit" };
    let principal = match &rule.user_group {
        Some(group) => format!("principal in Group::\"{group}\""),
        None => "principal".to_owned(),
    };
    let resource = match &rule.hash {
        Some(hash) => format!("resource == File::\"{}\"", hex(hash)),
        None => "resource".to_owned(),
    };
    let mut conditions = vec![match &rule.name_end {
        Some(end) => format!("context.name like \"{}*{end}\"", rule.name),
        None => format!("context.name == \"{}\"", rule.name),
    }];
    let quoted = |text: &str| text.replace('\\', "\\\\");
    match &rule.folder {
        Folder::Any => {}
        Folder::Exactly(folder) => {
            conditions.push(format!("context.folder == \"{}\"", quoted(folder)))
        }
        Folder::Below(folder) => {
            conditions.push(format!("context.folder like \"{}*\"", quoted(folder)))
        }
    }
    if let Some(publisher) = &rule.publisher {
        conditions.push(format!("context.publisher == \"{publisher}\""));
    }
    if let Some((from, until)) = rule.minutes {
        conditions.push(format!(
            "context.minute >= {from} && context.minute < {until}"
        ));
    }
    if let Some(group) = &rule.device_group {
        conditions.push(format!("context.device_groups.contains(\"{group}\")"));
    }
    format!(
        "{effect}({principal}, action, {resource}) when {{ {} }};",
        conditions.join(" && ")
    )
}

/// Parses the policies.
pub(crate) fn load(text: &str) -> anyhow::Result<PolicySet> {
    Ok(PolicySet::from_str(text)?)
}

fn uid(kind: &str, id: &str) -> anyhow::Result<EntityUid> {
    let kind = EntityTypeName::from_str(kind)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// Cedar with its requests, made ahead of time.
pub(crate) struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    requests: Vec<Request>,
}

impl Cedar {
    pub(crate) fn new(world: &World, policies: PolicySet) -> anyhow::Result<Self> {
        let mut entities = Vec::new();
        for (number, groups) in world.users.iter().enumerate() {
            let parents = groups.iter().map(|group| uid("Group", group));
            let user = uid("User", &format!("user{number}"))?;
            entities.push(Entity::new(
                user,
                HashMap::new(),
                parents.collect::<Result<_, _>>()?,
            )?);
        }
        let requests = world.launches.iter().map(|launch| request(world, launch));
        Ok(Self {
            authorizer: Authorizer::new(),
            policies,
            entities: Entities::from_entities(entities, None)?,
            requests: requests.collect::<Result<_, _>>()?,
        })
    }

    /// Whether launch `number` is let through. A rule that fails to evaluate would be passed over, so that is an error.
    pub(crate) fn allows(&self, number: usize) -> bool {
        let request = &self.requests[number];
        let response = self
            .authorizer
            .is_authorized(request, &self.policies, &self.entities);
        response.decision() == Decision::Allow
    }

    /// That no policy fails to evaluate for launch `number`.
    pub(crate) fn sound(&self, number: usize) -> anyhow::Result<()> {
        let request = &self.requests[number];
        let response = self
            .authorizer
            .is_authorized(request, &self.policies, &self.entities);
        let mut errors = response.diagnostics().errors();
        errors
            .next()
            .map_or(Ok(()), |error| Err(anyhow!(error.to_string())))
    }
}

fn request(world: &World, launch: &Launch) -> anyhow::Result<Request> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let groups = world.devices[launch.device].iter().map(|group| text(group));
    let context = Context::from_pairs([
        ("name".to_owned(), text(&launch.name)),
        ("folder".to_owned(), text(&launch.folder)),
        ("publisher".to_owned(), text(&launch.publisher)),
        (
            "minute".to_owned(),
            RestrictedExpression::new_long(i64::from(launch.minute)),
        ),
        (
            "device_groups".to_owned(),
            RestrictedExpression::new_set(groups),
        ),
    ])?;
    let user = uid("User", &format!("user{}", launch.user))?;
    let file = uid("File", &hex(&launch.hash))?;
    Ok(Request::new(
        user,
        uid("Action", "elevate")?,
        file,
        context,
        None,
    )?)
}
