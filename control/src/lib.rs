//! The control plane's state: who may do what on which devices, as a chain of events in an SQL database.
//!
//! [`ControlStore`] appends events under a condition, updates projections in the same transaction, and feeds every event
//! to whoever follows. SQLite serves one node, PostgreSQL several; both keep one contract, shown by one test suite. What a
//! command means is decided by pure [`Aggregate`]s. This crate must not listen, send, or read a clock: time is given to it.

mod access;
mod activity;
mod aggregate;
mod chain;
mod device_groups;
mod devices;
mod error;
mod event;
mod feed;
mod listing;
mod names;
mod policies;
mod principals;
mod projection;
mod requests;
mod roles;
mod schema;
mod sign_in;
mod store;
mod tokens;

pub use access::{
    Access, BuiltInRole, CustomRole, DeviceFacts, Grant, InvalidRole, Limit, NotARole, Reach,
    Right, Rights, RoleRef, Scope, Tag, Target, UnknownRight,
};
pub use activity::ActivityEvent;
pub use aggregate::{Aggregate, CommandError, Outcome};
pub use chain::{Break, Head, Verification};
pub use device_groups::{
    DeviceGroup, DeviceGroupCommand, DeviceGroupEvent, DeviceGroupRefusal, KnownDeviceGroup,
    Members,
};
pub use devices::{
    Admission, AdmissionRefusal, CloneSign, Device, DeviceCommand, DeviceEvent, DeviceRefusal,
    DeviceRow, DeviceState, Enrolment, IssuedCertificate, KnownDevice, Renewal, RevocationReason,
    Serial,
};
/// Where a request stands.
pub use epm_policy::RequestState as StateOfRequest;
/// Digests, as policies and devices have them.
pub use epm_policy::Sha256;
pub use error::{Advice, StoreError};
pub use event::{Actor, NewEvent, RecordedEvent, Sequence, StreamId, TimeUs, Version};
pub use feed::Feed;
pub use listing::{Entry, Listed, MAX_LISTED, StoredRow};
pub use names::{InvalidName, Name};
pub use policies::{
    Change, POLICY_BOOK, PolicyBook, PolicyCommand, PolicyEvent, PolicyKind, PolicyRefusal,
};
pub use principals::{
    Identity, KnownPrincipal, Principal, PrincipalCommand, PrincipalEvent, PrincipalKind,
    PrincipalRefusal, PrincipalSettings, RoleGrant,
};
pub use projection::{Difference, ProjectedRow};
pub use requests::{
    ElevationRequest, ExpiryReason, FileAsked, REQUEST_LIFE_S, RequestCommand, RequestEvent,
    RequestRefusal, RequestRow, Reviewer, Submission, Terms, request_state_name,
};
pub use roles::{Role, RoleCommand, RoleEvent, RoleRefusal};
pub use sign_in::{Caller, SignInError, SignInRefusal};
pub use store::ControlStore;
pub use tokens::{
    ApiToken, ApiTokenCommand, ApiTokenEvent, ApiTokenRefusal, ApiTokenTerms, EnrolmentCommand,
    EnrolmentEvent, EnrolmentRefusal, EnrolmentRow, EnrolmentToken, KnownApiToken, NotAToken,
    Terms as EnrolmentTerms, Token, TokenHash, TokenKind,
};
