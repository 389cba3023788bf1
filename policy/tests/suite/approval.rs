//! Signed approvals: what was sealed is read back, and whatever else arrives is refused.

use epm_policy::Sha256;
use epm_policy::bundle::{APPROVAL_TYPE, ApprovalError, BundleError, SignedApproval};
use serde_json::Value;

use crate::bundle::{NOW_S, key, trusting};

fn approval() -> SignedApproval {
    SignedApproval {
        id: "5c1d4f0e-9a55-4b6c-8f27-0a4f0f6f2b11".to_owned(),
        user: "1000".into(),
        device: "laptop".into(),
        file: Sha256([7; 32]),
        approved_s: NOW_S,
        ends_s: NOW_S + 86_400,
        uses: 2,
    }
}

fn sealed(approval: &SignedApproval) -> String {
    approval.seal(&[&key(1)]).unwrap()
}

#[test]
fn an_approval_is_read_back_as_it_was_signed() {
    let approval = approval();
    let text = sealed(&approval);
    assert!(text.contains(APPROVAL_TYPE));
    let read = SignedApproval::open(text.as_bytes(), &trusting(&[1, 2])).unwrap();
    assert_eq!(read, approval);
    let engine = read.approval();
    assert_eq!((engine.approved_s, engine.ends_s), (NOW_S, NOW_S + 86_400));
    assert_eq!(engine.file, approval.file);
}

#[test]
fn an_approval_by_another_key_or_with_a_changed_byte_is_refused() {
    let text = sealed(&approval());
    let by_another = SignedApproval::open(text.as_bytes(), &trusting(&[2])).unwrap_err();
    assert!(matches!(
        by_another,
        ApprovalError::Envelope(BundleError::UnknownKey { .. })
    ));
    for at in 0..text.len() {
        for bit in [1, 4, 32] {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= bit;
            // The key's name is a hint and the envelope may be written otherwise; the payload may not.
            if let Ok(read) = SignedApproval::open(&changed, &trusting(&[1])) {
                assert_eq!(read, approval(), "byte {at}");
            }
        }
    }
}

#[test]
fn a_policy_bundle_is_no_approval_and_an_approval_no_bundle() {
    let bundle = crate::bundle::bundle(1).seal(&[&key(1)]).unwrap();
    let error = SignedApproval::open(bundle.as_bytes(), &trusting(&[1])).unwrap_err();
    assert!(matches!(
        error,
        ApprovalError::Envelope(BundleError::PayloadType(_))
    ));
    let approval = sealed(&approval());
    let keys = trusting(&[1]);
    let terms = crate::bundle::terms(&keys, NOW_S);
    let error = epm_policy::bundle::verify(approval.as_bytes(), &terms, None).unwrap_err();
    assert!(matches!(error, BundleError::PayloadType(_)));
}

#[test]
fn names_uses_and_times_that_no_device_would_take_are_not_signed() {
    type Change = fn(&mut SignedApproval);
    let cases: [(Change, ApprovalError); 9] = [
        (|a| a.id = String::new(), ApprovalError::Id),
        (|a| a.id = "../../etc/passwd".to_owned(), ApprovalError::Id),
        (|a| a.id = "a.b".to_owned(), ApprovalError::Id),
        (|a| a.id = "a\0".to_owned(), ApprovalError::Id),
        (|a| a.id = "x".repeat(65), ApprovalError::Id),
        (|a| a.uses = 0, ApprovalError::Uses),
        (|a| a.uses = u32::MAX, ApprovalError::Uses),
        (|a| a.ends_s = a.approved_s, ApprovalError::NeverInForce),
        (|a| a.ends_s = i64::MIN, ApprovalError::NeverInForce),
    ];
    for (change, expected) in cases {
        let mut changed = approval();
        change(&mut changed);
        assert_eq!(changed.seal(&[&key(1)]), Err(expected));
    }
    assert!(approval().seal(&[]).is_err());
}

#[test]
fn the_fields_of_an_approval_are_all_there_and_no_others() {
    let envelope: Value = serde_json::from_str(&sealed(&approval())).unwrap();
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let payload = BASE64_STANDARD
        .decode(envelope["payload"].as_str().unwrap())
        .unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    let keys: Vec<_> = payload.as_object().unwrap().keys().cloned().collect();
    let expected = [
        "approved_s",
        "device",
        "ends_s",
        "file",
        "id",
        "user",
        "uses",
    ];
    assert_eq!(keys, expected);
}
