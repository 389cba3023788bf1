//! Names that people give to things. They stand in menus and lists, so they are short and in one line.

use serde::{Deserialize, Serialize};

/// Characters of a name: it stands in a menu.
const MAX_CHARS: usize = 64;

/// A name that fits a menu: trimmed, from 1 to 64 characters, none of which ends a line or hides others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has from 1 to {limit} characters and none of them ends a line")]
pub struct InvalidName {
    /// The most.
    pub limit: usize,
}

impl Name {
    /// Reads what somebody wrote; spaces around it do not count.
    ///
    /// # Errors
    ///
    /// [`InvalidName`].
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let text = text.trim();
        let fits = (1..=MAX_CHARS).contains(&text.chars().count());
        if !fits || text.chars().any(char::is_control) {
            return Err(InvalidName { limit: MAX_CHARS });
        }
        Ok(Self(text.to_owned()))
    }

    /// A name that is part of the program.
    pub(crate) fn fixed(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it is compared: nobody tells two names apart by their case.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
