//! Reports over the tables: the REST interface, the web console and what `epm report` prints.
//!
//! Reads tables only; must never read the event log or write a table. One engine answers all three surfaces, so
//! that a number is the same wherever it is read.

mod access;
pub mod catalogue;
mod console;
mod cursor;
pub mod engine;
pub mod error;
mod filter;
pub mod format;
pub mod http;
pub mod moment;
pub mod report_cli;
pub mod request;
pub mod router;
pub mod status;

pub use access::ReadAccess;
pub use catalogue::{ColumnInfo, ColumnKind, Place, Report};
pub use engine::{QueryLimits, ReportEngine, ReportPage, ReportStream, Window};
pub use error::QueryError;
pub use format::{Encoder, Format};
pub use http::serve::{Config, ServeError, run};
pub use request::ReportRequest;
pub use router::{AppState, router};
pub use status::{AsOf, Completeness, DataStatus, Freshness};
