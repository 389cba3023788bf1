//! DSSE: bytes of a stated type, with signatures over both. What the bytes say is not looked at here.
//!
//! Source: the Dead Simple Signing Envelope, protocol and envelope, version 1.0.

use std::borrow::Cow;
use std::fmt;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::BundleError;
use super::keys::{KeyId, SigningKey, TrustedKeys};
use crate::limits::{MAX_BUNDLE_BYTES, MAX_BUNDLE_KEYS, MAX_POLICY_FILE_BYTES};

/// A verifier takes both alphabets, and does not ask for padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What is signed (the specification's `PAE`): the type and the payload, each with its length in front, so that no other
/// pair of the two has the same bytes.
#[must_use]
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = preamble(payload_type, payload.len());
    encoded.extend_from_slice(payload);
    encoded
}

fn preamble(payload_type: &str, payload_bytes: usize) -> Vec<u8> {
    let type_bytes = payload_type.len();
    format!("DSSEv1 {type_bytes} {payload_type} {payload_bytes} ").into_bytes()
}

/// Signs a payload with each of these keys.
pub(super) fn seal(payload_type: &str, payload: &[u8], keys: &[&SigningKey]) -> String {
    let message = pre_authentication_encoding(payload_type, payload);
    let signatures = keys.iter().map(|key| SealedSignature {
        keyid: key.public().id().clone(),
        sig: BASE64_STANDARD.encode(key.sign(&message)),
    });
    let sealed = Sealed {
        payload: BASE64_STANDARD.encode(payload),
        payload_type,
        signatures: signatures.collect(),
    };
    // Texts in a struct: there is nothing that a writer to memory could refuse.
    serde_json::to_string(&sealed).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sealed<'e> {
    payload: String,
    payload_type: &'e str,
    signatures: Vec<SealedSignature>,
}

#[derive(Serialize)]
struct SealedSignature {
    keyid: KeyId,
    sig: String,
}

/// A payload that a trusted key signed.
pub(super) struct Opened {
    /// The preamble and the payload: they are decoded into one place, since a payload can be large.
    message: Vec<u8>,
    payload_at: usize,
    pub(super) signed_by: KeyId,
}

impl Opened {
    pub(super) fn payload(&self) -> &[u8] {
        &self.message[self.payload_at..]
    }
}

/// Opens an envelope of this type, where one of its signatures is by a trusted key.
pub(super) fn open(
    bytes: &[u8],
    payload_type: &str,
    keys: &TrustedKeys,
) -> Result<Opened, BundleError> {
    if bytes.len() > MAX_BUNDLE_BYTES {
        return Err(BundleError::TooLarge { bytes: bytes.len() });
    }
    let envelope: Envelope<'_> = serde_json::from_slice(bytes)
        .map_err(|error| BundleError::NotAnEnvelope(error.to_string()))?;
    if envelope.payload_type != payload_type {
        let found: String = envelope.payload_type.chars().take(80).collect();
        return Err(BundleError::PayloadType(found));
    }
    let message = message(&envelope)?;
    let payload_at = preamble(payload_type, payload_bytes(&envelope.payload)).len();
    let signed_by = signed_by(&envelope.signatures.0, &message, keys)?;
    Ok(Opened {
        message,
        payload_at,
        signed_by,
    })
}

fn message(envelope: &Envelope<'_>) -> Result<Vec<u8>, BundleError> {
    let bytes = payload_bytes(&envelope.payload);
    if bytes > MAX_POLICY_FILE_BYTES {
        return Err(BundleError::TooLarge { bytes });
    }
    let mut message = preamble(&envelope.payload_type, bytes);
    let start = message.len();
    message.reserve_exact(bytes);
    let decoded = alphabet_of(&envelope.payload).decode_vec(&*envelope.payload, &mut message);
    match decoded {
        Ok(()) if message.len() - start == bytes => Ok(message),
        _ => Err(BundleError::NotAnEnvelope(
            "the payload is not base64".to_owned(),
        )),
    }
}

/// How many bytes a base64 text stands for.
fn payload_bytes(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

fn alphabet_of(text: &str) -> &'static GeneralPurpose {
    match text.contains(['-', '_']) {
        true => &URL_SAFE,
        false => &STANDARD,
    }
}

/// The first trusted key that signed. Signatures by keys that are not known are passed over: another device may know
/// them.
fn signed_by(
    signatures: &[EnvelopeSignature<'_>],
    message: &[u8],
    keys: &TrustedKeys,
) -> Result<KeyId, BundleError> {
    let mut bad = None;
    for written in signatures {
        let signature = alphabet_of(&written.sig).decode(&*written.sig);
        for key in keys.iter() {
            let name = written.keyid.as_deref().unwrap_or_default();
            let named = name == key.id().0;
            // A name is a hint: without one, each key is tried.
            if !name.is_empty() && !named {
                continue;
            }
            if (signature.as_ref()).is_ok_and(|signature| key.signed(message, signature)) {
                return Ok(key.id().clone());
            }
            if named || bad.is_none() {
                bad = Some(key.id().clone());
            }
        }
    }
    Err(match bad {
        Some(key) => BundleError::BadSignature(key),
        None if signatures.is_empty() => BundleError::NotSigned,
        None => BundleError::UnknownKey {
            signed_by: signatures.iter().filter_map(name).collect(),
            trusted: keys.iter().map(|key| key.id().clone()).collect(),
        },
    })
}

fn name(signature: &EnvelopeSignature<'_>) -> Option<KeyId> {
    let name = signature.keyid.as_deref()?;
    Some(KeyId(name.chars().take(80).collect()))
}

/// Keys beside these are passed over, as the specification asks: they are not signed and mean nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'e> {
    #[serde(borrow)]
    payload: Cow<'e, str>,
    #[serde(borrow)]
    payload_type: Cow<'e, str>,
    #[serde(borrow)]
    signatures: Signatures<'e>,
}

#[derive(Deserialize)]
struct EnvelopeSignature<'e> {
    #[serde(borrow, default)]
    keyid: Option<Cow<'e, str>>,
    #[serde(borrow)]
    sig: Cow<'e, str>,
}

/// A list that is refused when it grows too long, not after.
struct Signatures<'e>(Vec<EnvelopeSignature<'e>>);

impl<'de: 'e, 'e> Deserialize<'de> for Signatures<'e> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Few;
        impl<'de> Visitor<'de> for Few {
            type Value = Vec<EnvelopeSignature<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX_BUNDLE_KEYS} signatures")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut few = Vec::new();
                while let Some(signature) = items.next_element()? {
                    if few.len() == MAX_BUNDLE_KEYS {
                        return Err(serde::de::Error::invalid_length(few.len() + 1, &self));
                    }
                    few.push(signature);
                }
                Ok(few)
            }
        }
        deserializer.deserialize_seq(Few).map(Self)
    }
}
