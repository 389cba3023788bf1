//! A batch is checked before it costs anything: sizes first, then the checksum, then decompression under a cap.

use bytes::Bytes;
use epm_proto::batch::{BatchBuilder, BatchError, check_declared, open_batch, records};
use epm_proto::v1;
use proptest::prelude::*;

const LIMITS: v1::Limits = v1::Limits {
    max_in_flight_bytes: 8 << 20,
    max_record_bytes: 64 << 10,
    max_batch_bytes: 1 << 20,
    max_batch_records: 1000,
};

fn batch(held: &[Vec<u8>], compression: v1::Compression) -> v1::Batch {
    let mut builder = BatchBuilder::default();
    for record in held {
        builder.push(record);
    }
    builder.finish(7, compression, v1::Lane::Live)
}

fn plain(list: &'static [u8], records: u32) -> v1::Batch {
    v1::Batch {
        epoch: 7,
        records,
        uncompressed_bytes: list.len() as u32,
        crc32c: crc32c::crc32c(list),
        payload: Bytes::from_static(list),
        ..v1::Batch::default()
    }
}

fn opened(batch: &v1::Batch) -> Vec<Vec<u8>> {
    let list = open_batch(batch, &LIMITS).expect("the batch opens");
    records(&list)
        .map(|record| record.expect("a whole record").to_vec())
        .collect()
}

fn bomb(declared: u32) -> v1::Batch {
    let inflated = vec![0_u8; 64 << 20];
    let payload = zstd::bulk::compress(&inflated, 1).expect("zeros compress");
    v1::Batch {
        records: 1,
        compression: v1::Compression::Zstd.into(),
        uncompressed_bytes: declared,
        crc32c: crc32c::crc32c(&payload),
        payload: payload.into(),
        ..v1::Batch::default()
    }
}

#[test]
fn a_flipped_byte_is_a_checksum_error() {
    for compression in [v1::Compression::None, v1::Compression::Zstd] {
        let whole = batch(&[vec![1; 500], vec![2; 500]], compression);
        for at in 0..whole.payload.len() {
            let mut payload = whole.payload.to_vec();
            payload[at] ^= 0x10;
            let damaged = v1::Batch {
                payload: payload.into(),
                ..whole.clone()
            };
            assert!(matches!(
                open_batch(&damaged, &LIMITS),
                Err(BatchError::Checksum)
            ));
        }
    }
}

#[test]
fn a_batch_that_declares_too_much_is_refused_before_it_is_looked_at() {
    let mut large = plain(b"", 0);
    large.uncompressed_bytes = LIMITS.max_batch_bytes + 1;
    // The checksum is wrong too, and is not what is complained about.
    large.crc32c = 1;
    assert!(matches!(
        open_batch(&large, &LIMITS),
        Err(BatchError::TooLarge {
            declared: 1_048_577,
            limit: 1_048_576
        })
    ));
    let many = plain(b"", LIMITS.max_batch_records + 1);
    assert!(matches!(
        check_declared(&many, &LIMITS),
        Err(BatchError::TooManyRecords {
            declared: 1001,
            limit: 1000
        })
    ));
}

#[test]
fn a_payload_larger_than_the_limit_is_refused_whatever_it_declares() {
    let mut batch = plain(b"", 0);
    batch.payload = vec![0; LIMITS.max_batch_bytes as usize + 1].into();
    assert!(matches!(
        open_batch(&batch, &LIMITS),
        Err(BatchError::TooLarge { .. })
    ));
}

#[test]
fn a_bomb_is_cut_at_what_it_declares() {
    assert!(matches!(
        open_batch(&bomb(100), &LIMITS),
        Err(BatchError::Length { declared: 100 })
    ));
    assert!(matches!(
        open_batch(&bomb(64 << 20), &LIMITS),
        Err(BatchError::TooLarge { .. })
    ));
}

#[test]
fn a_list_cut_inside_a_record_is_refused() {
    for list in [
        &b"\x01"[..],
        b"\x02\0\0\0a",
        b"\x01\0\0\0a\x01\0\0",
        b"\xff\xff\xff\xffa",
    ] {
        let cut = plain(list, 1);
        assert!(
            matches!(open_batch(&cut, &LIMITS), Err(BatchError::Records { .. })),
            "{list:?}"
        );
    }
}

#[test]
fn a_wrong_number_of_records_or_bytes_is_refused() {
    for declared in [0, 2] {
        assert!(matches!(
            open_batch(&plain(b"\x01\0\0\0a", declared), &LIMITS),
            Err(BatchError::Records { .. })
        ));
    }
    let mut longer = plain(b"\x01\0\0\0a", 1);
    longer.uncompressed_bytes += 1;
    assert!(matches!(
        open_batch(&longer, &LIMITS),
        Err(BatchError::Length { declared: 6 })
    ));
}

#[test]
fn an_unknown_compression_is_named() {
    let mut newer = plain(b"", 0);
    newer.compression = 9;
    assert!(matches!(
        open_batch(&newer, &LIMITS),
        Err(BatchError::Compression(9))
    ));
}

#[test]
fn compression_that_does_not_pay_is_left_out() {
    let tiny = batch(&[vec![1]], v1::Compression::Zstd);
    assert_eq!(tiny.compression(), v1::Compression::None);
    let zeros = batch(&[vec![0; 4000]], v1::Compression::Zstd);
    assert_eq!(zeros.compression(), v1::Compression::Zstd);
    assert!(zeros.payload.len() < 100);
}

fn any_compression() -> impl Strategy<Value = v1::Compression> {
    prop_oneof![Just(v1::Compression::None), Just(v1::Compression::Zstd)]
}

proptest! {
    #[test]
    fn what_is_packed_is_what_comes_out(
        held in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..40),
        compression in any_compression(),
    ) {
        prop_assert_eq!(opened(&batch(&held, compression)), held);
    }

    #[test]
    fn arbitrary_batches_never_panic(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        records in 0_u32..5,
        compression in 0..3,
        uncompressed_bytes in 0_u32..300,
    ) {
        let hostile = v1::Batch {
            records,
            compression,
            uncompressed_bytes,
            crc32c: crc32c::crc32c(&payload),
            payload: payload.into(),
            ..v1::Batch::default()
        };
        let _ = open_batch(&hostile, &LIMITS);
    }
}
