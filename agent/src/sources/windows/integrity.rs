//! Integrity levels: how much Windows trusts a process. It must not decide without a level.

/// A process's level, from the least trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Integrity {
    Untrusted,
    Low,
    Medium,
    High,
    System,
    Protected,
}

/// The authority that mandatory labels are SIDs of.
const LABEL_PREFIX: &str = "S-1-16-";

/// First relative ids of the levels, highest first; a label between two is of the lower level.
const LEVELS: [(u32, Integrity); 5] = [
    (20_480, Integrity::Protected),
    (16_384, Integrity::System),
    (12_288, Integrity::High),
    (8_192, Integrity::Medium),
    (4_096, Integrity::Low),
];

impl Integrity {
    /// The level that a label names: a SID (`S-1-16-12288`), rendered text (`Mandatory Label\High Mandatory Level`) or
    /// Sysmon's word (`High`).
    pub(super) fn parse(label: &str) -> Option<Self> {
        let label = label.trim();
        if let Some(relative_id) = label.strip_prefix(LABEL_PREFIX) {
            let relative_id: u32 = relative_id.parse().ok()?;
            let level = LEVELS.iter().find(|(first, _)| relative_id >= *first);
            return Some(level.map_or(Self::Untrusted, |(_, level)| *level));
        }
        let name = label.rsplit('\\').next()?;
        let word = name.split_whitespace().next()?.to_ascii_lowercase();
        match word.as_str() {
            "untrusted" => Some(Self::Untrusted),
            // Sysmon's name for a low process in an app container.
            "low" | "appcontainer" => Some(Self::Low),
            "medium" => Some(Self::Medium),
            "high" => Some(Self::High),
            "system" => Some(Self::System),
            "protected" => Some(Self::Protected),
            _ => None,
        }
    }

    /// Whether such a process has administrator rights.
    pub(super) fn is_elevated(self) -> bool {
        self >= Self::High
    }

    /// The level as records write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Untrusted => "Untrusted",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::System => "System",
            Self::Protected => "Protected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_reads_alike_in_its_three_forms() {
        for label in [
            "S-1-16-12288",
            "Mandatory Label\\High Mandatory Level",
            "High",
        ] {
            assert_eq!(Integrity::parse(label), Some(Integrity::High), "{label}");
        }
        assert_eq!(Integrity::parse("S-1-16-8448"), Some(Integrity::Medium));
        assert_eq!(Integrity::parse("S-1-16-0"), Some(Integrity::Untrusted));
        assert_eq!(Integrity::parse("AppContainer"), Some(Integrity::Low));
    }

    #[test]
    fn only_high_and_above_is_elevated() {
        let elevated: Vec<_> = [
            "S-1-16-4096",
            "S-1-16-8192",
            "S-1-16-12288",
            "S-1-16-16384",
            "S-1-16-20480",
        ]
        .iter()
        .filter_map(|label| Integrity::parse(label))
        .filter(|level| level.is_elevated())
        .collect();
        assert_eq!(
            elevated,
            [Integrity::High, Integrity::System, Integrity::Protected]
        );
    }

    #[test]
    fn what_names_no_level_gives_nothing() {
        for label in ["", "S-1-0-0", "S-1-16-", "?", "S-1-16-99999999999"] {
            assert_eq!(Integrity::parse(label), None, "{label}");
        }
    }
}
