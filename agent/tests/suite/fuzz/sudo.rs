//! The log server for sudo against connections that no sudo makes: the server lives, a good connection is served beside
//! them, and whatever became a record is one.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use epm_agent::sudo_log_server::{self, Counts, Transport};
use epm_agent::{Agent, AgentConfig};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{DEFAULT_SECONDS, SECONDS, SEED, mutate};
use crate::components::present;

/// A field of a message: its number, and bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend_from_slice(bytes);
    field
}

fn info(name: &str, value: &str) -> Vec<u8> {
    let pair = [field(1, name.as_bytes()), field(3, value.as_bytes())].concat();
    field(2, &pair)
}

/// Hello, a run with its exit, a refusal and a restart: each as sudo frames it.
fn connections() -> Vec<Vec<u8>> {
    let time = [vec![1 << 3], varint(1_795_000_000)].concat();
    let infos = [
        info("submituser", "anna"),
        info("submithost", "laptop"),
        info("runuser", "root"),
        info("command", "/usr/bin/id"),
        info("submitcwd", "/"),
    ]
    .concat();
    let accept = |io: bool| {
        let io = vec![3 << 3, u8::from(io)];
        field(1, &[field(1, &time), infos.clone(), io].concat())
    };
    let exit = field(3, &[field(1, &time), vec![2 << 3, 3]].concat());
    let reject = field(
        2,
        &[field(1, &time), field(2, b"not allowed"), infos.clone()].concat(),
    );
    let restart = field(4, &[field(1, b"log id"), field(2, &time)].concat());
    let hello = field(13, &field(1, b"sudo 1.9.13"));
    let input = field(8, &[field(1, &time), field(2, b"typed")].concat());
    let framed = |messages: &[&Vec<u8>]| {
        let each = messages.iter().map(|message| {
            let length = (message.len() as u32).to_be_bytes();
            [&length[..], message].concat()
        });
        each.collect::<Vec<_>>().concat()
    };
    vec![
        framed(&[&hello, &accept(false)]),
        framed(&[&hello, &accept(true), &input, &exit]),
        framed(&[&hello, &reject]),
        framed(&[&hello, &restart, &exit]),
    ]
}

fn varint(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(number, &mut bytes);
    bytes
}

/// What the server answers to these bytes until it closes the connection.
fn answered(server: SocketAddr, bytes: &[u8], cut: usize) -> Vec<u8> {
    let mut connection = TcpStream::connect(server).expect("it listens");
    let patience = Some(Duration::from_secs(60));
    connection
        .set_read_timeout(patience)
        .expect("it can be set");
    // The server may have closed by then: that is its right.
    let _ = connection.write_all(&bytes[..cut]);
    let _ = connection.write_all(&bytes[cut..]);
    let _ = connection.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    match connection.read_to_end(&mut said) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!(
                "the server neither answers nor closes: {}",
                bytes.escape_ascii()
            )
        }
        _ => said,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_breaks_the_log_server_for_sudo() {
    let root = rustix::process::geteuid().is_root().then_some(());
    if present(root.ok_or_else(|| "only root is heard on loopback".to_owned())).is_none() {
        return;
    }
    let state = tempfile::tempdir().expect("a folder");
    let agent = Agent::start(AgentConfig {
        heartbeat_interval: None,
        ..AgentConfig::new(state.path(), "http://127.0.0.1:9")
    });
    let agent = Arc::new(agent.expect("it starts"));
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("it can listen");
    let address = listener.local_addr().expect("it has an address");
    let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
    let running = tokio::spawn(sudo_log_server::run(
        listener,
        Transport::Plain,
        Arc::clone(&agent),
        counts,
        stop.clone(),
    ));
    let number = |variable: &str, default: u64| {
        std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
    };
    let time = Duration::from_secs(number(SECONDS, DEFAULT_SECONDS));
    let first = number(SEED, 0);
    let tried = tokio::task::spawn_blocking(move || {
        let seeds = connections();
        for seed in &seeds {
            assert!(
                !answered(address, seed, 3).is_empty(),
                "a good one is answered"
            );
        }
        let (began, mut seed) = (Instant::now(), first);
        while began.elapsed() < time {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let input = mutate::input(&seeds, &mut rng);
            let cut = rng.random_range(0..=input.len());
            answered(address, &input, cut);
            seed = seed.wrapping_add(1);
        }
        assert!(
            !answered(address, &seeds[0], 0).is_empty(),
            "a good one still is"
        );
        seed.wrapping_sub(first)
    });
    let tried = tried.await.expect("no law is broken");
    assert!(tried > 0);
    stop.cancel();
    running
        .await
        .expect("it does not panic")
        .expect("it ends well");
    let waiting = agent.status().await.waiting.records;
    assert!(waiting >= 4, "the good ones are recorded: {waiting}");
    agent.stop().await.expect("it stops");
}
