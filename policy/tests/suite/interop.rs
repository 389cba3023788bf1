//! Bundles against programs that had no part in ours: OpenSSL signs and verifies, Python writes the payload.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use epm_policy::bundle::{
    PAYLOAD_TYPE, PublicKey, SigningKey, TrustedKeys, pre_authentication_encoding, verify,
};
use epm_policy::file::{Format, write};
use serde_json::{Value, json};

use crate::bundle::{NOW_S, bundle, key, terms};

/// Set to 1 where a missing program is a failure.
const REQUIRED: &str = "EPM_REQUIRE_COMPONENTS";

/// A folder in which programs work.
struct Bench(tempfile::TempDir);

impl Bench {
    /// Where one of the programs is missing, says so in one line and gives nothing.
    fn with(programs: &[&str]) -> Option<Self> {
        for program in programs {
            let answers = Command::new(program).arg("--version").output().is_ok();
            if !answers {
                let required = std::env::var_os(REQUIRED).is_some_and(|value| value == "1");
                assert!(!required, "{REQUIRED}=1 and there is no {program}");
                let line = format!("NOT RUN: needs {program}\n");
                let _ = std::io::stderr().write_all(line.as_bytes());
                return None;
            }
        }
        Some(Self(tempfile::tempdir().unwrap()))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Runs a program in the folder; whether it ended well.
    fn run(&self, command: &str) -> bool {
        let mut words = command.split(' ');
        let output = Command::new(words.next().unwrap())
            .args(words)
            .current_dir(self.path())
            .output()
            .unwrap();
        output.status.success()
    }

    fn must(&self, command: &str) {
        assert!(self.run(command), "{command}");
    }
}

#[test]
fn a_bundle_that_python_wrote_and_openssl_signed_is_taken() {
    let Some(bench) = Bench::with(&["openssl", "python3"]) else {
        return;
    };
    bench.must("openssl genpkey -algorithm ed25519 -out key.pem");
    bench.must("openssl pkey -in key.pem -pubout -out public.pem");
    // Keys in the order of the model, blanks, and a name that is not ASCII: Python brings it into form.
    let mut bundle = bundle(7);
    bundle.policies.rules[0].name = "Büro 😀".to_owned();
    let arguments = vec!["/\"quoted\"".to_owned(), "\\ \t\n\u{1}\u{7f}".to_owned()];
    bundle.policies.rules[0].rules[0].allowed_arguments = Some(arguments);
    let policies: Value =
        serde_json::from_str(&write(Format::Json, &bundle.policies).unwrap()).unwrap();
    let written = json!({
        "policies": policies, "expires_s": bundle.expires_s, "not_before_s": bundle.not_before_s,
        "audience": bundle.audience,
    });
    bench.write(
        "written.json",
        serde_json::to_string_pretty(&written).unwrap(),
    );
    bench.write(
        "canonical.py",
        "import json\n\
         value = json.load(open('written.json', encoding='utf-8'))\n\
         text = json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False)\n\
         payload = text.encode('utf-8')\n\
         kind = open('type', 'rb').read()\n\
         open('payload', 'wb').write(payload)\n\
         parts = [b'DSSEv1', b'%d' % len(kind), kind, b'%d' % len(payload), payload]\n\
         open('message', 'wb').write(b' '.join(parts))\n",
    );
    bench.write("type", PAYLOAD_TYPE);
    bench.must("python3 canonical.py");
    bench.must("openssl pkeyutl -sign -rawin -inkey key.pem -in message -out signature");
    let envelope = json!({
        "payloadType": PAYLOAD_TYPE,
        "payload": BASE64_STANDARD.encode(bench.read("payload")),
        "signatures": [{"keyid": "", "sig": BASE64_STANDARD.encode(bench.read("signature"))}],
    });
    let public = PublicKey::from_pem(&bench.text("public.pem")).unwrap();
    let keys = TrustedKeys::new(vec![public]).unwrap();
    let verified = verify(envelope.to_string().as_bytes(), &terms(&keys, NOW_S), None).unwrap();
    assert_eq!(verified.set.policies(), &bundle.policies);
    assert_eq!(bench.text("payload"), bundle.canonical_json().unwrap());
}

#[test]
fn openssl_verifies_what_we_signed_and_refuses_what_was_changed() {
    let Some(bench) = Bench::with(&["openssl"]) else {
        return;
    };
    bench.must("openssl genpkey -algorithm ed25519 -out key.pem");
    bench.must("openssl pkey -in key.pem -pubout -out public.pem");
    let signing = SigningKey::from_pem(&bench.text("key.pem")).unwrap();
    let public = PublicKey::from_pem(&bench.text("public.pem")).unwrap();
    assert_eq!(signing.public(), public);
    assert_ne!(signing.public(), key(1).public());
    let sealed = bundle(7).seal(&[&signing]).unwrap();
    let envelope: Value = serde_json::from_str(&sealed).unwrap();
    let field = |value: &Value| BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
    let payload = field(&envelope["payload"]);
    bench.write("signature", field(&envelope["signatures"][0]["sig"]));
    let ask =
        "openssl pkeyutl -verify -rawin -pubin -inkey public.pem -in message -sigfile signature";
    bench.write(
        "message",
        pre_authentication_encoding(PAYLOAD_TYPE, &payload),
    );
    assert!(bench.run(ask));
    bench.write(
        "message",
        pre_authentication_encoding("text/plain", &payload),
    );
    assert!(!bench.run(ask));
}
