//! Text from people and programs, made safe to read in a record, a log or a terminal: nothing in it can end a line, move
//! a cursor, or turn the direction of writing (CVE-2023-28486, CVE-2021-42574).

use std::fmt::Write as _;

/// `text` with every character that is not seen, or changes how others are seen, written as its number.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", character as u32);
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Bytes as [`visible`] text; what is not UTF-8 is written byte by byte.
#[must_use]
pub fn visible_bytes(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        safe.push_str(&visible(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(safe, "\\x{byte:02x}");
        }
    }
    safe
}

/// Arguments as one line in which each can be told from the next.
#[must_use]
pub fn visible_arguments(arguments: &[Vec<u8>], limit: usize) -> String {
    let mut line = String::new();
    for (number, argument) in arguments.iter().enumerate() {
        if number > 0 {
            line.push(' ');
        }
        let text = visible_bytes(argument);
        let plain = !text.is_empty()
            && !text.contains(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '\\'));
        match plain {
            true => line.push_str(&text),
            false => {
                let _ = write!(line, "'{}'", text.replace('\'', "'\\''"));
            }
        }
        if line.chars().count() > limit {
            let kept: String = line.chars().take(limit).collect();
            return format!("{kept}… ({} arguments)", arguments.len());
        }
    }
    line
}

fn is_hidden(character: char) -> bool {
    // Controls; marks and overrides of direction; separators of lines; joiners and tags that are not seen.
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_written_as_its_number() {
        assert_eq!(visible("a\nb\u{1b}[2J"), "a\\u{a}b\\u{1b}[2J");
        assert_eq!(visible("x\u{202e}gpj.exe"), "x\\u{202e}gpj.exe");
        assert_eq!(visible_bytes(b"a\xffb"), "a\\xffb");
        assert_eq!(visible("Überprüfung 日本"), "Überprüfung 日本");
    }

    #[test]
    fn arguments_can_be_told_from_each_other() {
        let line = |all: &[&str]| {
            let all: Vec<_> = all.iter().map(|text| text.as_bytes().to_vec()).collect();
            visible_arguments(&all, 40)
        };
        assert_eq!(line(&["-l", "a b", ""]), "-l 'a b' ''");
        assert_eq!(line(&["it's"]), "'it'\\''s'");
        assert_ne!(line(&["a b"]), line(&["a", "b"]));
        assert!(line(&[&"x".repeat(100)]).starts_with(&"x".repeat(40)));
        assert!(line(&[&"x".repeat(100)]).chars().count() < 60);
    }
}
