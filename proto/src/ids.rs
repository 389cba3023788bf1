//! Identities and positions of the wire as types, so that none is taken for another. No parsing of messages here.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Bytes of every identity on the wire.
pub const ID_BYTES: usize = 16;

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; ID_BYTES]);

        impl $name {
            /// The identity that `bytes` hold, where they are exactly sixteen.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes, as the wire carries them.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid.into_bytes())
            }
        }
    };
}

identity! {
    /// An agent: the service on one device.
    AgentId
}
identity! {
    /// One event: a UUIDv7 minted when its record was spooled.
    EventId
}
identity! {
    /// One observation at its source, the same for every agent that imports it.
    SourceKey
}

impl SourceKey {
    /// The key of an observation that `parts` name together: the first sixteen bytes of the SHA-256 of the parts, each
    /// preceded by its length as eight bytes little-endian, so that no two lists of parts read alike.
    #[must_use]
    pub fn derive(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        let mut key = [0; ID_BYTES];
        key.copy_from_slice(&digest[..ID_BYTES]);
        Self(key)
    }
}

/// One spool's life. A later epoch of an agent is a larger number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// Position of a record in its epoch, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

/// The name of a record for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    /// Who sequenced it.
    pub agent_id: AgentId,
    /// In which spool.
    pub epoch: Epoch,
    /// Where in it.
    pub sequence: Sequence,
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.agent_id, self.epoch.0, self.sequence.0)
    }
}
