//! Rules that know a program by who signed it, on a real device: Windows programs that are signed here, which the kernel
//! runs as an administrator told it to (binfmt_misc), and what becomes of them once the certificate has expired.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use epm_proto::v1;
use serde_json::{Value, json};

use super::people::User;
use super::pty::Terminal;
use super::world::{Recorded, World, copy, hash, rule, settings, text, with};
use crate::components::present;
use crate::file_facts::signed::Publisher;
use crate::file_facts::tiny_pe;

const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
/// What osslsigncode makes time stamps with.
const RSA: [&str; 4] = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
/// As openssl writes it, and as rules do.
const SUBJECT: [&str; 2] = [
    "/C=FI/ST=Uusimaa/O=Example, Ltd/CN=Example Publisher",
    "CN=Example Publisher, O=\"Example, Ltd\", S=Uusimaa, C=FI",
];
/// Where the header of a Windows program leaves room: by these bytes the kernel knows the programs of one test.
const MARK_AT: usize = 0x20;

/// The kernel runs the programs of one test by a script, for as long as this lives. The entry belongs to a mount that only
/// one process sees, so that it goes with that process however the test ends.
struct Interpreter {
    holder: Child,
    mark: String,
}

impl Interpreter {
    /// Has the kernel run such programs by `script`.
    fn new(folder: &Path, script: &Path) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("epmt{}x{number}", std::process::id());
        let entry = format!(":{mark}:M:{MARK_AT}:{mark}::{}:", script.display());
        let mount = folder.join("formats");
        std::fs::create_dir(&mount).expect("a folder");
        let hold = "mount -t binfmt_misc none \"$1\" && echo \"$2\" > \"$1/register\" && echo held && exec cat";
        let mut holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", hold, "sh"])
            .args([mount.as_os_str(), entry.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut said = String::new();
        let mut output = BufReader::new(holder.stdout.take().expect("piped"));
        output.read_line(&mut said).expect("it can be read");
        let interpreter = Self { holder, mark };
        let held = said.starts_with("held");
        present(
            held.then_some(())
                .ok_or_else(|| "this kernel has no binfmt_misc".to_owned()),
        )?;
        Some(interpreter)
    }

    /// A program of this test, not signed yet.
    fn program(&self) -> Vec<u8> {
        let texts = tiny_pe::Table {
            language: "040904b0",
            strings: &[
                ("CompanyName", "Example, Ltd"),
                ("ProductName", "Example Tool"),
            ],
        };
        let mut program = tiny_pe::program([3, 1, 0, 7], &[texts], b"code");
        program[MARK_AT..][..self.mark.len()].copy_from_slice(self.mark.as_bytes());
        program
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A device that trusts a publisher's root and lets whatever it signs run as administrator once the user confirms.
struct Device {
    world: World,
    publisher: Publisher,
    interpreter: Interpreter,
}

impl Device {
    fn new(key: &[&str], roots: bool) -> Option<Self> {
        let mut world = World::new()?;
        let publisher = Publisher::new(key)?;
        let says_who_and_what = "id -u; sha256sum < \"$1\"; shift; echo \"$@\"";
        let script = world.script("interpreter", says_who_and_what);
        let interpreter = Interpreter::new(&world.path(""), &script)?;
        if roots {
            let root = publisher.path("root.pem");
            world.option("--trusted-roots", root.to_str().expect("text"));
        }
        let mut device = Self {
            world,
            publisher,
            interpreter,
        };
        device.publish(&["-h", "sha256"]);
        let rule = by_publisher(&device.world.path("bin/tool.exe"));
        device.world.write_policy(settings(None), vec![rule]);
        device.world.start();
        Some(device)
    }

    /// Signs the program with the publisher's present certificate and puts it in place of the one before.
    fn publish(&self, options: &[&str]) {
        let signed = self
            .publisher
            .sign(&self.interpreter.program(), "publisher", options);
        self.world.install("tool.exe", &signed);
    }

    /// From now on the publisher signs with a certificate that was valid from 2015 to 2024.
    fn let_the_certificate_expire(&self) {
        self.publisher
            .certify("publisher", "authority", SUBJECT[0], "20150101000000Z");
    }

    fn tool(&self) -> String {
        self.world
            .path("bin/tool.exe")
            .to_string_lossy()
            .into_owned()
    }

    /// A person asks for it and says yes.
    fn confirmed(&self, person: &User) -> String {
        let elevate = self.world.elevate(person, &[&self.tool(), "--version"]);
        let mut terminal = Terminal::run(&elevate, person.uid);
        terminal.sees("as administrator? [y/N] ");
        terminal.types("y\n");
        let (seen, status) = terminal.ends();
        assert!(status.success(), "{seen}");
        seen.replace('\r', "")
    }

    /// The same without a terminal, as where nobody is asked because nothing may run.
    fn refused(&self, person: &User) -> Output {
        let output = self.world.ran(person, &[&self.tool(), "--version"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(text(&output.stdout), "", "nothing ran");
        output
    }

    /// What the program has to say: that it is root, and that it is the file that was judged.
    fn as_root(&self) -> String {
        let file = hash(&self.world.path("bin/tool.exe"));
        format!("0\n{file}  -\n--version\n")
    }
}

/// A rule without a hash: everything of that name that this publisher signs.
fn by_publisher(path: &Path) -> Value {
    let signature = json!({"uploaded": {
        "certificate_type": "publisher",
        "certificate": {"subject": SUBJECT[1]},
    }});
    let mut rule = with(rule("signed", "user_confirmed", path), json!({}));
    let detection = rule["detection"].as_object_mut().expect("an object");
    detection.remove("file_hash");
    detection.insert("signature".to_owned(), signature);
    rule
}

fn status(recorded: &Recorded) -> v1::SignatureStatus {
    recorded.file().signature_status()
}

#[test]
fn a_signed_program_runs_under_its_publishers_rule_until_the_certificate_has_expired() {
    let Some(device) = Device::new(&P256, true) else {
        return;
    };
    let anna = User::new("");
    let seen = device.confirmed(&anna);
    assert!(seen.ends_with(&device.as_root()), "{seen}");
    let valid = device.world.last_of(1);
    assert_eq!(valid.start.outcome(), v1::Outcome::Elevated);
    assert_eq!(valid.policy().rule_id, "signed");
    assert_eq!(
        valid.exit.as_ref().and_then(|exit| exit.result_code),
        Some(0)
    );
    assert_eq!(status(&valid), v1::SignatureStatus::Valid);
    let file = valid.file();
    assert_eq!(file.publisher_subject, SUBJECT[1]);
    assert_eq!(
        file.certificate_issuer,
        "CN=Example Authority, O=Example Trust, C=FI"
    );
    assert_eq!(file.certificate_thumbprint.len(), 40);
    assert_eq!(
        file.certificate_not_after_us, 2_019_686_400_000_000,
        "1 January 2034"
    );
    assert_eq!(
        (&*file.file_version, &*file.company_name),
        ("3.1.0.7", "Example, Ltd")
    );

    device.let_the_certificate_expire();
    device.publish(&["-h", "sha256"]);
    let said = text(&device.refused(&anna).stderr);
    assert!(said.contains("no rule lets you run"), "{said}");
    assert!(
        said.contains("its publisher's certificate has expired"),
        "{said}"
    );
    let expired = device.world.last_of(2);
    assert_eq!(expired.start.outcome(), v1::Outcome::Denied);
    assert_eq!(
        expired.start.decision_source(),
        v1::DecisionSource::DefaultResponse
    );
    assert_eq!(
        (&*expired.policy().rule_id, &*expired.start.reason),
        ("", "default_response")
    );
    assert!(expired.exit.is_none(), "nothing ran that could end");
    assert_eq!(status(&expired), v1::SignatureStatus::Expired);
    assert_eq!(expired.file().publisher_subject, SUBJECT[1]);
    assert_eq!(
        expired.file().certificate_not_after_us,
        1_704_067_200_000_000,
        "1 January 2024"
    );
}

#[test]
fn a_time_stamp_from_before_the_certificate_expired_lets_the_program_run_and_a_later_one_does_not()
{
    let Some(device) = Device::new(&RSA, true) else {
        return;
    };
    let anna = User::new("");
    device.let_the_certificate_expire();
    let stamped = |when| {
        let stamp = device.publisher.stamp(when)?;
        let stamp = stamp.iter().map(String::as_str);
        device.publish(&[&["-h", "sha256"], &stamp.collect::<Vec<_>>()[..]].concat());
        Some(())
    };
    let Some(()) = stamped("1672531200") else {
        return;
    };
    let seen = device.confirmed(&anna);
    assert!(seen.ends_with(&device.as_root()), "{seen}");
    assert_eq!(status(&device.world.last_of(1)), v1::SignatureStatus::Valid);
    stamped("1735689600").expect("as before");
    device.refused(&anna);
    let late = device.world.last_of(2);
    assert_eq!(
        (late.start.outcome(), status(&late)),
        (v1::Outcome::Denied, v1::SignatureStatus::Expired)
    );
}

#[test]
fn a_signature_counts_for_nothing_where_no_root_is_trusted_or_a_byte_was_changed() {
    let (Some(nobody), Some(device)) = (Device::new(&P256, false), Device::new(&P256, true)) else {
        return;
    };
    let anna = User::new("");
    nobody.refused(&anna);
    let unknown = nobody.world.last_of(1);
    assert_eq!(unknown.start.outcome(), v1::Outcome::Denied);
    assert_eq!(status(&unknown), v1::SignatureStatus::Unspecified);
    let mut bytes = std::fs::read(device.tool()).expect("it was put there");
    let code = bytes
        .windows(4)
        .position(|four| four == b"code")
        .expect("it is there");
    bytes[code] ^= 1;
    let changed = device.world.path("changed");
    std::fs::write(&changed, bytes).expect("it can be written");
    copy(&changed, &device.world.path("bin/tool.exe"));
    let said = text(&device.refused(&anna).stderr);
    assert!(
        said.contains("its signature is not the one that it was published with"),
        "{said}"
    );
    assert_eq!(
        status(&device.world.last_of(1)),
        v1::SignatureStatus::Invalid
    );
}
