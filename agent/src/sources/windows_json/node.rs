//! One JSON value whose texts are borrowed from the file where they can be. It must not know what an event is.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Where a value is: the keys that lead to it.
pub(super) type Path = &'static [&'static str];

/// Parses one value. A text may hold half of a surrogate pair, because Windows' own texts may; it is read as U+FFFD.
pub(super) fn parse(text: &str) -> Result<Node<'_>, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match without_lone_surrogates(text) {
        Some(repaired) => serde_json::from_str(&repaired).map(Node::into_owned),
        None => Err(error),
    })
}

impl<'a> Node<'a> {
    /// The value at `path`, where there is one that is not null.
    pub(super) fn at(&self, path: Path) -> Option<&Self> {
        let mut node = self;
        for key in path {
            node = node.member(key)?;
        }
        Some(node)
    }

    fn member(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let found = members.iter().find(|(known, _)| known == key);
        found
            .map(|(_, value)| value)
            .filter(|value| **value != Self::Null)
    }

    /// The first of `paths` that leads to a text or number that is not empty.
    pub(super) fn text_at(&self, paths: &[Path]) -> Option<Cow<'_, str>> {
        let found = paths.iter().filter_map(|path| self.at(path)?.text());
        found.into_iter().find(|text| !text.is_empty())
    }

    /// The text of a value that is one; an XML element that became an object keeps its text aside.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Unsigned(number) => Some(number.to_string().into()),
            Self::Signed(number) => Some(number.to_string().into()),
            Self::Float(number) => Some(number.to_string().into()),
            Self::Bool(truth) => Some(truth.to_string().into()),
            Self::Object(_) => self.member("#text").and_then(Self::text),
            Self::Null | Self::List(_) => None,
        }
    }

    fn into_owned(self) -> Node<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Node::Null,
            Self::Bool(truth) => Node::Bool(truth),
            Self::Unsigned(number) => Node::Unsigned(number),
            Self::Signed(number) => Node::Signed(number),
            Self::Float(number) => Node::Float(number),
            Self::Text(text) => Node::Text(owned(text)),
            Self::List(values) => Node::List(values.into_iter().map(Self::into_owned).collect()),
            Self::Object(members) => Node::Object(
                members
                    .into_iter()
                    .map(|(key, value)| (owned(key), value.into_owned()))
                    .collect(),
            ),
        }
    }
}

/// The text with U+FFFD for each escaped half of a surrogate pair; `None` where there is none.
fn without_lone_surrogates(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let unit = |at: usize| match bytes.get(at..at + 6)? {
        [b'\\', b'u', digits @ ..] => {
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        }
        _ => None,
    };
    let mut repaired = String::new();
    let (mut at, mut kept) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                repaired.push_str(&text[kept..at]);
                repaired.push('\u{fffd}');
                at += 6;
                kept = at;
            }
            (Some(_), _) => at += 6,
            (None, _) => at += 2,
        }
    }
    (kept > 0).then(|| repaired + &text[kept..])
}

/// A key, borrowed where no escape is in it.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Node::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Node::Signed(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Node::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = Vec::new();
        while let Some((Key(key), value)) = members.next_entry()? {
            object.push((key, value));
        }
        Ok(Node::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_keys() {
        let node = parse(r##"{"a": {"b": 7, "c": null, "d": -1, "e": {"#text": "x"}}}"##)
            .expect("valid JSON");
        let text = |path: Path| node.at(path).and_then(Node::text);
        assert_eq!(text(&["a", "b"]).as_deref(), Some("7"));
        assert_eq!(text(&["a", "d"]).as_deref(), Some("-1"));
        assert_eq!(text(&["a", "e"]).as_deref(), Some("x"));
        assert_eq!((text(&["a", "c"]), text(&["a", "b", "x"])), (None, None));
        assert_eq!(
            node.text_at(&[&["a", "c"], &["z"], &["a", "b"]]).as_deref(),
            Some("7")
        );
    }

    #[test]
    fn half_a_surrogate_pair_does_not_cost_the_event() {
        let node = parse(r#"{"\ud800": "\\ud800 \ud83d\ude00 \udc00!"}"#).expect("it is repaired");
        let Node::Object(members) = node else {
            panic!("an object");
        };
        let text = members[0].1.text().expect("a text");
        assert_eq!(
            (members[0].0.as_ref(), text.as_ref()),
            ("\u{fffd}", "\\ud800 😀 \u{fffd}!")
        );
        assert!(parse(r#"{"a": "\ud8"#).is_err());
    }
}
