//! What was found before, for as long as nothing can have changed: a file's contents while the kernel counts no change of
//! it, its package while no package was installed. Where the file lies, who may change it and whether its signer is
//! trusted is asked anew each time.
//!
//! Nobody can set a file's change time, but somebody who maps a file into memory can write to it later without a change
//! of its times. So only files are kept that nobody but root may write to; others are read anew each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::contents::Contents;
use super::package::{Owned, Packages};
use super::version::Version;

/// Files that are kept: people start some dozens of programs with elevation. Each takes a few kilobytes, most of them for
/// certificates.
pub const MAX_FILES: usize = 1024;
/// How long a file must have been unchanged before it is kept, in nanoseconds. Changes are stamped with the time of the
/// kernel's last tick, ten milliseconds at most: another change within that tick would have the same stamp.
const SETTLED_NS: i128 = 100_000_000;

/// Files and packages that were looked at. Sharing one between threads is what it is for.
#[derive(Debug, Default)]
pub struct FactsCache {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The name tells the kind where bytes do not.
    contents: Recent<(Version, String), Arc<Contents>>,
    owners: Recent<PathBuf, Option<Owned>>,
    /// State of the package databases that `owners` are from.
    databases: Vec<Option<Version>>,
    usage: CacheUse,
}

/// How often a file's contents were known already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// They were.
    pub hits: u64,
    /// They had to be read.
    pub misses: u64,
    /// Files that are kept, at most [`MAX_FILES`].
    pub files: usize,
}

impl FactsCache {
    /// How often it helped.
    #[must_use]
    pub fn usage(&self) -> CacheUse {
        let kept = self.kept();
        CacheUse {
            files: kept.contents.entries.len(),
            ..kept.usage
        }
    }

    /// The contents of the file that has this version and name, where they are known.
    pub(super) fn contents(
        &self,
        version: Version,
        name: &str,
        md5: bool,
    ) -> Option<Arc<Contents>> {
        let mut kept = self.kept();
        let found = kept.contents.get(&(version, name.to_owned()));
        let found = found
            .filter(|contents| !md5 || contents.md5.is_some())
            .cloned();
        match found {
            Some(_) => kept.usage.hits += 1,
            None => kept.usage.misses += 1,
        }
        found
    }

    /// Keeps contents of a file that only root may write to.
    pub(super) fn keep(&self, version: Version, name: &str, contents: &Arc<Contents>) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ns = since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
        if version.age_ns(now_ns) >= SETTLED_NS {
            let key = (version, name.to_owned());
            self.kept().contents.put(key, Arc::clone(contents));
        }
    }

    /// As [`Packages::owner`].
    pub(super) fn owner(&self, packages: &Packages, path: &Path) -> io::Result<Option<Owned>> {
        let databases = packages.state();
        {
            let mut kept = self.kept();
            if kept.databases != databases {
                kept.owners = Recent::default();
                kept.databases.clone_from(&databases);
            }
            if let Some(owner) = kept.owners.get(path) {
                return Ok(owner.clone());
            }
        }
        let owner = packages.owner(path)?;
        let mut kept = self.kept();
        // A package was installed while the lists were read.
        if kept.databases == packages.state() {
            kept.owners.put(path.to_owned(), owner.clone());
        }
        Ok(owner)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// At most [`MAX_FILES`] entries, those used last.
#[derive(Debug)]
struct Recent<K, V> {
    entries: HashMap<K, (V, u64)>,
    /// Counts up with each use.
    clock: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            clock: 0,
        }
    }
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.clock += 1;
        let (value, used) = self.entries.get_mut(key)?;
        *used = self.clock;
        Some(value)
    }

    /// The oldest entry makes room. Finding it takes microseconds, and what is put took a thousand times that to find.
    fn put(&mut self, key: K, value: V) {
        self.clock += 1;
        if self.entries.len() >= MAX_FILES && !self.entries.contains_key(&key) {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
        self.entries.insert(key, (value, self.clock));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let mut recent = Recent::default();
        for number in 0..MAX_FILES {
            recent.put(number, number);
        }
        assert_eq!(recent.get(&0), Some(&0));
        recent.put(MAX_FILES, MAX_FILES);
        assert_eq!(recent.entries.len(), MAX_FILES);
        assert_eq!(recent.get(&0), Some(&0));
        assert_eq!(recent.get(&1), None);
    }
}
