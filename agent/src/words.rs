//! The words of the wire's enums, as reports and JSON have them: `OUTCOME_ELEVATED` is `elevated`.

/// The word of a value by its name on the wire. What is unspecified has the empty word.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    let bare = name.strip_prefix(prefix).unwrap_or(name);
    let bare = bare.strip_prefix('_').unwrap_or(bare);
    match bare {
        "UNSPECIFIED" => String::new(),
        bare => bare.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use epm_proto::v1;

    use super::*;

    #[test]
    fn words_are_those_of_the_reports() {
        let words = [
            word(v1::Outcome::Elevated.as_str_name(), "OUTCOME"),
            word(v1::SensorKind::Security4688.as_str_name(), "SENSOR_KIND"),
            word(v1::LossReason::OutOfScope.as_str_name(), "LOSS_REASON"),
            word(v1::Trigger::Unspecified.as_str_name(), "TRIGGER"),
        ];
        assert_eq!(words, ["elevated", "security_4688", "out_of_scope", ""]);
    }
}
