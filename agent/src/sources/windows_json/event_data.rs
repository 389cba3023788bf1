//! Event data in its three forms: an object of names and values, a list of named elements, and XML or JSON in a text.
//! It must not choose among the names.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::node::{self, Node, Path};
use crate::sources::windows::fields::Fields;

/// Event data in a text that is neither XML nor JSON all through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// Levels of text in text, and of objects in objects, that are looked into.
const DEPTH: u32 = 4;

const NAMES: [Path; 3] = [&["@Name"], &["Name"], &["#attributes", "Name"]];
const VALUES: [Path; 2] = [&["#text"], &["Value"]];

/// Adds all that stands at `path` of `node`.
pub(super) fn read<'a>(
    node: &'a Node<'a>,
    path: Path,
    fields: &mut Fields<'a>,
) -> Result<(), Damaged> {
    match node.at(path) {
        Some(data) => add(data, DEPTH, fields),
        None => Ok(()),
    }
}

fn add<'a>(data: &'a Node<'a>, depth: u32, fields: &mut Fields<'a>) -> Result<(), Damaged> {
    match data {
        Node::Object(members) => {
            for (name, value) in members {
                match value {
                    Node::Text(text) => fields.add(Cow::Borrowed(name), Cow::Borrowed(text)),
                    Node::List(elements) if name == "Data" => add_elements(elements, fields),
                    _ => {
                        if let Some(text) = value.text() {
                            fields.add(Cow::Borrowed(name), text);
                        }
                    }
                }
            }
            Ok(())
        }
        Node::Text(text) if depth > 0 => add_text(text, depth - 1, fields),
        _ => Ok(()),
    }
}

/// `[{"@Name": "Image", "#text": "…"}, …]`, as XML becomes when it is turned into JSON.
fn add_elements<'a>(elements: &'a [Node<'a>], fields: &mut Fields<'a>) {
    for element in elements {
        if let (Some(name), Some(value)) = (element.text_at(&NAMES), element.text_at(&VALUES)) {
            fields.add(name, value);
        }
    }
}

fn add_text<'a>(text: &'a str, depth: u32, fields: &mut Fields<'a>) -> Result<(), Damaged> {
    match text.trim_start().as_bytes().first() {
        Some(b'<') => add_xml(text, fields),
        Some(b'{') => {
            let parsed = node::parse(text).map_err(|_| Damaged)?;
            let inner = parsed.at(&["EventData"]).unwrap_or(&parsed);
            let mut own = Fields::default();
            add(inner, depth, &mut own)?;
            fields.add_all(&own);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `<Data Name="Image">…</Data>`, however deep.
fn add_xml<'a>(xml: &'a str, fields: &mut Fields<'a>) -> Result<(), Damaged> {
    let mut reader = Reader::from_str(xml);
    let mut open: Option<(String, String)> = None;
    loop {
        match reader.read_event().map_err(|_| Damaged)? {
            Event::Start(element) => open = name_of(&element)?.map(|name| (name, String::new())),
            Event::Text(part) => {
                if let Some((_, value)) = &mut open {
                    value.push_str(&part.decode().map_err(|_| Damaged)?);
                }
            }
            Event::CData(part) => {
                if let Some((_, value)) = &mut open {
                    value.push_str(&part.decode().map_err(|_| Damaged)?);
                }
            }
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref().map_err(|_| Damaged)? {
                    Some(character) => character,
                    None => predefined(&reference.decode().map_err(|_| Damaged)?)?,
                };
                if let Some((_, value)) = &mut open {
                    value.push(character);
                }
            }
            Event::End(_) => {
                if let Some((name, value)) = open.take() {
                    fields.add(name.into(), value.into());
                }
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn name_of(element: &BytesStart<'_>) -> Result<Option<String>, Damaged> {
    if element.local_name().as_ref() != b"Data" {
        return Ok(None);
    }
    let Some(name) = element.try_get_attribute("Name").map_err(|_| Damaged)? else {
        return Ok(None);
    };
    let name = std::str::from_utf8(&name.value).map_err(|_| Damaged)?;
    Ok(Some(name.to_owned()))
}

fn predefined(entity: &str) -> Result<char, Damaged> {
    match entity {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(json: &str) -> Result<Vec<Option<String>>, Damaged> {
        let node = node::parse(json).expect("valid JSON");
        let mut fields = Fields::default();
        read(&node, &["D"], &mut fields)?;
        let names = ["Image", "CommandLine", "ProcessId"];
        Ok(names
            .map(|name| fields.get(name).map(str::to_owned))
            .to_vec())
    }

    #[test]
    fn all_forms_say_the_same() {
        let expected: Vec<_> = ["C:\\a.exe", "a \"<&>\" ", "26"]
            .map(|text| Some(text.to_owned()))
            .to_vec();
        for json in [
            r#"{"D": {"Image": "C:\\a.exe", "CommandLine": "a \"<&>\" ", "ProcessId": 26}}"#,
            r##"{"D": {"Data": [{"@Name": "Image", "#text": "C:\\a.exe"}, {"@Name": "Empty"},
                {"Name": "CommandLine", "Value": "a \"<&>\" "}, {"@Name": "ProcessId", "#text": "26"}]}}"##,
            r##"{"D": "<DataItem type='x'><EventData xmlns='u'><Data Name=\"Image\">C:\\a.exe</Data><Data/>\n<Data Name='CommandLine'>a &quot;&lt;&amp;&gt;&#34; </Data><Data Name='Empty'/><Data Name='ProcessId'><![CDATA[26]]></Data></EventData></DataItem>"}"##,
            r#"{"D": "{\"EventData\": {\"Image\": \"C:\\\\a.exe\", \"CommandLine\": \"a \\\"<&>\\\" \", \"ProcessId\": 26}}"}"#,
        ] {
            assert_eq!(fields_of(json), Ok(expected.clone()), "{json}");
        }
    }

    #[test]
    fn damaged_text_is_damage_and_plain_text_is_nothing() {
        for json in [
            r#"{"D": "<Data Name='Image'>C:\\a.exe</EventData>"}"#,
            r#"{"D": "<Data Name='Image'>&nonsense;</Data>"}"#,
            r#"{"D": "{\"Image\": "}"#,
        ] {
            assert_eq!(fields_of(json), Err(Damaged), "{json}");
        }
        for json in [r#"{"D": ""}"#, r#"{"D": "-"}"#, r#"{"D": 7}"#, "{}"] {
            assert_eq!(fields_of(json), Ok(vec![None, None, None]), "{json}");
        }
    }
}
