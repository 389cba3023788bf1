//! A running broker against messages that no `elevate` sends, with descriptors and without: it lives, answers or closes,
//! and a user is served as ever.

use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use epm_agent::broker::protocol::{Ask, FromElevate};
use epm_agent::broker::wire::send;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::{DEFAULT_SECONDS, SECONDS, SEED, mutate};
use crate::elevate::people::User;
use crate::elevate::world::{World, rule, text};

/// A connection is answered at once, or closed when its time to ask is over.
const PATIENCE: Duration = Duration::from_secs(60);

fn seeds() -> Vec<Vec<u8>> {
    let ask = |name: &[u8]| {
        let ask = Ask {
            arguments: vec![name.to_vec(), b"-u".to_vec()],
            variables: vec![b"TERM=vt100".to_vec()],
            reason: Some("why".to_owned()),
            ..Ask::default()
        };
        FromElevate::Ask(ask).encode()
    };
    vec![
        ask(b"/usr/bin/id"),
        ask(b"id"),
        ask(b"../../bin/sh"),
        ask(&[0xff; 300]),
    ]
}

/// Sends one message with some descriptors, and reads until the broker ends it.
fn tried(world: &World, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> Vec<u8> {
    let mut connection = UnixStream::connect(world.socket()).expect("it listens");
    connection
        .set_read_timeout(Some(PATIENCE))
        .expect("it can be set");
    // The broker may have closed by then.
    let _ = send(&connection, message, descriptors);
    let _ = connection.shutdown(std::net::Shutdown::Write);
    let mut said = Vec::new();
    match connection.read_to_end(&mut said) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("neither answered nor closed: {}", message.escape_ascii())
        }
        _ => said,
    }
}

#[test]
fn no_connection_breaks_the_broker() {
    let world = World::with(None, |world| {
        let tool = world.install("tool", Path::new("/usr/bin/id"));
        vec![rule("tool", "automatic", &tool)]
    });
    let Some(world) = world else { return };
    let number = |variable: &str, default: u64| {
        std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
    };
    let file = |path: &str| OwnedFd::from(std::fs::File::open(path).expect("it is there"));
    let things = ["/dev/null", "/", "/etc/passwd", "/proc/self/mem"].map(file);
    let (seeds, first) = (seeds(), number(SEED, 0));
    let time = Duration::from_secs(number(SECONDS, DEFAULT_SECONDS));
    let (began, mut seed) = (Instant::now(), first);
    while began.elapsed() < time {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let message = match rng.random_bool(0.2) {
            true => seeds[rng.random_range(0..seeds.len())].clone(),
            false => mutate::input(&seeds, &mut rng),
        };
        let count = rng.random_range(0..=6);
        let mut given: Vec<BorrowedFd<'_>> = (0..count)
            .map(|_| things[rng.random_range(0..things.len())].as_fd())
            .collect();
        if rng.random_bool(0.5) {
            // As `elevate` sends them.
            let [null, root, ..] = &things;
            given = vec![null.as_fd(), null.as_fd(), null.as_fd(), root.as_fd()];
        }
        tried(&world, &message, &given);
        seed = seed.wrapping_add(1);
    }
    let tool = world.path("bin/tool").to_string_lossy().into_owned();
    let output = world.ran(&User::new(""), &[&tool, "-u"]);
    assert_eq!(
        text(&output.stdout),
        "0",
        "{output:?}; {SEED}={first} to {seed}"
    );
    for recorded in world.recorded() {
        let path = &recorded.file().path;
        assert!(path.starts_with('/'), "a record is about a file: {path:?}");
    }
}
