//! Certificates in exports: the thumbprint is computed from their encoding. Subject and end of validity are left open; who
//! reads certificates fills them in. It must not verify anything.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::Digest as _;

use super::catalogue::flatten;
use super::{Head, Imported, NoteReason};
use crate::model::{Certificate, CertificateGroup, Thumbprint};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A reusable settings group.
pub(super) fn import(head: &Head<'_>, instance: &Value, imported: &mut Imported) {
    let mut settings = Vec::new();
    flatten(instance, "reusablesettings", &mut settings);
    let value = settings
        .first()
        .map_or("", |setting| setting.value.as_str());
    match certificate(value) {
        Ok(certificate) => imported.policies.certificate_groups.push(CertificateGroup {
            id: head.id.into(),
            name: head.name.to_owned(),
            description: head.description.to_owned(),
            certificate,
        }),
        Err(why) => {
            let reason = NoteReason::Unreadable(why.to_owned());
            imported
                .notes
                .push(head.note(None, "certificatefile", reason));
        }
    }
}

/// Reads PEM, or the base64 of PEM or of DER.
pub(super) fn certificate(text: &str) -> Result<Certificate, &'static str> {
    let mut bytes = match text.contains(BEGIN) {
        true => text.as_bytes().to_vec(),
        false => decode(text)?,
    };
    if let Ok(pem) = std::str::from_utf8(&bytes)
        && let Some((_, rest)) = pem.split_once(BEGIN)
    {
        let (body, _) = rest.split_once(END).ok_or("the certificate has no end")?;
        bytes = decode(body)?;
    }
    // A sequence with a long length: every certificate begins so.
    if !bytes.starts_with(&[0x30, 0x82]) {
        return Err("this is not a certificate in DER or PEM");
    }
    let digest: [u8; 32] = sha2::Sha256::digest(&bytes).into();
    Ok(Certificate {
        thumbprint: Some(Thumbprint::Sha256(digest)),
        ..Certificate::default()
    })
}

fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let decoded = BASE64_STANDARD.decode(text);
    decoded.map_err(|_| "this is not base64")
}
