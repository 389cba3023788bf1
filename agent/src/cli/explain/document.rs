//! An explanation as JSON: the decision in the words of the engine, the launch that it is about, and the file.

use epm_policy::{Decision, Explanation};
use serde::Serialize;

use crate::cli::attributes;
use crate::launch::Launch;

/// What would happen, and to what.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    explanation: Explanation,
    user: User<'a>,
    arguments: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    changeable_by_user: Option<String>,
    file: attributes::Document<'a>,
}

#[derive(Debug, Serialize)]
struct User<'a> {
    id: &'a str,
    name: &'a str,
    groups: Vec<&'a str>,
    local_administrator: bool,
}

impl<'a> Document<'a> {
    pub(super) fn of(launch: &'a Launch, decision: &Decision<'_>) -> Self {
        let person = &launch.person;
        Self {
            explanation: decision.explain(),
            user: User {
                id: person.id.as_str(),
                name: &person.name,
                groups: person.groups.iter().map(|group| group.as_str()).collect(),
                local_administrator: person.local_administrator,
            },
            arguments: launch.arguments.as_deref().unwrap_or_default(),
            changeable_by_user: launch
                .changeable_by_user()
                .map(|part| part.path.to_string_lossy().into_owned()),
            file: attributes::Document::of(&launch.file),
        }
    }
}
