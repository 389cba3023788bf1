//! The reader of the kernel's audit messages against messages that no kernel sends: it lives, and a good one is read as
//! before.

use std::io::Write as _;
use std::time::{Duration, Instant};

use epm_agent::kernel_audit::Reader;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::{DEFAULT_SECONDS, SECONDS, SEED, mutate};

fn message(kind: u16, text: &str) -> Vec<u8> {
    let length = (16 + text.len()) as u32;
    [
        &length.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        &[0; 10],
        text.as_bytes(),
    ]
    .concat()
}

/// What sudo was asked for and as whom, and the records of a start.
fn seeds() -> Vec<Vec<u8>> {
    let of = "pid=70 uid=1000 auid=1000 ses=2 msg='";
    vec![
        message(
            1123,
            &format!(
                "audit(1795540226.248:1300): {of}cwd=\"/\" cmd=6964 exe=\"/usr/bin/sudo\" terminal=? res=success'"
            ),
        ),
        message(
            1105,
            &format!(
                "audit(1795540226.248:1302): {of}op=PAM:session_open acct=\"root\" exe=\"/usr/bin/sudo\" res=success'"
            ),
        ),
        message(
            1300,
            "audit(1795540226.250:1303): arch=c000003e syscall=59 success=yes exit=0 items=2 ppid=70 pid=71 auid=1000 uid=0 euid=0 tty=pts0 ses=2 comm=\"id\" exe=\"/usr/bin/id\"",
        ),
        message(
            1309,
            "audit(1795540226.250:1303): argc=2 a0=\"id\" a1=\"-u\"",
        ),
        message(1320, "audit(1795540226.250:1303): "),
    ]
}

#[test]
fn no_message_breaks_the_reader_of_audit_records() {
    let number = |variable: &str, default: u64| {
        std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
    };
    let time = Duration::from_secs(number(SECONDS, DEFAULT_SECONDS));
    let first = number(SEED, 0);
    let seeds = seeds();
    let good = |reader: &mut Reader| {
        assert!(seeds.iter().all(|seed| reader.message(seed)));
        reader.settle();
        reader.take().1
    };
    assert_eq!(
        good(&mut Reader::new("host")),
        2,
        "what sudo was asked for, and the start"
    );
    let (began, mut seed, mut reader) = (Instant::now(), first, Reader::new("host"));
    while began.elapsed() < time {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        reader.message(&mutate::input(&seeds, &mut rng));
        if seed.is_multiple_of(64) {
            reader.settle();
            reader.take();
        }
        seed = seed.wrapping_add(1);
    }
    reader.settle();
    reader.take();
    assert!(
        good(&mut reader) >= 1,
        "a good one is read behind all of them"
    );
    let tried = seed.wrapping_sub(first);
    let _ = writeln!(std::io::stderr(), "fuzzed audit messages: {tried} inputs");
}
