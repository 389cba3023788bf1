//! Keys that sign bundles and keys that a device trusts. It must not make a key: that needs randomness, which programs for
//! keys have (`openssl genpkey -algorithm ed25519`).

use std::fmt;

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::limits::MAX_BUNDLE_KEYS;
use crate::model::Sha256;

/// Names a key in an envelope: the SHA-256 of its 32 bytes, in hexadecimal digits. Only a hint: what it says is signed
/// by nobody, so a key is never trusted for its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each has its sentence beside it")]
pub enum KeyError {
    #[error("this is not a public Ed25519 key in PEM; write one with `openssl pkey -pubout`")]
    NotPublic,
    #[error(
        "this is not a private Ed25519 key in PEM; make one with `openssl genpkey -algorithm ed25519`"
    )]
    NotPrivate,
    #[error("every text has a signature that fits this key; make another one")]
    Weak,
    #[error("{count} keys are given, from 1 to {MAX_BUNDLE_KEYS} can be")]
    Count { count: usize },
    #[error("the key {0} is given twice; take one out")]
    Duplicate(KeyId),
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: VerifyingKey,
}

impl PublicKey {
    /// Reads a key as it stands in files (SubjectPublicKeyInfo in PEM).
    ///
    /// # Errors
    ///
    /// [`KeyError::NotPublic`] and [`KeyError::Weak`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_public_key_pem(pem).map_err(|_| KeyError::NotPublic)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self::of(key))
    }

    fn of(key: VerifyingKey) -> Self {
        let digest: [u8; 32] = sha2::Sha256::digest(key.as_bytes()).into();
        Self {
            id: KeyId(Sha256(digest).to_string()),
            key,
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Whether it signed `message`. Of the several definitions of Ed25519 the strictest, so that no two programs differ.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

/// The keys whose bundles a device takes. Each may sign alone; with several, keys can change without a moment in which
/// no bundle is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// These keys.
    ///
    /// # Errors
    ///
    /// [`KeyError::Count`] and [`KeyError::Duplicate`].
    pub fn new(keys: Vec<PublicKey>) -> Result<Self, KeyError> {
        let count = keys.len();
        if count == 0 || count > MAX_BUNDLE_KEYS {
            return Err(KeyError::Count { count });
        }
        for (place, key) in keys.iter().enumerate() {
            if keys[..place].iter().any(|before| before.id == key.id) {
                return Err(KeyError::Duplicate(key.id.clone()));
            }
        }
        Ok(Self(keys))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }
}

/// A private key. It shows nothing of itself, and its bytes are wiped when it goes.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Reads a key as it stands in files (PKCS #8 in PEM).
    ///
    /// # Errors
    ///
    /// [`KeyError::NotPrivate`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem);
        key.map(Self).map_err(|_| KeyError::NotPrivate)
    }

    /// The key of a seed: 32 bytes that nobody can guess.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// What devices trust.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::of(self.0.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey")
            .field(self.public().id())
            .finish()
    }
}
