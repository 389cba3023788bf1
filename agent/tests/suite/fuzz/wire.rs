//! Every message of the broker's sockets and files, damaged: no panic, memory in proportion to what is there, and what is
//! understood has one form only, so that two readers never see two things in the same bytes.

use std::time::{Duration, Instant};

use epm_agent::broker::authentication::{Verification, Verified};
use epm_agent::broker::child::ChildAsk;
use epm_agent::broker::ending::Ending;
use epm_agent::broker::order::Order;
use epm_agent::broker::protocol::{Ask, FromElevate, PromptKind, ToElevate};
use epm_agent::broker::wire::{Inbox, framed};
use epm_agent::platform::linux::caller::Inherited;
use epm_agent::platform::linux::child::Identity;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::{DEFAULT_SECONDS, SECONDS, SEED, mutate};

/// Reads a message; where it is understood, the bytes that it is written as.
type Read = fn(&[u8]) -> Option<Vec<u8>>;

/// Readers, each with messages of its own.
fn readers() -> Vec<(&'static str, Read, Vec<Vec<u8>>)> {
    let ask = FromElevate::Ask(Ask {
        arguments: vec![b"/usr/bin/id".to_vec(), b"-u".to_vec(), vec![0xff, 0xfe]],
        variables: vec![b"TERM=vt100".to_vec()],
        reason: Some("ticket 17, \u{fc}ber alles".to_owned()),
        umask: 0o22,
        terminal: true,
        foreground: true,
    });
    let from = [
        ask,
        FromElevate::Answer(Some("yes".to_owned())),
        FromElevate::Answer(None),
        FromElevate::Signal(15),
        FromElevate::Continue { foreground: true },
    ];
    let to = [
        ToElevate::Prompt {
            kind: PromptKind::Secret,
            text: "Password: ".to_owned(),
        },
        ToElevate::Notice("words".to_owned()),
        ToElevate::Refused("why".to_owned()),
        ToElevate::Started { terminal: true },
        ToElevate::Stopped(20),
        ToElevate::Exited(3),
        ToElevate::Killed {
            signal: 9,
            core: true,
        },
    ];
    let order = Order {
        arguments: vec![b"id".to_vec()],
        environment: vec![b"PATH=/bin".to_vec()],
        identity: Identity {
            uid: 1000,
            gid: 1000,
            groups: vec![1000, 27],
            capabilities: true,
        },
        inherited: Inherited {
            limits: vec![(1, u64::MAX); 16],
            nice: -3,
            oom_score: 7,
            login_uid: u32::MAX,
            cgroup: Some("/sys/fs/cgroup/user".into()),
        },
        umask: 0o22,
        confined: true,
        ..Order::default()
    };
    let verification = Verification {
        service: "epm-elevate".to_owned(),
        user: "anna".to_owned(),
        terminal: "pts/1".to_owned(),
    };
    let child = ChildAsk {
        pid: 17,
        program: 16,
        fixed: true,
        arguments: Some(vec![b"id".to_vec()]),
    };
    let endings = [
        Ending::Exited(1),
        Ending::Killed {
            signal: 11,
            core: true,
        },
        Ending::NotStarted(2),
    ];
    let ran = Duration::from_millis(17);
    vec![
        (
            "from elevate",
            |bytes| FromElevate::decode(bytes).ok().map(|read| read.encode()),
            from.iter().map(FromElevate::encode).collect(),
        ),
        (
            "to elevate",
            |bytes| ToElevate::decode(bytes).ok().map(|read| read.encode()),
            to.iter().map(ToElevate::encode).collect(),
        ),
        (
            "orders",
            |bytes| Order::decode(bytes).ok().map(|read| read.encode()),
            vec![order.encode(), Order::default().encode()],
        ),
        (
            "verifications",
            |bytes| Verification::decode(bytes).ok().map(|read| read.encode()),
            vec![verification.encode()],
        ),
        (
            "what a verifier says",
            // It is only read here: the other side writes it.
            |bytes| Verified::decode(bytes).ok().map(|_| bytes.to_vec()),
            to.iter().map(ToElevate::encode).collect(),
        ),
        (
            "questions about children",
            |bytes| ChildAsk::decode(bytes).ok().map(|read| read.encode()),
            vec![child.encode()],
        ),
        (
            "endings",
            |bytes| {
                Ending::decode(bytes)
                    .ok()
                    .map(|(read, ran)| read.encode(ran))
            },
            endings.iter().map(|ending| ending.encode(ran)).collect(),
        ),
    ]
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn every_message_is_read_back_and_every_cut_of_it_is_refused() {
    for (name, read, seeds) in readers() {
        for seed in seeds {
            assert_eq!(read(&seed).as_ref(), Some(&seed), "{name}");
            for length in 0..seed.len() {
                assert_eq!(read(&seed[..length]), None, "{name}, cut at {length}");
            }
            let longer = [&seed[..], &[0]].concat();
            assert_eq!(read(&longer), None, "{name}, with a byte more");
        }
    }
}

#[test]
fn no_message_breaks_a_reader_of_the_broker() {
    let readers = readers();
    let time = Duration::from_secs(number(SECONDS, DEFAULT_SECONDS)) / readers.len() as u32;
    for (name, read, seeds) in readers {
        let (began, mut seed) = (Instant::now(), number(SEED, 0));
        while began.elapsed() < time {
            let input = mutate::input(&seeds, &mut ChaCha8Rng::seed_from_u64(seed));
            if let Some(written) = read(&input) {
                assert_eq!(
                    written, input,
                    "{name}: two forms of one message; {SEED}={seed}"
                );
            }
            // As a stream: whole messages come out as they went in, however much follows.
            let mut inbox = Inbox::of([framed(&seeds[0]), input].concat());
            let first = inbox.next_message().expect("it is whole");
            assert_eq!(first.as_ref(), Some(&seeds[0]), "{name}; {SEED}={seed}");
            while let Ok(Some(_)) = inbox.next_message() {}
            seed = seed.wrapping_add(1);
        }
    }
}
