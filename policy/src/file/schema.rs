//! The JSON Schema of policy files, made from the model: its comments are the descriptions.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::Policies;

/// The schema as JSON text, as it is published in `docs/policy.schema.json`. It says which keys and kinds of values there
/// are; what belongs together is said by validation.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Policies);
    let mut text = format!("{:#}", sorted(schema.to_value()));
    text.push('\n');
    text
}

/// Keys in the order of their letters, so that the text does not depend on how another crate wants its maps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, sorted(value)));
            let fields: BTreeMap<String, Value> = fields.collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::schema;

    #[test]
    fn the_published_schema_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.schema.json");
        let made = schema();
        if std::env::var_os("EPM_UPDATE_REFERENCE").is_some() {
            std::fs::write(path, &made).expect("the schema can be written");
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == made,
            "docs/policy.schema.json is stale: run the tests once with EPM_UPDATE_REFERENCE=1"
        );
    }
}
