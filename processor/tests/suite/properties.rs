//! Any batching, duplication, reordering between agents and replay of a log folds to the same tables.

use bytes::Bytes;
use epm_proto::v1::{self, SensorKind, record::Body};
use proptest::prelude::*;

use crate::world::{
    START_US, Spool, World, elevation, exit, process_start, run_of_sudo, told_by_sudo,
};

/// What an agent records; small numbers, so that keys, processes and times meet.
#[derive(Clone, Debug)]
enum Act {
    Plain { program: u8, at: i64 },
    Imported { key: u8, knows: u8 },
    Seen { number: u8 },
    Told { number: u8, knows: bool },
    Exit { key: u8, code: i64 },
    Heartbeat { spool: u64 },
    Loss { sequence: u64, key: u8 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..3_u8, 0..3_i64).prop_map(|(program, at)| Act::Plain {
            program,
            at: at * 43_200_000_000
        }),
        (0..6_u8, 0..16_u8).prop_map(|(key, knows)| Act::Imported { key, knows }),
        (0..48_u8).prop_map(|number| Act::Seen { number }),
        (0..24_u8, any::<bool>()).prop_map(|(number, knows)| Act::Told { number, knows }),
        (0..24_u8, any::<bool>()).prop_map(|(number, knows)| Act::Told { number, knows }),
        (0..8_u8, 0..3_i64).prop_map(|(key, code)| Act::Exit { key, code }),
        (0..9_u64).prop_map(|spool| Act::Heartbeat { spool }),
        (1..9_u64, 0..4_u8).prop_map(|(sequence, key)| Act::Loss { sequence, key }),
    ]
}

/// The records of one agent. An exit follows its start in the same agent's records, as a source writes them.
fn records(agent: u8, acts: &[Act]) -> Vec<Bytes> {
    let mut spool = Spool::new(agent);
    let mut started = [false; 8];
    let mut records = Vec::new();
    for act in acts {
        let record = match act {
            Act::Plain { program, at } => {
                let body = elevation(&format!("plain-{program}.exe"), "ann");
                spool.record(&[], START_US + at, Body::Elevation(body))
            }
            Act::Imported { key, knows } => {
                started[usize::from(*key)] = true;
                let mut body = elevation(&format!("imported-{}.exe", key % 3), "bob");
                // Exports of one event may know more or less of it.
                body.repeat_count = u32::from(1 + knows / 8);
                body.result_code = (knows & 4 != 0).then(|| i64::from(knows % 2));
                if knows & 1 != 0 {
                    body.user.get_or_insert_default().upn = "bob@contoso.example".to_owned();
                }
                if knows & 2 != 0 {
                    body.justification = "to mend it".to_owned();
                }
                spool.record(
                    &[100 + key; 16],
                    START_US + i64::from(*key),
                    Body::Elevation(body),
                )
            }
            Act::Seen { number } => {
                if let Some(line) = LINES.iter().position(|line| line == number) {
                    started[6 + line] = true;
                }
                seen(&mut spool, *number)
            }
            Act::Told { number, knows } => told(&mut spool, *number, *knows),
            Act::Exit { key, .. } if !started[usize::from(*key)] => continue,
            Act::Exit { key, code } => {
                let end = match usize::from(*key).checked_sub(6) {
                    Some(line) => exit(&[200 + LINES[line]; 16], seen_at(LINES[line]), *code),
                    None => exit(&[100 + key; 16], START_US + i64::from(*key), *code),
                };
                spool.record(&[], START_US + 60_000_000, end)
            }
            Act::Heartbeat { spool: waiting } => {
                let beat = v1::Heartbeat {
                    spool_records: *waiting,
                    interval_s: 60,
                    ..Default::default()
                };
                spool.record(&[], START_US, Body::Heartbeat(beat))
            }
            Act::Loss { sequence, key } => {
                let loss = v1::Loss {
                    first_sequence: *sequence,
                    last_sequence: *sequence + 1,
                    ..Default::default()
                };
                // Some losses of an agent are told again under their key.
                let key = [*key; 16];
                let key = if key[0] == 0 { &[][..] } else { &key };
                spool.record(key, START_US, Body::Loss(loss))
            }
        };
        records.push(record);
    }
    records
}

/// Of the observations that [`seen`] makes, two lines of sudo that an exit may follow.
const LINES: [u8; 2] = [24, 32];

/// Observation `number` of process starts: its sensor, process and time follow from it, as from a record in a log. Times
/// lie within a few pairing windows, so that several observations compete.
fn seen(spool: &mut Spool, number: u8) -> Bytes {
    if number >= 24 {
        let (sensor, program) = match number % 4 {
            0 => (SensorKind::SudoSyslog, "id"),
            1 => (SensorKind::AuditUserCmd, "id"),
            2 => (SensorKind::AuditExecve, "id"),
            _ => (SensorKind::AuditExecve, "sudo"),
        };
        let body = run_of_sudo(sensor, program);
        return spool.record(&[200 + number; 16], seen_at(number), Body::Elevation(body));
    }
    let sensor = if number.is_multiple_of(2) {
        SensorKind::Security4688
    } else {
        SensorKind::Sysmon1
    };
    let body = process_start(sensor, "setup.exe", 70 + u64::from(number / 12));
    spool.record(&[200 + number; 16], seen_at(number), Body::Elevation(body))
}

/// What sudo told of a run: to whom and when follows from `number`. Times lie so that runs compete within the windows, and
/// one record may or may not know the process, which [`seen`] has too.
fn told(spool: &mut Spool, number: u8, knows: bool) -> Bytes {
    let (sensor, later_us) = match number % 3 {
        0 => (SensorKind::SudoLogServer, 300),
        1 => (SensorKind::SudoSyslog, 0),
        _ => (SensorKind::SudoLogfile, 0),
    };
    let program = if number.is_multiple_of(5) {
        "uname"
    } else {
        "id"
    };
    let at = START_US + i64::from(number / 3) * 11_000_000 + later_us;
    let body = told_by_sudo(sensor, program, knows);
    spool.record(&[30 + number; 16], at, Body::Elevation(body))
}

fn seen_at(number: u8) -> i64 {
    let step_us = if number >= 24 { 90_000_000 } else { 700_000 };
    START_US + i64::from(number % 12) * step_us
}

/// One log of all agents' records: each agent's in order, some sent twice.
fn interleave(agents: &[Vec<Bytes>], choices: &[u8]) -> Vec<Bytes> {
    let mut at = vec![0; agents.len()];
    let mut log = Vec::new();
    let mut choices = choices.iter().cycle();
    loop {
        // Chosen among those that have records left, so that every draw comes to its end.
        let has_more = |agent: &usize| at[*agent] < agents[*agent].len();
        let left: Vec<usize> = (0..agents.len()).filter(has_more).collect();
        let Some(choice) = choices.next().map(|choice| usize::from(*choice)) else {
            return log;
        };
        if left.is_empty() {
            return log;
        }
        let agent = left[choice % left.len()];
        if let Some(record) = agents[agent].get(at[agent]) {
            log.push(record.clone());
            at[agent] += 1;
        }
        // Now and then a record that was sent before is sent again.
        if choice > 200 && at[agent] > 0 {
            log.push(agents[agent][choice % at[agent]].clone());
        }
        if choice.is_multiple_of(7) {
            let next = (agent + 1) % agents.len();
            if let Some(record) = agents[next].get(at[next]) {
                log.push(record.clone());
                at[next] += 1;
            }
        }
    }
}

async fn folded(log: &[Bytes], parts: usize, transaction_bytes: usize) -> Vec<String> {
    let world = World::new();
    for part in log.chunks(log.len().div_ceil(parts).max(1)) {
        world.append(part).await;
        world
            .try_fold(transaction_bytes)
            .await
            .expect("the log folds");
    }
    let tables = world.canonical().await;
    let sound = epm_processor::verify(world.config(), &*world.log)
        .await
        .expect("it verifies");
    assert!(sound.is_sound(), "{sound:?}");
    tables
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_tables_do_not_depend_on_batches_duplicates_or_the_order_of_agents(
        acts in prop::collection::vec(prop::collection::vec(act(), 1..14), 1..4),
        one in prop::collection::vec(any::<u8>(), 1..40),
        other in prop::collection::vec(any::<u8>(), 1..40),
        parts in 1..4_usize,
        transaction_bytes in prop_oneof![Just(1_usize), Just(700), Just(1 << 20)],
    ) {
        let agents: Vec<Vec<Bytes>> =
            acts.iter().enumerate().map(|(agent, acts)| records(agent as u8 + 1, acts)).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2).enable_all().build().expect("a runtime");
        let at_once = runtime.block_on(folded(&interleave(&agents, &one), 1, 1 << 20));
        let in_parts = runtime.block_on(folded(&interleave(&agents, &other), parts, transaction_bytes));
        prop_assert_eq!(at_once, in_parts);
    }
}
