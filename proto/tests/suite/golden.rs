//! The bytes of every released shape, kept in `proto/golden`. A file is written once, with EPM_UPDATE_GOLDEN=1, and
//! never again: agents in the field and logs on disk hold those bytes.

use std::fmt::Debug;
use std::path::PathBuf;

use epm_proto::batch::open_batch;
use epm_proto::v1;
use prost::Message;

use crate::samples;

fn held<M: Message + Debug>(name: &str, message: &M) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    let file = folder.join(format!("{name}.bin"));
    if !file.exists() && std::env::var_os("EPM_UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(&folder).expect("the folder of golden files can be made");
        std::fs::write(&file, message.encode_to_vec()).expect("a golden file can be written");
        let description = format!("{message:#?}\n");
        std::fs::write(folder.join(format!("{name}.txt")), description)
            .expect("a description can be written");
    }
    std::fs::read(&file).unwrap_or_else(|error| {
        panic!(
            "{name} has no golden file ({error}): for a new shape run once with EPM_UPDATE_GOLDEN=1"
        )
    })
}

fn is_still<M: Message + Debug + Default + PartialEq>(name: &str, message: &M) {
    let golden = held(name, message);
    assert_eq!(
        M::decode(golden.as_slice()).as_ref(),
        Ok(message),
        "{name} reads differently from what was released"
    );
    assert_eq!(
        message.encode_to_vec(),
        golden,
        "{name} is written differently from what was released"
    );
}

#[test]
fn records_keep_the_bytes_of_the_first_version() {
    for (name, record) in samples::records() {
        is_still(name, &record);
    }
}

#[test]
fn a_transition_of_the_life_cycle_keeps_its_bytes() {
    is_still("heartbeat-transition", &samples::transition());
}

#[test]
fn the_stream_keeps_the_bytes_of_the_first_version() {
    is_still("client-hello", &samples::client_hello());
    is_still("server-hello", &samples::server_hello());
    is_still("ack", &samples::ack());
    is_still("rejected-record", &samples::rejected());
    is_still("batch-plain", &samples::batch(v1::Compression::None));
}

#[test]
fn policies_on_the_stream_keep_their_bytes() {
    is_still(
        "server-hello-for-policies",
        &samples::server_hello_for_policies(),
    );
    is_still("policy-bundle", &samples::policy_bundle());
    is_still("policy-echo", &samples::policy_echo());
}

#[test]
fn enrolment_keeps_its_bytes() {
    is_still("enrol-request", &samples::enrol_request());
    is_still("renew-request", &samples::renew_request());
    is_still("credentials", &samples::credentials());
}

// Another version of zstd may compress to other bytes; what must hold is that the released ones open.
#[test]
fn a_compressed_batch_of_the_first_version_still_opens() {
    let fresh = samples::batch(v1::Compression::Zstd);
    let golden = held("batch-zstd", &fresh);
    let released = v1::Batch::decode(golden.as_slice()).expect("a batch");
    assert_eq!(released.compression(), v1::Compression::Zstd);
    let limits = v1::Limits {
        max_batch_bytes: 1 << 20,
        max_batch_records: 100,
        ..v1::Limits::default()
    };
    assert_eq!(
        open_batch(&released, &limits).expect("it opens"),
        open_batch(&fresh, &limits).expect("it opens")
    );
}
