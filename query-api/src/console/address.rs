//! Addresses with a query string, built and taken apart by pair. The only place that encodes one.

use std::fmt;

use url::form_urlencoded::Serializer;

use crate::ReportRequest;

/// A path of this server and the pairs of its query string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    path: String,
    pairs: Vec<(String, String)>,
}

impl Address {
    pub(super) fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            pairs: Vec::new(),
        }
    }

    /// The same pairs at another path.
    pub(super) fn at(&self, path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            pairs: self.pairs.clone(),
        }
    }

    /// With one pair more.
    pub(super) fn and(mut self, name: &str, value: &str) -> Self {
        self.pairs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With several pairs more.
    pub(super) fn and_all(mut self, pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        self.pairs.extend(pairs);
        self
    }

    /// Without any pair of that name.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.pairs.retain(|(other, _)| other != name);
        self
    }

    /// Without the pair at a position.
    pub(super) fn without_pair(mut self, position: usize) -> Self {
        if position < self.pairs.len() {
            self.pairs.remove(position);
        }
        self
    }

    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The value of the first pair of that name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.pairs.is_empty() {
            return Ok(());
        }
        let query = Serializer::new(String::new())
            .extend_pairs(&self.pairs)
            .finish();
        write!(f, "?{query}")
    }
}

/// A value as a filter that matches it and nothing else, whatever it begins with.
pub(super) fn exactly(value: &str) -> String {
    if value.starts_with(['!', '=', '<', '>']) || value.contains('*') {
        format!("={value}")
    } else {
        value.to_owned()
    }
}

/// Names of pairs that are not filters.
pub(super) fn is_parameter(name: &str) -> bool {
    matches!(
        name,
        "since" | "until" | "as_of" | "sort" | "limit" | "columns" | "cursor" | "format"
    )
}

/// The request that an address of a report's page stands for: the one that REST would make of the same pairs.
pub(super) fn request(report: &str, address: &Address) -> Result<ReportRequest, crate::QueryError> {
    ReportRequest::from_pairs(report, address.pairs.iter().cloned())
}

#[cfg(test)]
mod tests {
    use super::{Address, exactly};

    #[test]
    fn names_and_values_are_encoded_whatever_they_hold() {
        let address = Address::new("/reports/by-user").and("user_name", "a&b=<\"c\"> é#");
        assert_eq!(
            address.to_string(),
            "/reports/by-user?user_name=a%26b%3D%3C%22c%22%3E+%C3%A9%23"
        );
    }

    #[test]
    fn a_value_that_looks_like_an_operator_is_taken_as_it_is() {
        assert_eq!(exactly("chrome.exe"), "chrome.exe");
        assert_eq!(exactly("!important"), "=!important");
        assert_eq!(exactly("a*b"), "=a*b");
        assert_eq!(exactly("=x"), "==x");
    }
}
