//! The shape of the settings catalogue: settings hold instances, an instance holds a value, a choice with children, or a
//! collection of them. It must not know what a setting means.

use serde_json::Value;

/// A setting with its value, out of whatever nesting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// What is left of its id behind the part that all ids share, in lower case.
    pub(super) id: String,
    /// Its value as text; a choice likewise without the part that all share.
    pub(super) value: String,
}

/// A field by its name in any case: tools write `settingInstance` and `SettingInstance`.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let fields = value.as_object()?;
    fields.get(name).or_else(|| {
        let mut fields = fields.iter();
        fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    })
}

/// A field's text.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    field(value, name)?.as_str()
}

/// A field's list; empty where there is none.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let list = field(value, name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// The instances of an exported policy: those of its settings, or the one of a reusable setting.
pub(super) fn instances(policy: &Value) -> Vec<&Value> {
    let settings = list(policy, "settings").iter();
    let mut instances: Vec<&Value> = settings
        .filter_map(|s| field(s, "settingInstance"))
        .collect();
    instances.extend(field(policy, "settingInstance"));
    instances
}

/// The groups of a collection, each as its flat settings. `shared` is what all ids and choices begin with, up to and
/// with its last word.
pub(super) fn groups(instance: &Value, shared: &str) -> Vec<Vec<Setting>> {
    let groups = list(instance, "groupSettingCollectionValue").iter();
    let flat = |group: &Value| {
        let mut settings = Vec::new();
        for child in list(group, "children") {
            flatten(child, shared, &mut settings);
        }
        settings
    };
    groups.map(flat).collect()
}

/// An instance and everything in it.
pub(super) fn flatten(instance: &Value, shared: &str, into: &mut Vec<Setting>) {
    let id = after(
        text(instance, "settingDefinitionId").unwrap_or_default(),
        shared,
    );
    let simple = field(instance, "simpleSettingValue").into_iter();
    let simples = list(instance, "simpleSettingCollectionValue").iter();
    for value in simple.chain(simples) {
        let value = match field(value, "value") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => continue,
            Some(other) => other.to_string(),
        };
        into.push(Setting {
            id: id.clone(),
            value,
        });
    }
    let choice = field(instance, "choiceSettingValue").into_iter();
    let choices = list(instance, "choiceSettingCollectionValue").iter();
    for value in choice.chain(choices) {
        if let Some(chosen) = text(value, "value") {
            into.push(Setting {
                id: id.clone(),
                value: after(chosen, shared),
            });
        }
        for child in list(value, "children") {
            flatten(child, shared, into);
        }
    }
}

/// What follows `shared` and an underscore, in lower case; all of it where it does not have that part.
fn after(text: &str, shared: &str) -> String {
    let lower = text.to_ascii_lowercase();
    match lower.split_once(shared) {
        Some((_, rest)) => rest.trim_start_matches('_').to_owned(),
        None => lower,
    }
}
