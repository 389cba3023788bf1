//! The words that Privileges writes of a change, in all its versions. It must not know where they stand.

/// What stands in front of every message.
const MARK: &str = "SAPCorp: ";

/// What a message tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) user: &'a str,
    pub(super) change: Change,
    /// Why, in the user's own words; empty where nobody said.
    pub(super) reason: &'a str,
}

/// What happened to a person's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Change {
    Granted,
    GivenBack,
    Refused,
}

/// Words behind the user's name, and what they mean.
const CHANGES: [(&str, Change); 4] = [
    (" now has administrator privileges", Change::Granted),
    (" has now admin rights", Change::Granted),
    (" now has standard user privileges", Change::GivenBack),
    (" has now standard user rights", Change::GivenBack),
];

const FAILED: &str = "Failed to change privileges for user ";

/// Whether `line` holds a message of Privileges.
pub(super) fn is_in(line: &[u8]) -> bool {
    line.windows(MARK.len())
        .any(|bytes| bytes == MARK.as_bytes())
}

/// What stands before the message, and the message without its mark.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    text.split_once(MARK)
}

/// What the words behind the mark tell; `None` where they tell of no change.
pub(super) fn parse(words: &str) -> Option<Message<'_>> {
    if let Some(user) = words.strip_prefix(FAILED) {
        return Some(Message {
            user: user.trim(),
            change: Change::Refused,
            reason: "",
        });
    }
    let words = words.strip_prefix("User ")?;
    // The first of the phrases: behind it stands what a person wrote.
    let (at, phrase, change) = CHANGES
        .iter()
        .filter_map(|(phrase, change)| Some((words.find(phrase)?, *phrase, *change)))
        .min_by_key(|(at, ..)| *at)?;
    Some(Message {
        user: words[..at].trim(),
        change,
        reason: reason(&words[at + phrase.len()..]),
    })
}

fn reason(rest: &str) -> &str {
    let rest = rest.trim();
    match rest.strip_prefix("for the following reason:") {
        Some(reason) => {
            let reason = reason.trim();
            let quoted = reason
                .strip_prefix('"')
                .and_then(|reason| reason.strip_suffix('"'));
            quoted.unwrap_or(reason)
        }
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_says_it_in_other_words() {
        let cases = [
            (
                "User anna now has administrator privileges",
                Change::Granted,
                "",
            ),
            (
                "User anna now has administrator privileges for the following reason: \"to \"fix\" it\"",
                Change::Granted,
                "to \"fix\" it",
            ),
            (
                "User anna has now admin rights on MachineID: 1-2",
                Change::Granted,
                "",
            ),
            (
                "User anna has now admin rights for the following reason: disk",
                Change::Granted,
                "disk",
            ),
            (
                "User anna now has standard user privileges (privileges expired)",
                Change::GivenBack,
                "",
            ),
            (
                "User anna has now standard user rights",
                Change::GivenBack,
                "",
            ),
            (
                "Failed to change privileges for user anna",
                Change::Refused,
                "",
            ),
            (
                "User anna now has administrator privileges for the following reason: \"bob has now standard user rights\"",
                Change::Granted,
                "bob has now standard user rights",
            ),
        ];
        for (words, change, reason) in cases {
            let user = "anna";
            assert_eq!(
                parse(words),
                Some(Message {
                    user,
                    change,
                    reason
                }),
                "{words}"
            );
        }
        for other in [
            "",
            "User anna",
            "WARNING: no TLS",
            "Imported events from queue: 3",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
