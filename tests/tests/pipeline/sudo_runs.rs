//! Runs of sudo that a test writes into files for an agent to import, each with a program of its own, and whether each of
//! them is in the tables once. It must not run anything that the test did not ask for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::log::TestLog;
use crate::programs::must;

/// Files of runs, and what each run is called in reports.
pub(crate) struct RunsOfSudo {
    folder: PathBuf,
    runs_per_file: usize,
    files: usize,
    programs: BTreeSet<String>,
}

impl RunsOfSudo {
    /// None yet; files are to lie in `folder`.
    pub(crate) fn new(folder: &Path, runs_per_file: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            runs_per_file,
            files: 0,
            programs: BTreeSet::new(),
        }
    }

    /// Another file, with runs that no other file has.
    pub(crate) fn write_file(&mut self) -> PathBuf {
        let mut text = String::new();
        for line in 0..self.runs_per_file {
            let at = self.files * self.runs_per_file + line;
            let name = format!("tool-{at}");
            let (hour, minute, second) = (at / 3600 % 24, at / 60 % 60, at % 60);
            text.push_str(&format!(
                "2026-03-02T{hour:02}:{minute:02}:{second:02}+00:00 web-1 sudo: ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/{name} --now\n"
            ));
            self.programs.insert(name);
        }
        let path = self.folder.join(format!("auth-{}.log", self.files));
        std::fs::write(&path, text).expect("a file can be written");
        self.files += 1;
        path
    }

    /// How many files there are.
    pub(crate) fn files(&self) -> usize {
        self.files
    }

    /// Looks into the tables of `data`, whose server came to its end: every run is there once, nothing is missing, and
    /// the tables are what `log` says. `when` is for failures.
    pub(crate) fn are_in_the_tables_once(&self, data: &str, log: &TestLog, when: &str) {
        let mut verify = vec!["verify", "--data", data];
        verify.extend(log.beside_data());
        let verified = must("epm", &verify);
        assert!(verified.contains("0 are broken"), "{when}: {verified}");
        let report = |name: &str, more: &[&str]| {
            let mut arguments = vec!["report", name, "--data", data];
            arguments.extend(more);
            must("epm", &arguments)
        };
        let rows = report("elevations", &["--columns", "file_name", "--format", "csv"]);
        let names: Vec<&str> = rows.lines().skip(1).map(str::trim).collect();
        assert_eq!(
            names.len(),
            self.programs.len(),
            "{when}: each elevation once"
        );
        let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        assert_eq!(names, self.programs, "{when}");
        let page = report("by-application", &["--limit", "1", "--format", "json"]);
        let page: serde_json::Value = serde_json::from_str(&page).expect("a report is JSON");
        let completeness = &page["meta"]["completeness"];
        assert_eq!(completeness["missing_records"], 0, "{when}: {completeness}");
        assert_eq!(completeness["lost_records"], 0, "{when}: {completeness}");
    }
}
