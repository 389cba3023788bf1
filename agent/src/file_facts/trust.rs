//! Whether a signer's chain ends at a root that this device trusts. Path building and its bounds are webpki's. Nothing
//! here fetches anything: revocation is not looked up.

use der::asn1::ObjectIdentifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::authenticode::{Certificate, EmbeddedSignature, Timestamp, Verification};

/// Roots that are read: a system's whole store has some hundred.
const MAX_ROOTS: usize = 10_000;
const CODE_SIGNING: Purpose = Purpose {
    oid: ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3"),
    encoded: &[0x2b, 6, 1, 5, 5, 7, 3, 3],
};
const TIME_STAMPING: Purpose = Purpose {
    oid: ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8"),
    encoded: &[0x2b, 6, 1, 5, 5, 7, 3, 8],
};

/// What a key is used for.
#[derive(Clone, Copy)]
struct Purpose {
    oid: ObjectIdentifier,
    encoded: &'static [u8],
}

/// Whether a chain can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainTrust {
    /// It ends at a trusted root.
    Trusted,
    /// A certificate's time was over when the program was signed; without a trusted time stamp, is over now.
    Expired,
    /// It ends at no trusted root, or a certificate of it is for something else.
    Untrusted,
    /// No roots are configured.
    NotJudged,
}

/// Why a text holds no roots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// It is not PEM, or not a certificate.
    #[error("certificate {number} cannot be read")]
    Unreadable {
        /// Which one, from 1.
        number: usize,
    },
    /// There is none in it.
    #[error("there is no certificate in it")]
    Empty,
    /// There are more than any system has.
    #[error("there are more than {MAX_ROOTS} certificates in it")]
    TooMany,
}

/// Roots that the device trusts for programs.
#[derive(Clone, Debug, Default)]
pub struct TrustedRoots {
    anchors: Vec<TrustAnchor<'static>>,
}

impl TrustedRoots {
    /// Reads certificates in PEM, one after another.
    ///
    /// # Errors
    ///
    /// [`TrustError`] says which certificate cannot be read.
    pub fn from_pem(text: &[u8]) -> Result<Self, TrustError> {
        let mut anchors = Vec::new();
        for (at, root) in CertificateDer::pem_slice_iter(text).enumerate() {
            if at == MAX_ROOTS {
                return Err(TrustError::TooMany);
            }
            let unreadable = TrustError::Unreadable { number: at + 1 };
            let root = root.map_err(|_| unreadable.clone())?;
            let anchor = anchor_from_trusted_cert(&root).map_err(|_| unreadable)?;
            anchors.push(anchor.to_owned());
        }
        match anchors.is_empty() {
            true => Err(TrustError::Empty),
            false => Ok(Self { anchors }),
        }
    }

    /// Whether `signature` is to be trusted, as far as its chain goes.
    pub(super) fn judge(&self, signature: &EmbeddedSignature, now_s: i64) -> ChainTrust {
        let Some(signer) = &signature.signer else {
            return ChainTrust::Untrusted;
        };
        let stamped = signature.timestamp.as_ref();
        // Without roots nobody can vouch for a time; then a stamp is believed, because nothing hangs on it.
        let stamped = stamped.filter(|stamp| match self.anchors.is_empty() {
            true => stamp.verification == Verification::Verified,
            false => self.vouches(stamp),
        });
        let moment_s = stamped.map_or(now_s, |stamp| stamp.time_s);
        let in_time = (signer.not_before_s..=signer.not_after_s).contains(&moment_s);
        let chain = |moment_s| self.chain(signer, &signature.certificates, moment_s, CODE_SIGNING);
        match (self.anchors.is_empty(), in_time) {
            (true, true) => ChainTrust::NotJudged,
            (true, false) => ChainTrust::Expired,
            (false, true) => chain(moment_s),
            // A stranger's certificate is first of all a stranger's.
            (false, false) => match chain(signer.not_after_s) {
                ChainTrust::Untrusted => ChainTrust::Untrusted,
                _ => ChainTrust::Expired,
            },
        }
    }

    fn vouches(&self, stamp: &Timestamp) -> bool {
        let Some(signer) = &stamp.signer else {
            return false;
        };
        let chain = self.chain(signer, &stamp.certificates, stamp.time_s, TIME_STAMPING);
        stamp.verification == Verification::Verified && chain == ChainTrust::Trusted
    }

    fn chain(
        &self,
        signer: &Certificate,
        certificates: &[Certificate],
        moment_s: i64,
        purpose: Purpose,
    ) -> ChainTrust {
        // The signer must be meant for it. Authorities may leave open what they issue for, which webpki allows below.
        if !signer.purposes.contains(&purpose.oid) {
            return ChainTrust::Untrusted;
        }
        let seconds = u64::try_from(moment_s).unwrap_or(0);
        let moment = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let encoding = CertificateDer::from(&*signer.encoding);
        let others = certificates.iter();
        let others: Vec<_> = others
            .map(|other| CertificateDer::from(&*other.encoding))
            .collect();
        let Ok(end) = EndEntityCert::try_from(&encoding) else {
            return ChainTrust::Untrusted;
        };
        let judged = end.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &self.anchors,
            &others,
            moment,
            KeyUsage::required_if_present(purpose.encoded),
            None,
            None,
        );
        match judged {
            Ok(_) => ChainTrust::Trusted,
            Err(webpki::Error::CertExpired { .. }) => ChainTrust::Expired,
            Err(_) => ChainTrust::Untrusted,
        }
    }
}
