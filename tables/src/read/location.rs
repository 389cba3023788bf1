//! Where tables are: a folder or the address of a store. Does no IO.

use url::Url;

/// An address of tables that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{address:?} is no place for tables: {detail}")]
pub struct LocationError {
    /// What was given.
    pub address: String,
    /// What is wrong with it, and what to write instead.
    pub detail: String,
}

/// The address of a folder (relative to the working directory or absolute) or of a store such as `s3://bucket/prefix`.
/// Ends with a slash. The folder need not exist.
///
/// # Errors
/// [`LocationError`] for an empty path or an address without a host.
pub fn tables_url(address: &str) -> Result<Url, LocationError> {
    let wrong = |detail: String| LocationError {
        address: address.to_owned(),
        detail,
    };
    let mut url = match Url::parse(address) {
        // A single letter is a drive of Windows, not a scheme.
        Ok(url) if url.scheme().len() > 1 => url,
        _ => {
            let folder = std::path::absolute(address)
                .map_err(|error| wrong(format!("{error}; give a folder")))?;
            Url::from_directory_path(folder)
                .map_err(|()| wrong("give a folder or a store's address".to_owned()))?
        }
    };
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// The address of one table below the address of all.
pub(super) fn table_url(tables: &Url, name: &str) -> Result<Url, LocationError> {
    tables
        .join(&format!("{name}/"))
        .map_err(|error| LocationError {
            address: tables.to_string(),
            detail: format!("{error}; give a folder or a store's address"),
        })
}
