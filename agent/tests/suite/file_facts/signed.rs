//! Programs that osslsigncode signs here, with a chain that openssl makes here: digest, signature and trust, each right
//! and each wrong on its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use epm_agent::file_facts::authenticode::Verification;
use epm_agent::file_facts::contents::ProgramSignature;
use epm_agent::file_facts::package::Packages;
use epm_agent::file_facts::trust::{ChainTrust, TrustError, TrustedRoots};
use epm_agent::file_facts::{Algorithm, Facts, Witnesses};
use epm_policy::{FileVersion, SignatureStatus};

use super::facts;
use super::tiny_pe::{self, Table};
use crate::components::{present, program, run};

/// A root, an authority below it, and a publisher.
pub(crate) struct Publisher {
    folder: tempfile::TempDir,
}

impl Publisher {
    /// Makes the chain with keys of this kind, as `openssl genpkey` takes it.
    pub(crate) fn new(key: &[&str]) -> Option<Self> {
        present(program("osslsigncode").and_then(|()| program("openssl")))?;
        let folder = tempfile::tempdir().expect("a folder");
        let publisher = Self { folder };
        let extensions = "[root]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n\
            [authority]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n\
            [publisher]\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n\
            [stamper]\nbasicConstraints=critical,CA:false\nextendedKeyUsage=critical,timeStamping\n\
            [server]\nbasicConstraints=critical,CA:false\nextendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1\n";
        fs::write(publisher.path("extensions"), extensions).expect("it can be written");
        for name in ["root", "authority", "publisher", "stamper", "server"] {
            let file = format!("{name}.key");
            publisher.openssl(&[&["genpkey"], key, &["-out", &file]].concat());
        }
        publisher.certify(
            "root",
            "root",
            "/C=FI/O=Example Trust/CN=Example Root",
            "20200101000000Z",
        );
        publisher.certify(
            "authority",
            "root",
            "/C=FI/O=Example Trust/CN=Example Authority",
            "20200101000000Z",
        );
        let subject = "/C=FI/ST=Uusimaa/O=Example, Ltd/CN=Example Publisher";
        publisher.certify("publisher", "authority", subject, "20250101000000Z");
        publisher.certify("server", "authority", "/CN=server", "20250101000000Z");
        publisher.certify("stamper", "authority", "/CN=stamper", "20200101000000Z");
        Some(publisher)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut openssl = Command::new("openssl");
        run(openssl.args(arguments).current_dir(self.folder.path())).expect("openssl does it");
    }

    /// Valid for nine years and some days.
    pub(crate) fn certify(&self, name: &str, issuer: &str, subject: &str, from: &str) {
        let years = from[..4].parse::<u32>().expect("a year") + 9;
        let to = format!("{years}{}", &from[4..]);
        let [key, request, certificate] = ["key", "csr", "pem"].map(|end| format!("{name}.{end}"));
        self.openssl(&[
            "req", "-new", "-key", &key, "-subj", subject, "-out", &request,
        ]);
        let ca = fs::create_dir_all(self.path("ca"));
        ca.expect("a folder");
        fs::write(self.path("ca/index"), "").expect("it can be written");
        let config = "[ca]\ndefault_ca=x\n[x]\ndatabase=ca/index\nnew_certs_dir=ca\ndefault_md=sha256\npolicy=p\nrand_serial=yes\nunique_subject=no\n\
            [p]\ncountryName=optional\nstateOrProvinceName=optional\norganizationName=optional\ncommonName=supplied\n";
        fs::write(self.path("ca.conf"), config).expect("it can be written");
        let (issuer_key, issuer_certificate) = (format!("{issuer}.key"), format!("{issuer}.pem"));
        let signer: &[&str] = match name == issuer {
            true => &["-selfsign", "-keyfile", &issuer_key],
            false => &["-keyfile", &issuer_key, "-cert", &issuer_certificate],
        };
        let rest = [
            "-batch",
            "-notext",
            "-preserveDN",
            "-extfile",
            "extensions",
            "-extensions",
            name,
            "-startdate",
            from,
            "-enddate",
            &to,
            "-in",
            &request,
            "-out",
            &certificate,
        ];
        self.openssl(&[&["ca", "-config", "ca.conf"], signer, &rest].concat());
    }

    /// Signs `bytes` as `signer`; where the signed program is.
    pub(crate) fn sign(&self, bytes: &[u8], signer: &str, more: &[&str]) -> PathBuf {
        let (plain, signed) = (self.path("plain.exe"), self.path("signed.exe"));
        fs::write(&plain, bytes).expect("it can be written");
        let _ = fs::remove_file(&signed);
        let mut sign = Command::new("osslsigncode");
        sign.args(["sign", "-certs"])
            .arg(self.path(&format!("{signer}.pem")));
        sign.arg("-key").arg(self.path(&format!("{signer}.key")));
        sign.arg("-ac").arg(self.path("authority.pem")).args(more);
        sign.arg("-in").arg(&plain).arg("-out").arg(&signed);
        run(&mut sign).expect("osslsigncode signs it");
        signed
    }

    /// Options by which osslsigncode has this chain's stamper say that a program was signed at `when`, in seconds since 1970.
    pub(crate) fn stamp(&self, when: &str) -> Option<[String; 6]> {
        let help = Command::new("osslsigncode")
            .args(["sign", "--help"])
            .output();
        let help = help.expect("it is installed");
        let help = [help.stdout, help.stderr].concat();
        let stamps = String::from_utf8_lossy(&help).contains("-TSA-time");
        let stamps = stamps.then_some(());
        present(stamps.ok_or_else(|| "osslsigncode makes no time stamps".to_owned()))?;
        let chain = ["stamper.pem", "authority.pem"].map(|name| self.path(name));
        let chain = chain.map(|path| fs::read_to_string(path).expect("it was made"));
        fs::write(self.path("stampers.pem"), chain.concat()).expect("it can be written");
        let path = |name| self.path(name).to_str().expect("text").to_owned();
        let options = [
            "-TSA-certs",
            &path("stampers.pem"),
            "-TSA-key",
            &path("stamper.key"),
        ];
        let [a, b, c, d] = options.map(str::to_owned);
        Some([a, b, c, d, "-TSA-time".to_owned(), when.to_owned()])
    }

    fn roots(&self) -> Witnesses {
        let pem = fs::read(self.path("root.pem")).expect("it was made");
        Witnesses {
            roots: TrustedRoots::from_pem(&pem).expect("a root"),
            packages: Packages::below(self.folder.path()),
        }
    }
}

const RSA: [&str; 4] = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];

fn assert_valid(facts: &Facts) {
    let signature = facts.signature().expect("a signature");
    assert_eq!(signature.verification, Verification::Verified);
    assert_eq!(
        facts.program().expect("a program").digest_matches(),
        Some(true)
    );
    assert_eq!(facts.chain, Some(ChainTrust::Trusted));
    assert_eq!(facts.signature_status(), SignatureStatus::Valid);
}

#[test]
fn a_signature_by_any_usual_key_is_valid_under_its_root() {
    for key in [RSA, P256, P384] {
        let Some(publisher) = Publisher::new(&key) else {
            return;
        };
        for digest in ["sha256", "sha384"] {
            let signed = publisher.sign(&tiny_pe::silent(b"odd"), "publisher", &["-h", digest]);
            let facts = facts(&signed, &publisher.roots());
            assert_valid(&facts);
            let policy = facts.as_policy();
            let subject = "CN=Example Publisher, O=\"Example, Ltd\", S=Uusimaa, C=FI";
            assert_eq!(policy.signature.publisher.subject, Some(subject));
            let authority = "CN=Example Authority, O=Example Trust, C=FI";
            assert_eq!(policy.signature.issuing_authority.subject, Some(authority));
            assert!(policy.signature.issuing_authority.sha256.is_some());
        }
    }
}

#[test]
fn a_changed_byte_anywhere_under_the_signature_makes_it_invalid() {
    let Some(publisher) = Publisher::new(&P256) else {
        return;
    };
    let plain = tiny_pe::silent(b"code code code");
    let signed = publisher.sign(&plain, "publisher", &["-h", "sha256"]);
    let bytes = fs::read(&signed).expect("it was made");
    let changed = publisher.path("changed.exe");
    // The checksum and the entry that names the signature are not covered; those two are all.
    let checksum = 0x40 + 24 + 64;
    let entry = 0x40 + 24 + 112 + 4 * 8;
    for at in 0..plain.len() {
        let mut other = bytes.clone();
        other[at] ^= 0x20;
        fs::write(&changed, &other).expect("it can be written");
        let facts = facts(&changed, &publisher.roots());
        let covered = !(checksum..checksum + 4).contains(&at) && !(entry..entry + 8).contains(&at);
        let status = facts.signature_status();
        if covered {
            assert_ne!(status, SignatureStatus::Valid, "byte {at}");
        }
        if (checksum..checksum + 4).contains(&at) {
            assert_eq!(status, SignatureStatus::Valid, "byte {at}");
        }
    }
    let mut longer = bytes.clone();
    longer.extend(b"12345678");
    fs::write(&changed, &longer).expect("it can be written");
    let facts = facts(&changed, &publisher.roots());
    assert_eq!(facts.signature_status(), SignatureStatus::Invalid);
}

#[test]
fn a_changed_byte_in_the_signature_never_leaves_another_program_valid() {
    let Some(publisher) = Publisher::new(&P256) else {
        return;
    };
    let plain = tiny_pe::silent(b"");
    let signed = publisher.sign(&plain, "publisher", &["-h", "sha256"]);
    let bytes = fs::read(&signed).expect("it was made");
    let whole = facts(&signed, &publisher.roots());
    let changed = publisher.path("changed.exe");
    let mut invalid = 0;
    for at in plain.len()..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        fs::write(&changed, &other).expect("it can be written");
        let facts = facts(&changed, &publisher.roots());
        if facts.signature_status() != SignatureStatus::Valid {
            invalid += 1;
            continue;
        }
        // What is not signed may differ, as versions and unsigned attributes do; who signed what may not.
        let (ours, theirs) = (facts.as_policy(), whole.as_policy());
        assert_eq!(
            ours.signature.publisher, theirs.signature.publisher,
            "byte {at}"
        );
        let digest = |facts: &Facts| facts.signature().map(|signature| signature.digest.clone());
        assert_eq!(digest(&facts), digest(&whole), "byte {at}");
    }
    assert!(invalid * 10 > (bytes.len() - plain.len()) * 8, "{invalid}");
}

#[test]
fn a_signer_is_trusted_only_under_its_root_for_programs_and_in_its_time() {
    let (Some(publisher), Some(other)) = (Publisher::new(&P256), Publisher::new(&P256)) else {
        return;
    };
    let status = |path: &Path, witnesses: &Witnesses| {
        let facts = facts(path, witnesses);
        (facts.chain.expect("a signature"), facts.signature_status())
    };
    let signed = publisher.sign(&tiny_pe::silent(b""), "publisher", &["-h", "sha256"]);
    let nobody = Witnesses::default();
    assert_eq!(
        status(&signed, &nobody),
        (ChainTrust::NotJudged, SignatureStatus::Unknown)
    );
    let elsewhere = other.roots();
    assert_eq!(
        status(&signed, &elsewhere),
        (ChainTrust::Untrusted, SignatureStatus::Untrusted)
    );
    let server = publisher.sign(&tiny_pe::silent(b""), "server", &["-h", "sha256"]);
    let roots = publisher.roots();
    assert_eq!(
        status(&server, &roots),
        (ChainTrust::Untrusted, SignatureStatus::Untrusted)
    );
    publisher.certify(
        "publisher",
        "authority",
        "/CN=Example Publisher",
        "20150101000000Z",
    );
    let late = publisher.sign(&tiny_pe::silent(b""), "publisher", &["-h", "sha256"]);
    assert_eq!(
        status(&late, &roots),
        (ChainTrust::Expired, SignatureStatus::Expired)
    );
    assert_eq!(
        status(&late, &nobody),
        (ChainTrust::Expired, SignatureStatus::Expired)
    );
}

#[test]
fn a_time_stamp_keeps_a_signature_valid_beyond_its_certificate() {
    let (Some(publisher), Some(other)) = (Publisher::new(&RSA), Publisher::new(&RSA)) else {
        return;
    };
    // Valid from 2015 to 2024; judged in 2026.
    publisher.certify(
        "publisher",
        "authority",
        "/CN=Example Publisher",
        "20150101000000Z",
    );
    let (in_time, late) = ("1672531200", "1735689600");
    let stamped = |by: &Publisher, when: &str| {
        let stamp = by.stamp(when)?;
        let more: Vec<&str> = stamp.iter().map(String::as_str).collect();
        let more = [&["-h", "sha256"], &more[..]].concat();
        let signed = publisher.sign(&tiny_pe::silent(b""), "publisher", &more);
        Some(facts(&signed, &publisher.roots()))
    };
    let (Some(valid), Some(late), Some(strange)) = (
        stamped(&publisher, in_time),
        stamped(&publisher, late),
        stamped(&other, in_time),
    ) else {
        return;
    };
    let stamp = valid
        .signature()
        .and_then(|signature| signature.timestamp.as_ref());
    let stamp = stamp.expect("a stamp");
    assert_eq!(
        (stamp.time_s, stamp.verification),
        (1_672_531_200, Verification::Verified)
    );
    assert_valid(&valid);
    assert_eq!(late.signature_status(), SignatureStatus::Expired);
    assert_eq!(
        strange.signature_status(),
        SignatureStatus::Expired,
        "nobody vouches for the time"
    );
}

#[test]
fn sha_1_is_read_and_never_valid() {
    let Some(publisher) = Publisher::new(&RSA) else {
        return;
    };
    let signed = publisher.sign(&tiny_pe::silent(b""), "publisher", &["-h", "sha1"]);
    let facts = facts(&signed, &publisher.roots());
    let signature = facts.signature().expect("a signature");
    assert_eq!(signature.algorithm, Algorithm::Sha1);
    assert_eq!(signature.verification, Verification::Verified);
    assert_eq!(facts.signature_status(), SignatureStatus::Untrusted);
}

#[test]
fn a_second_signature_nests_in_the_first() {
    let Some(publisher) = Publisher::new(&RSA) else {
        return;
    };
    let first = publisher.sign(&tiny_pe::silent(b""), "publisher", &["-h", "sha1"]);
    let first = fs::read(first).expect("it was made");
    let both = publisher.sign(&first, "publisher", &["-h", "sha256", "-nest"]);
    let facts = facts(&both, &publisher.roots());
    let signature = facts.signature().expect("a signature");
    let nested = &signature.nested[..];
    assert_eq!(nested.len(), 1);
    assert_eq!(nested[0].algorithm, Algorithm::Sha256);
    assert_eq!(nested[0].verification, Verification::Verified);
    let program = facts.program().expect("a program");
    assert!(program.is_digest_of(signature) && program.is_digest_of(&nested[0]));
}

#[test]
fn a_signature_taken_from_another_program_is_invalid() {
    let Some(publisher) = Publisher::new(&P256) else {
        return;
    };
    let plain = tiny_pe::silent(b"the first");
    let signed = publisher.sign(&plain, "publisher", &["-h", "sha256"]);
    let mut bytes = fs::read(&signed).expect("it was made");
    let at = plain.len() - 9;
    bytes[at..at + 9].copy_from_slice(b"the other");
    let forged = publisher.path("forged.exe");
    fs::write(&forged, bytes).expect("it can be written");
    let facts = facts(&forged, &publisher.roots());
    let signature = facts.signature().expect("a signature");
    assert_eq!(
        signature.verification,
        Verification::Verified,
        "the signature itself is whole"
    );
    assert_eq!(facts.signature_status(), SignatureStatus::Invalid);
}

#[test]
fn our_digest_is_what_the_signer_computes() {
    let Some(publisher) = Publisher::new(&P256) else {
        return;
    };
    for length in 0..9 {
        let plain = tiny_pe::silent(&b"12345678"[..length.min(8)]);
        let before = publisher.path("before.exe");
        fs::write(&before, &plain).expect("it can be written");
        let unsigned = facts(&before, &Witnesses::default());
        let signed = publisher.sign(&plain, "publisher", &["-h", "sha256"]);
        let signed = facts(&signed, &publisher.roots());
        let signature = signed.signature().expect("a signature");
        let mut digests = unsigned.program().expect("a program").digests.iter();
        let ours = digests.find(|(algorithm, _)| *algorithm == Algorithm::Sha256);
        assert_eq!(
            ours.map(|(_, digest)| digest),
            Some(&signature.digest),
            "{length} bytes"
        );
    }
}

#[test]
fn texts_come_in_every_language_with_the_preferred_one_first() {
    let tables = [
        Table {
            language: "000004b0",
            strings: &[("CompanyName", "Neutral"), ("Comments", "only here")],
        },
        Table {
            language: "040904B0",
            strings: &[
                ("CompanyName", "Example"),
                ("FileVersion", "1, 2, 3, 4"),
                ("InternalName", ""),
            ],
        },
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiny.exe");
    fs::write(&path, tiny_pe::program([9, 8, 7, 6], &tables, b"")).expect("it can be written");
    let facts = facts(&path, &Witnesses::default());
    let program = facts.program().expect("a program");
    assert!(matches!(program.signature, ProgramSignature::None));
    assert_eq!(program.machine.name(), Some("x64"));
    let version = program.version.as_ref().expect("a version");
    let languages: Vec<_> = version
        .tables
        .iter()
        .map(|table| &*table.language)
        .collect();
    assert_eq!(languages, ["040904B0", "000004b0"]);
    assert_eq!(version.text("CompanyName"), Some("Example"));
    assert_eq!(version.text("Comments"), Some("only here"));
    assert_eq!(version.text("InternalName"), None);
    assert_eq!(facts.version(), Some(FileVersion([9, 8, 7, 6])));
    assert_eq!(facts.signature_status(), SignatureStatus::Unsigned);
}

#[test]
fn a_file_without_roots_is_refused() {
    let of = |text: &[u8]| TrustedRoots::from_pem(text).expect_err("no roots");
    assert_eq!(of(b""), TrustError::Empty);
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(of(broken), TrustError::Unreadable { number: 1 });
}
