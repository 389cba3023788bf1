//! A process that writes is killed at any moment: what it said is done is there, and nothing is there by half.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use epm_control::{ControlStore, ElevationRequest, RequestCommand, Terms, Verification, Version};
use uuid::Uuid;

use crate::place::{NOW, Place, actor, approve, id, submission};

/// Where the process that is killed writes. Only that process has it.
const ADDRESS: &str = "EPM_CONTROL_TEST_WRITER";
/// Kills.
const ROUNDS: u32 = 12;
/// Tasks that write at the same time, so that a kill finds commands at several steps.
const TASKS: u32 = 3;

/// Not a test of its own: what `a_writer_that_is_killed_…` starts in another process and kills.
#[tokio::test(flavor = "multi_thread")]
async fn writes_until_it_is_killed() {
    let Some(address) = std::env::var_os(ADDRESS) else {
        return;
    };
    let store = ControlStore::open(address.to_str().unwrap()).await.unwrap();
    let tasks = (0..TASKS).map(|_| tokio::spawn(requests_for_ever(store.clone())));
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn requests_for_ever(store: ControlStore) {
    let terms = Terms {
        duration_s: 60,
        uses: Some(1),
    };
    loop {
        let request = Uuid::now_v7();
        for command in [
            RequestCommand::Submit(submission(2)),
            approve(10, terms),
            approve(11, terms),
            RequestCommand::Use,
        ] {
            let done = store
                .execute::<ElevationRequest>(request, None, &command, actor(), NOW)
                .await
                .unwrap();
            let line = format!("done {request} {}\n", done.version.0);
            std::io::stdout().write_all(line.as_bytes()).unwrap();
        }
    }
}

pub(crate) async fn a_writer_that_is_killed_leaves_what_it_acknowledged_and_nothing_half(
    place: &Place,
) {
    let store = place.open().await;
    let mut acknowledged = BTreeMap::<Uuid, u64>::new();
    for round in 0..ROUNDS {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::writes_until_it_is_killed", "--nocapture"])
            .env(ADDRESS, &place.address)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let note = |acknowledged: &mut BTreeMap<Uuid, u64>, line: &str| {
            let mut words = line.rsplit("done ").next().unwrap_or_default().split(' ');
            let request = words.next().and_then(|word| Uuid::parse_str(word).ok());
            let version = words.next().and_then(|word| word.parse().ok());
            let (Some(request), Some(version)) = (request, version) else {
                return false;
            };
            acknowledged.insert(request, version);
            true
        };
        // Another number of commands each time; the tasks are then anywhere in their next one.
        let mut wanted = 1 + round * 7 % 23;
        while wanted > 0 {
            let line = lines.next().expect("the writer goes on").unwrap();
            wanted -= u32::from(note(&mut acknowledged, &line));
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it managed to say before the end counts too.
        for line in lines.map_while(Result::ok) {
            note(&mut acknowledged, &line);
        }
        for (request, version) in &acknowledged {
            let (_, found) = store.load::<ElevationRequest>(*request).await.unwrap();
            assert!(found >= Version(*version), "{request} lost {version}");
            // Submitted; one reviewer; the other one and approved; used and completed. Never in between.
            assert!([1, 2, 4, 6].contains(&found.0), "{request} has {found}");
        }
        let verified = store.verify(None).await.unwrap();
        assert!(matches!(verified, Verification::Whole(_)), "{verified:?}");
        assert_eq!(store.compare_projections().await.unwrap(), []);
    }
    assert!(acknowledged.len() > 12, "{}", acknowledged.len());
    // And the store goes on.
    let submit = RequestCommand::Submit(submission(1));
    store
        .execute::<ElevationRequest>(id(1), Some(Version(0)), &submit, actor(), NOW)
        .await
        .unwrap();
}
