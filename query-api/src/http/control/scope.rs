//! A scope as requests and answers write it: groups and tags, where leaving one out means no limit by it.

use std::collections::BTreeSet;

use epm_control::{Limit, Scope, Tag};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which devices. A device must be in one of the groups and carry one of the tags; an empty list is nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeBody {
    /// Ids of device groups; left out for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<BTreeSet<Uuid>>,
    /// Tags; left out for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeSet<String>>,
}

impl From<ScopeBody> for Scope {
    fn from(body: ScopeBody) -> Self {
        Self {
            groups: match body.groups {
                None => Limit::Any,
                Some(ids) => Limit::OneOf(
                    ids.into_iter()
                        .map(epm_control::DeviceGroup::name_of)
                        .collect(),
                ),
            },
            tags: match body.tags {
                None => Limit::Any,
                Some(tags) => Limit::OneOf(tags.into_iter().map(Tag).collect()),
            },
        }
    }
}

impl From<&Scope> for ScopeBody {
    fn from(scope: &Scope) -> Self {
        Self {
            groups: match &scope.groups {
                Limit::Any => None,
                Limit::OneOf(ids) => Some(
                    ids.iter()
                        .filter_map(|id| Uuid::try_parse(id.as_str()).ok())
                        .collect(),
                ),
            },
            tags: match &scope.tags {
                Limit::Any => None,
                Limit::OneOf(tags) => Some(tags.iter().map(|tag| tag.0.clone()).collect()),
            },
        }
    }
}
