//! Who may ask what: a token becomes a caller, one table says what each endpoint needs, and reports are narrowed to the
//! devices that the caller may see before they run. It must not answer anything itself.

pub(crate) mod endpoints;
mod guard;
mod reader;

pub(crate) use guard::{guarded, now};
pub(crate) use reader::{Reports, devices_with};

/// Whether reports can be read without signing in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAccess {
    /// Whoever reaches the address may read reports; everything else needs a token. Only on a loopback address, which
    /// is the only kind that is listened on until there is TLS.
    #[default]
    Open,
    /// Everything needs a token.
    Required,
}
