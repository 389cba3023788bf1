//! What a path is on each platform: its folder, its name, and whether it is written in the one way that rules are
//! compared with. It must not look at a disk.

use std::borrow::Cow;

use crate::model::Platform;

/// File types that can be elevated on Windows.
pub(crate) const WINDOWS_FILE_TYPES: [&str; 3] = ["exe", "msi", "ps1"];

/// A path taken apart, in the case that patterns are compared in.
#[derive(Debug)]
pub(crate) struct SplitPath<'a> {
    /// Folder with the separator at its end.
    pub(crate) folder: Cow<'a, str>,
    /// Name with its extension.
    pub(crate) name: Cow<'a, str>,
}

/// Whether a path cannot be compared, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadPath {
    /// It lies on another machine.
    Network,
    /// It is relative, takes a turn, or has a form that names the same file as a plainer one.
    NotCanonical,
}

/// Takes apart a full path. Only the plainest form of a path is accepted: a rule that denies `C:\Tools\a.exe` must not be
/// passed by with `C:\Tools\.\a.exe` or `C:\Tools\a.exe.`, and the agent knows the plain form from the open file.
pub(crate) fn split(platform: Platform, path: &str) -> Result<SplitPath<'_>, BadPath> {
    match platform {
        Platform::Windows => split_windows(path),
        Platform::Linux => split_linux(path),
    }
}

/// The separator between folders.
pub(crate) fn separator(platform: Platform) -> char {
    match platform {
        Platform::Windows => '\\',
        Platform::Linux => '/',
    }
}

/// `text` in the case that names are compared in: lower where the platform does not tell the cases apart.
pub(crate) fn fold(platform: Platform, text: &str) -> Cow<'_, str> {
    match platform {
        Platform::Linux => Cow::Borrowed(text),
        Platform::Windows if text.is_ascii() => {
            if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                Cow::Owned(text.to_ascii_lowercase())
            } else {
                Cow::Borrowed(text)
            }
        }
        Platform::Windows => Cow::Owned(text.chars().map(fold_char).collect()),
    }
}

/// The file system folds one character to one; where lower case is longer, the character stays.
fn fold_char(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

/// The extension of a name: what follows its last point.
pub(crate) fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

fn split_windows(path: &str) -> Result<SplitPath<'_>, BadPath> {
    if path.starts_with("\\\\") && !path.starts_with("\\\\?\\") && !path.starts_with("\\\\.\\") {
        return Err(BadPath::Network);
    }
    let bytes = path.as_bytes();
    let rooted = bytes.len() > 3 && bytes[0].is_ascii_alphabetic() && &bytes[1..3] == b":\\";
    if !rooted || path.contains('/') {
        return Err(BadPath::NotCanonical);
    }
    for part in path[3..].split('\\') {
        let plain =
            !part.is_empty() && !part.ends_with(['.', ' ']) && !part.contains(never_in_a_name);
        if !plain {
            return Err(BadPath::NotCanonical);
        }
    }
    Ok(cut(Platform::Windows, path))
}

/// Characters that no name on Windows has. Each character of each path is asked, so this is not a search in a text.
fn never_in_a_name(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') || c.is_control()
}

fn split_linux(path: &str) -> Result<SplitPath<'_>, BadPath> {
    let rooted = path.starts_with('/') && path.len() > 1;
    let mut parts = path[usize::from(rooted)..].split('/');
    let plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if rooted && parts.all(plain) {
        Ok(cut(Platform::Linux, path))
    } else {
        Err(BadPath::NotCanonical)
    }
}

/// `path` has a separator.
fn cut(platform: Platform, path: &str) -> SplitPath<'_> {
    let end = path.rfind(separator(platform)).map_or(0, |at| at + 1);
    SplitPath {
        folder: fold(platform, &path[..end]),
        name: fold(platform, &path[end..]),
    }
}
