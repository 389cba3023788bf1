//! A command as text: its program's name, and its arguments so that one can tell where each ends. It must not know who
//! ran it.

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// `arguments` in one text, each quoted where a blank or a quote would hide where it ends.
pub(crate) fn joined<T: AsRef<str>>(arguments: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = arguments
        .into_iter()
        .map(|text| quoted(text.as_ref()))
        .collect();
    quoted.join(" ")
}

fn quoted(text: &str) -> String {
    let is_plain = |character: char| !character.is_whitespace() && !"'\"\\".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
