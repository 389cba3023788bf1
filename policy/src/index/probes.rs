//! For which keys a launch asks: whenever an attribute of a rule matches, for one that the rule may lie under by it. Kinds
//! of keys that no rule lies under are passed over.

use std::collections::BTreeSet;

use super::key::{Key, Kind, Kinds};
use super::rule_keys::{name_prefix, name_suffix};
use crate::matching::Subject;
use crate::paths::separator;
use crate::request::CertificateFacts;
use crate::set::RuleView;

/// What some rule lies under: kinds of keys, and lengths of prefixes and suffixes.
#[derive(Debug, Default)]
pub(super) struct Probes {
    kinds: Kinds,
    prefixes: Vec<usize>,
    suffixes: Vec<usize>,
}

impl Probes {
    pub(super) fn of(rules: &[RuleView<'_>], kinds: Kinds) -> Self {
        let names = || rules.iter().map(|rule| &rule.matcher.name);
        let prefixes: BTreeSet<usize> = names().filter_map(name_prefix).map(str::len).collect();
        let suffixes: BTreeSet<usize> = names().filter_map(name_suffix).map(str::len).collect();
        Self {
            kinds,
            prefixes: prefixes.into_iter().collect(),
            suffixes: suffixes.into_iter().collect(),
        }
    }

    /// Calls `ask` with the number of every key that a matching attribute of any rule can have.
    pub(super) fn of_launch(&self, subject: &Subject<'_>, ask: impl FnMut(u64)) {
        let request = subject.request;
        let file = &request.file;
        let mut asker = Asker {
            kinds: self.kinds,
            ask,
        };
        if let Some(hash) = &file.sha256 {
            asker.parts(Kind::Hash, &[&hash.0]);
        }
        self.ask_name(&subject.path.name, &mut asker);
        ask_folder(subject, &mut asker);
        asker.certificate(Kind::Publisher, &file.signature.publisher);
        asker.certificate(Kind::Issuer, &file.signature.issuing_authority);
        asker.text(Kind::Package, file.package.map(|package| package.name));
        asker.text(Kind::Description, file.description);
        asker.text(Kind::Product, file.product_name);
        asker.text(Kind::Internal, file.internal_name);
        asker.text(Kind::Parent, subject.parent.as_deref());
        asker.text(Kind::User, request.user.id.map(|id| id.as_str()));
        asker.text(Kind::Device, request.device.id.map(|id| id.as_str()));
        for group in request.user.groups {
            asker.text(Kind::UserGroup, Some(group.as_str()));
        }
        for group in request.device.groups {
            asker.text(Kind::DeviceGroup, Some(group.as_str()));
            asker.text(Kind::ConditionGroup, Some(group.as_str()));
        }
    }

    fn ask_name(&self, name: &str, asker: &mut Asker<impl FnMut(u64)>) {
        asker.text(Kind::Name, Some(name));
        asker.parts(Kind::AnyName, &[]);
        if asker.kinds.has(Kind::NamePrefix) {
            for length in &self.prefixes {
                asker.text(Kind::NamePrefix, name.get(..*length));
            }
        }
        if asker.kinds.has(Kind::NameSuffix) {
            for length in &self.suffixes {
                let start = name.len().checked_sub(*length);
                asker.text(Kind::NameSuffix, start.and_then(|start| name.get(start..)));
            }
        }
    }
}

struct Asker<F> {
    kinds: Kinds,
    ask: F,
}

impl<F: FnMut(u64)> Asker<F> {
    fn parts(&mut self, kind: Kind, parts: &[&[u8]]) {
        if self.kinds.has(kind) {
            (self.ask)(Key::new(kind, parts).number);
        }
    }

    fn text(&mut self, kind: Kind, text: Option<&str>) {
        if let Some(text) = text {
            self.parts(kind, &[text.as_bytes()]);
        }
    }

    fn certificate(&mut self, kind: Kind, facts: &CertificateFacts<'_>) {
        self.text(kind, facts.subject);
        if let Some(thumbprint) = &facts.sha1 {
            self.parts(kind, &[thumbprint]);
        }
        if let Some(thumbprint) = &facts.sha256 {
            self.parts(kind, &[thumbprint]);
        }
    }
}

fn ask_folder(subject: &Subject<'_>, asker: &mut Asker<impl FnMut(u64)>) {
    let separator = separator(subject.request.platform);
    let folder = &*subject.path.folder;
    asker.text(Kind::Folder, Some(folder));
    if asker.kinds.has(Kind::Below) {
        for (at, _) in folder.match_indices(separator) {
            asker.text(Kind::Below, Some(&folder[..=at]));
        }
    }
    if !asker.kinds.has(Kind::VariableFolder) && !asker.kinds.has(Kind::BelowVariable) {
        return;
    }
    for (name, value) in subject.request.variables.iter() {
        let Some(rest) = folder.strip_prefix(value) else {
            continue;
        };
        let name = name.as_bytes();
        asker.parts(Kind::VariableFolder, &[name, rest.as_bytes()]);
        for (at, _) in rest.match_indices(separator) {
            asker.parts(Kind::BelowVariable, &[name, &rest.as_bytes()[..=at]]);
        }
    }
}
