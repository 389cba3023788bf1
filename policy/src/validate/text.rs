//! Checks of single texts: lengths, characters, patterns. It must not know what a rule is.

use super::At;
use super::problem::{Field, Problem as P};
use crate::limits::{
    MAX_DESCRIPTION_CHARS, MAX_FILE_NAME_CHARS, MAX_ID_CHARS, MAX_METADATA_CHARS, MAX_NAME_CHARS,
    MAX_PATH_CHARS, MAX_VARIABLES, MAX_WILDCARDS, MIN_METADATA_CHARS,
};
use crate::model::Platform;
use crate::paths::{WINDOWS_FILE_TYPES, extension, fold, separator};

/// Characters that no Windows file or folder name has. `?` and `*` are wildcards in patterns.
const WINDOWS_FORBIDDEN: &str = "<>:\"/\\|";

pub(super) fn id(at: &mut At<'_>, field: Field, text: &str) {
    present(at, field, text, MAX_ID_CHARS);
}

pub(super) fn name(at: &mut At<'_>, text: &str) {
    present(at, Field::Name, text, MAX_NAME_CHARS);
}

pub(super) fn description(at: &mut At<'_>, text: &str) {
    at_most(at, Field::Description, text, MAX_DESCRIPTION_CHARS);
}

/// A text that must be there, in one line.
pub(super) fn present(at: &mut At<'_>, field: Field, text: &str, most: usize) {
    if text.trim().is_empty() {
        at.found(field, P::Missing);
    }
    at_most(at, field, text, most);
    no_control(at, field, text);
}

pub(super) fn at_most(at: &mut At<'_>, field: Field, text: &str, most: usize) {
    let chars = text.chars().count();
    if chars > most {
        at.found(field, P::TooLong { chars, most });
    }
}

fn no_control(at: &mut At<'_>, field: Field, text: &str) {
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        at.found(field, P::ForbiddenCharacter(control));
    }
}

/// Description, product or internal name that a file must have.
pub(super) fn metadata(at: &mut At<'_>, field: Field, text: Option<&String>) {
    let Some(text) = text else { return };
    let chars = text.chars().count();
    if chars < MIN_METADATA_CHARS {
        at.found(field, P::TooShort { chars });
    }
    at_most(at, field, text, MAX_METADATA_CHARS);
}

/// How many wildcards a pattern has.
pub(super) fn wildcards(text: &str) -> usize {
    text.matches(['?', '*']).count()
}

pub(super) fn file_name(at: &mut At<'_>, platform: Platform, text: &str) {
    const FIELD: Field = Field::FileName;
    if text.is_empty() {
        return at.found(FIELD, P::Missing);
    }
    at_most(at, FIELD, text, MAX_FILE_NAME_CHARS);
    few_wildcards(at, FIELD, text);
    let forbidden = |c: char| match platform {
        Platform::Windows => c.is_control() || WINDOWS_FORBIDDEN.contains(c),
        Platform::Linux => c == '/' || c == '\0',
    };
    if let Some(c) = text.chars().find(|c| forbidden(*c)) {
        return at.found(FIELD, P::ForbiddenCharacter(c));
    }
    if platform == Platform::Windows {
        match extension(text) {
            None => at.found(FIELD, P::NoExtension),
            Some(end) if wildcards(end) > 0 => at.found(FIELD, P::WildcardInExtension),
            Some(end) if !WINDOWS_FILE_TYPES.contains(&&*fold(platform, end)) => {
                at.found(FIELD, P::UnsupportedFileType(end.to_owned()));
            }
            Some(_) => {}
        }
    }
}

fn few_wildcards(at: &mut At<'_>, field: Field, text: &str) {
    let count = wildcards(text);
    if count > MAX_WILDCARDS {
        at.found(field, P::TooManyWildcards(count));
    }
}

/// A folder or a full path, with wildcards and variables.
pub(super) fn path(at: &mut At<'_>, field: Field, platform: Platform, text: &str) {
    if text.is_empty() {
        return at.found(field, P::Missing);
    }
    at_most(at, field, text, MAX_PATH_CHARS);
    few_wildcards(at, field, text);
    let Ok(count) = variables(text, separator(platform)) else {
        return at.found(field, P::BadVariable);
    };
    if count > MAX_VARIABLES {
        at.found(field, P::TooManyVariables(count));
    }
    if platform == Platform::Windows && text.starts_with("\\\\") {
        return at.found(field, P::OnNetwork);
    }
    let Some(below) = below_root(platform, text) else {
        return at.found(field, P::NotRooted);
    };
    if let Some(part) = turn(platform, below) {
        at.found(field, P::NotPlain(part.to_owned()));
    }
}

/// How many variables there are; an error where a `%` encloses no name, or the first is not a whole folder.
fn variables(text: &str, separator: char) -> Result<usize, ()> {
    let parts: Vec<&str> = text.split('%').collect();
    // Names stand at the odd places, so that an even number of parts leaves one open.
    if parts.len().is_multiple_of(2) {
        return Err(());
    }
    let names = parts.iter().skip(1).step_by(2);
    let proper = |name: &&&str| !name.is_empty() && !name.contains([separator, '*', '?']);
    if !names.clone().all(|name| proper(&name)) {
        return Err(());
    }
    let leads = parts.len() > 1 && parts[0].is_empty();
    let whole = parts
        .get(2)
        .is_none_or(|rest| rest.is_empty() || rest.starts_with(separator));
    if leads && !whole {
        return Err(());
    }
    Ok(names.count())
}

/// What follows the drive, the root or the variable.
fn below_root(platform: Platform, text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('%') {
        return rest
            .split_once('%')
            .map(|(_, rest)| rest.strip_prefix(separator(platform)).unwrap_or(rest));
    }
    match platform {
        Platform::Linux => text.strip_prefix('/'),
        Platform::Windows => {
            let drive = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
            drive.then(|| text.get(1..)?.strip_prefix(":\\")).flatten()
        }
    }
}

/// A part of a path that no plain path has. The last may be empty: a folder may end in its separator.
fn turn(platform: Platform, below: &str) -> Option<&str> {
    let separator = separator(platform);
    let below = below.strip_suffix(separator).unwrap_or(below);
    let forbidden = |part: &str| match platform {
        Platform::Windows => {
            part.ends_with([' ', '.'])
                || part.contains(|c: char| c.is_control() || WINDOWS_FORBIDDEN.contains(c))
        }
        Platform::Linux => part.contains('\0'),
    };
    let turn = |part: &&str| part.is_empty() || matches!(*part, "." | "..") || forbidden(part);
    (!below.is_empty())
        .then(|| below.split(separator).find(turn))
        .flatten()
}
