//! The signature of a Windows program: which bytes it covers, whether it covers these, who made it and when. Whether the
//! signer is trusted is [`super::trust`]'s; digest, signature and trust are three facts and never one.

mod certificate;
mod signed_data;
mod timestamp;

use std::io;
use std::ops::Range;

use der::Tag;
use der::asn1::ObjectIdentifier;

use super::digests::Algorithm;
use super::read_at::{ReadAt, piece, u16_at, u32_at};
use epm_proto::asn1::{Damaged, Element};
use signed_data::SignedData;

pub use certificate::{Certificate, DistinguishedName, Verification};
pub use timestamp::Timestamp;

/// Bytes of a certificate table that are read: signatures have about ten thousand, and some hide data behind them.
const MAX_TABLE_BYTES: u64 = 4 << 20;
/// Entries of the table that are looked at: there is one.
const MAX_ENTRIES: usize = 8;
/// Signatures inside a signature: one for each digest of the last twenty years.
const MAX_NESTED: usize = 8;
const ENTRY_HEADER_BYTES: usize = 8;
/// The type of an entry that holds PKCS #7 signed data.
const PKCS_SIGNED_DATA: u16 = 2;

const INDIRECT_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");
const NESTED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.4.1");

/// A signature as it is embedded in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedSignature {
    /// How the program was hashed.
    pub algorithm: Algorithm,
    /// The program's digest as it was signed.
    pub digest: Vec<u8>,
    /// Whether the signer's key signed that digest.
    pub verification: Verification,
    /// Who signed; none where the certificate is missing.
    pub signer: Option<Certificate>,
    /// Who issued the signer's certificate, where that is embedded and really did.
    pub issuer: Option<Certificate>,
    /// Every certificate that is embedded.
    pub certificates: Vec<Certificate>,
    /// When it was signed.
    pub timestamp: Option<Timestamp>,
    /// Further signatures inside this one, without those inside them.
    pub nested: Vec<EmbeddedSignature>,
}

/// Reads the signature in the certificate table; the error says that it cannot be read.
pub(super) fn read(
    source: &dyn ReadAt,
    table: Range<u64>,
) -> io::Result<Result<EmbeddedSignature, UnreadableSignature>> {
    let most = (table.end - table.start).min(MAX_TABLE_BYTES) as usize;
    let table = piece(source, table.start, most)?;
    let Some(entry) = signed_data(&table) else {
        return Ok(Err(UnreadableSignature));
    };
    Ok(parse(entry).map_err(|Damaged| UnreadableSignature))
}

/// There is something where a signature belongs, and it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature cannot be read")]
pub struct UnreadableSignature;

/// The first entry of the table that holds a signature of programs.
fn signed_data(table: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    for _ in 0..MAX_ENTRIES {
        let length = u32_at(table, at)? as usize;
        let kind = u16_at(table, at + 6)?;
        let end = at.checked_add(length)?;
        if kind == PKCS_SIGNED_DATA {
            return table.get(at + ENTRY_HEADER_BYTES..end);
        }
        if length < ENTRY_HEADER_BYTES {
            return None;
        }
        at = end.checked_next_multiple_of(8)?;
    }
    None
}

fn parse(bytes: &[u8]) -> Result<EmbeddedSignature, Damaged> {
    let data = SignedData::parse(bytes)?;
    let mut signature = of(&data)?;
    for nested in data
        .signer
        .unsigned_attributes
        .values(NESTED)
        .iter()
        .take(MAX_NESTED)
    {
        let nested = SignedData::parse(nested.raw)?;
        signature.nested.push(of(&nested)?);
    }
    Ok(signature)
}

fn of(data: &SignedData<'_>) -> Result<EmbeddedSignature, Damaged> {
    let (algorithm, digest) = program_digest(data)?;
    let (verification, signer) = data.verify();
    // The digest must be as strong as the signature says it is.
    let verification = match data.signer.digest {
        Some(digest) if digest != algorithm => Verification::Wrong,
        _ => verification,
    };
    let issuer = signer.and_then(|signer| {
        let issuers = data.certificates.iter();
        issuers.into_iter().find(|issuer| issuer.issued(signer))
    });
    Ok(EmbeddedSignature {
        algorithm,
        digest: digest.to_vec(),
        verification,
        signer: signer.cloned(),
        issuer: issuer.cloned(),
        timestamp: timestamp::of(&data.signer, &data.certificates)?,
        certificates: data.certificates.clone(),
        nested: Vec::new(),
    })
}

/// The digest in the content: its second part is algorithm and bytes.
fn program_digest<'a>(data: &SignedData<'a>) -> Result<(Algorithm, &'a [u8]), Damaged> {
    if data.content_type != INDIRECT_DATA {
        return Err(Damaged);
    }
    let content: Element<'a> = data.content.is(Tag::Sequence)?;
    let mut fields = content.fields()?;
    fields.next()?;
    let mut digest = fields.sequence()?;
    let algorithm = certificate::digest(digest.sequence()?.next()?.oid()?).ok_or(Damaged)?;
    Ok((algorithm, digest.next()?.is(Tag::OctetString)?.value))
}
