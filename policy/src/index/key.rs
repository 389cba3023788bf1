//! A key: what a rule lies under, and what a launch asks for. It is a kind and a number made of a text; two texts with one
//! number cost a comparison, no more.

use std::hash::Hasher as _;

use rustc_hash::FxHasher;

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Hash,
    Name,
    NamePrefix,
    NameSuffix,
    AnyName,
    Folder,
    Below,
    VariableFolder,
    BelowVariable,
    Publisher,
    Issuer,
    Package,
    Description,
    Product,
    Internal,
    Parent,
    User,
    UserGroup,
    Device,
    DeviceGroup,
    ConditionGroup,
}

/// A key of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) number: u64,
}

impl Key {
    pub(super) fn new(kind: Kind, parts: &[&[u8]]) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write_u8(kind as u8);
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        Self {
            kind,
            number: hasher.finish(),
        }
    }

    pub(super) fn text(kind: Kind, text: &str) -> Self {
        Self::new(kind, &[text.as_bytes()])
    }
}

/// Kinds of keys that rules lie under. A launch does not ask for the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds(u32);

impl Kinds {
    pub(super) fn add(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u32;
    }

    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }
}
