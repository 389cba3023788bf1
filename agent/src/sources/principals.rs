//! Which user principal name another name of the same person stands for: `AzureAD\AnnaBerg`, `CONTOSO\anna.berg` and
//! `anna.berg@contoso.example` are one.
//!
//! A function of the set of names that were seen on each device, in whatever order. Where a rule leaves two answers
//! there is none: two persons must never become one. A name that was written is never changed, so that what is said
//! here can be taken back.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

/// Names that are remembered, of all devices together: some 40 MB. What is beyond keeps the name that it has.
const MAX_NAMES: usize = 200_000;

/// A longer one is no name of an account.
const MAX_NAME_BYTES: usize = 256;

/// What devices that are joined to a directory in the cloud write for a domain.
const CLOUD_DOMAIN: &str = "azuread";

/// The names that were seen, by device.
#[derive(Debug, Default)]
pub(crate) struct Names {
    hashes: RandomState,
    devices: HashMap<u64, Device>,
    count: usize,
}

/// Names of one device in lower case, with the domain's names as written.
#[derive(Debug, Default)]
struct Device {
    principals: BTreeMap<String, ()>,
    others: BTreeMap<String, String>,
}

impl Names {
    /// Learns that `name` was used on the device with this id; `device_name` tells accounts of the device itself, which
    /// are nobody else's.
    pub(crate) fn learn(&mut self, device: &str, device_name: &str, name: &str) {
        let is_known = name.is_empty() || name.len() > MAX_NAME_BYTES;
        if is_known || device.is_empty() || self.count >= MAX_NAMES {
            return;
        }
        let id = self.hashes.hash_one(device.to_lowercase());
        let lower = name.to_lowercase();
        let names = self.devices.entry(id).or_default();
        let before = names.principals.len() + names.others.len();
        if let Some((domain, _)) = name.split_once('\\') {
            if short_host(device_name).eq_ignore_ascii_case(domain) || domain == "." {
                return;
            }
            // The least of several spellings, so that it does not matter which came first.
            let held = names.others.entry(lower).or_insert_with(|| name.to_owned());
            if name < held.as_str() {
                name.clone_into(held);
            }
        } else if local_part(name).is_some() {
            names.principals.insert(lower, ());
        }
        self.count += names.principals.len() + names.others.len() - before;
    }

    /// What the names stand for.
    pub(crate) fn settle(self) -> Principals {
        let mut found = Principals {
            hashes: self.hashes,
            ..Principals::default()
        };
        let mut proofs: BTreeMap<&str, Option<Arc<str>>> = BTreeMap::new();
        let mut tenant: HashMap<String, Vec<&str>> = HashMap::new();
        for device in self.devices.values() {
            for principal in device.principals.keys() {
                let stem = stem(&letters(local_part(principal).unwrap_or_default())).to_owned();
                let alike = tenant.entry(stem).or_default();
                if !alike.contains(&principal.as_str()) && alike.len() < 2 {
                    alike.push(principal);
                }
            }
        }
        for (id, device) in &self.devices {
            for (other, principal) in device.pairs() {
                let principal: Arc<str> = principal.into();
                let proof = proofs
                    .entry(other)
                    .or_insert_with(|| Some(Arc::clone(&principal)));
                if proof.as_ref() != Some(&principal) {
                    *proof = None;
                }
                found.on_device.insert((*id, other.to_owned()), principal);
            }
        }
        for (other, principal) in proofs {
            let Some(principal) = principal else { continue };
            let alike = tenant.get(stem(&letters(account_of(other))));
            if alike.is_none_or(|alike| alike.iter().all(|one| **one == *principal)) {
                found.anywhere.insert(other.to_owned(), principal);
            }
        }
        found
    }
}

impl Device {
    /// The pairs of a name and the principal name of the same person that this device shows.
    fn pairs(&self) -> Vec<(&str, &str)> {
        let mut by_letters: HashMap<String, Vec<&str>> = HashMap::new();
        for principal in self.principals.keys() {
            let key = letters(local_part(principal).unwrap_or_default());
            by_letters.entry(key).or_default().push(principal);
        }
        let mut named: HashMap<(&str, String), u32> = HashMap::new();
        let mut in_cloud = 0;
        for other in self.others.keys() {
            let key = (domain_of(other), letters(account_of(other)));
            *named.entry(key).or_default() += 1;
            in_cloud += u32::from(domain_of(other) == CLOUD_DOMAIN);
        }
        let is_personal = in_cloud == 1 && self.principals.len() == 1;
        let pair = |(other, written): (&'_ String, &String)| {
            let (domain, key) = (domain_of(other), letters(account_of(other)));
            if let Some([principal]) = by_letters.get(&key).map(Vec::as_slice) {
                return (named[&(domain, key)] == 1).then_some(*principal);
            }
            // A display name without blanks: its words begin with capitals.
            let short = short_forms(account_of(written));
            let fits = |principal: &&str| {
                short.contains(&letters(local_part(principal).unwrap_or_default()))
            };
            let only = self.principals.keys().next().map(String::as_str);
            only.filter(|principal| is_personal && domain == CLOUD_DOMAIN && fits(principal))
        };
        let pairs = self.others.iter();
        pairs
            .filter_map(|entry| Some((entry.0.as_str(), pair(entry)?)))
            .collect()
    }
}

/// Principal names by the other names that stand for them.
#[derive(Debug, Default)]
pub(crate) struct Principals {
    hashes: RandomState,
    on_device: HashMap<(u64, String), Arc<str>>,
    anywhere: HashMap<String, Arc<str>>,
}

impl Principals {
    /// The principal name, in lower case, of the person who is called `name` on the device.
    pub(crate) fn of(&self, device: &str, name: &str) -> Option<&str> {
        if !name.contains('\\') {
            return None;
        }
        let lower = name.to_lowercase();
        let anywhere = self.anywhere.get(&lower);
        let id = self.hashes.hash_one(device.to_lowercase());
        let here = self.on_device.get(&(id, lower));
        here.or(anywhere).map(|principal| &**principal)
    }
}

/// What stands before the @ of a principal name.
fn local_part(name: &str) -> Option<&str> {
    let (local, domain) = name.split_once('@')?;
    let is_name = !local.is_empty() && !domain.is_empty() && !domain.contains('@');
    is_name.then_some(local)
}

fn domain_of(name: &str) -> &str {
    name.split_once('\\').map_or("", |(domain, _)| domain)
}

fn account_of(name: &str) -> &str {
    name.split_once('\\').map_or(name, |(_, account)| account)
}

fn short_host(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Letters and digits in lower case: what remains of a name in every way to write it.
fn letters(name: &str) -> String {
    let kept = name.chars().filter(|letter| letter.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

/// A name without the number that tells it from an older one.
fn stem(letters: &str) -> &str {
    letters.trim_end_matches(|letter: char| letter.is_ascii_digit())
}

/// How organisations shorten a name of several words: the first word, or the first letter with the last word.
fn short_forms(written: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in written.chars().filter(|letter| letter.is_alphanumeric()) {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return Vec::new();
    };
    if words.len() < 2 {
        return Vec::new();
    }
    let initial = first.chars().next().map(String::from).unwrap_or_default();
    vec![letters(first), letters(&format!("{initial}{last}"))]
}

#[cfg(test)]
mod tests;
