//! Signed bundles: what was sealed is taken as it was meant, and for everything else there is one clear refusal.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use ed25519_dalek::Signer as _;
use epm_policy::bundle::{
    Bundle, BundleError, Deviation, HighestSeen, KeyError, PAYLOAD_TYPE, PublicKey, SealError,
    SigningKey, Terms, TrustedKeys, Verified, pre_authentication_encoding, verify,
};
use epm_policy::limits::{MAX_BUNDLE_BYTES, MAX_BUNDLE_DEPTH, MAX_BUNDLE_KEYS};
use epm_policy::{
    Audience, DeviceFacts, DeviceId, ElevationType, Policies, PolicyVersion, UserFacts, UserId,
};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::draw;
use crate::world::{self, rule};

pub(crate) const NOW_S: i64 = 1_767_787_200;

/// The key of a small number.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn trusting(seeds: &[u8]) -> TrustedKeys {
    TrustedKeys::new(seeds.iter().map(|seed| key(*seed).public()).collect()).unwrap()
}

/// What the laptop knows that trusts these keys.
pub(crate) fn terms(keys: &TrustedKeys, now_s: i64) -> Terms<'_> {
    static LAPTOP: std::sync::LazyLock<DeviceId> = std::sync::LazyLock::new(|| "laptop".into());
    Terms {
        keys,
        device: DeviceFacts {
            id: Some(&LAPTOP),
            ..DeviceFacts::default()
        },
        user: UserFacts::default(),
        now_s,
    }
}

/// A bundle for the laptop that holds for a day.
pub(crate) fn bundle(version: u64) -> Bundle {
    let policies = world::policies(vec![world::policy(
        "policy",
        vec![rule("tool", ElevationType::UserConfirmed)],
    )]);
    Bundle {
        audience: Audience::Device("laptop".into()),
        not_before_s: NOW_S - 60,
        expires_s: NOW_S + 86_400,
        policies: Policies {
            version: PolicyVersion(version),
            ..policies
        },
    }
}

fn sealed(bundle: &Bundle) -> String {
    bundle.seal(&[&key(1)]).unwrap()
}

fn taken(envelope: &str) -> Result<Verified, BundleError> {
    verify(envelope.as_bytes(), &terms(&trusting(&[1]), NOW_S), None)
}

fn refusal(envelope: &str) -> BundleError {
    taken(envelope).unwrap_err()
}

/// An envelope around any payload, signed with the key of number 1 as a program would that does not know ours.
fn signed(payload_type: &str, payload: &[u8]) -> String {
    let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let signature = key.sign(&pre_authentication_encoding(payload_type, payload));
    json!({
        "payload": BASE64_STANDARD.encode(payload),
        "payloadType": payload_type,
        "signatures": [{"sig": BASE64_STANDARD.encode(signature.to_bytes())}],
    })
    .to_string()
}

/// A payload that says it is a bundle, whatever it is.
pub(crate) fn raw(payload: &[u8]) -> String {
    signed(PAYLOAD_TYPE, payload)
}

/// The bundle's JSON in which one text stands for another, signed.
fn spoiled(old: &str, new: &str) -> BundleError {
    let text = bundle(7).canonical_json().unwrap();
    assert!(text.contains(old), "{old} in {text}");
    refusal(&signed(PAYLOAD_TYPE, text.replacen(old, new, 1).as_bytes()))
}

#[test]
fn what_is_signed_is_the_type_and_the_payload_with_their_lengths() {
    let known = [
        ("", "", "DSSEv1 0  0 "),
        ("text/plain", "a b", "DSSEv1 10 text/plain 3 a b"),
        ("été", "\n", "DSSEv1 5 été 1 \n"),
        ("10 a", "", "DSSEv1 4 10 a 0 "),
    ];
    for (payload_type, payload, expected) in known {
        let encoded = pre_authentication_encoding(payload_type, payload.as_bytes());
        assert_eq!(String::from_utf8(encoded).unwrap(), expected);
    }
}

#[test]
fn a_sealed_bundle_is_taken_with_all_that_it_says() {
    let bundle = bundle(7);
    let verified = taken(&sealed(&bundle)).unwrap();
    assert_eq!(verified.set.policies(), &bundle.policies);
    assert_eq!(verified.version(), PolicyVersion(7));
    assert_eq!(verified.audience, bundle.audience);
    assert_eq!(verified.lifetime, (bundle.not_before_s, bundle.expires_s));
    assert_eq!(&verified.signed_by, key(1).public().id());
}

#[test]
fn the_same_policies_have_the_same_bytes_and_hash_and_others_have_others() {
    let mut hashes = std::collections::HashSet::new();
    for seed in 0..200 {
        let drawn = Bundle {
            policies: draw::policies(&mut Dice::new(seed)),
            ..bundle(0)
        };
        let again = Bundle {
            policies: draw::policies(&mut Dice::new(seed)),
            ..bundle(0)
        };
        let envelope = sealed(&drawn);
        assert_eq!(envelope, sealed(&again), "seed {seed}");
        let verified = taken(&envelope).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(verified.set.policies(), &drawn.policies, "seed {seed}");
        assert!(hashes.insert(verified.hash.to_string()), "seed {seed}");
    }
}

#[test]
fn whichever_byte_of_an_envelope_flips_other_policies_are_never_taken() {
    let text = sealed(&bundle(7));
    let hash = taken(&text).unwrap().hash;
    let keys = trusting(&[1]);
    let mut refused = 0;
    for at in 0..text.len() {
        for flip in [1, 0x20, 0x80] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= flip;
            match verify(&bytes, &terms(&keys, NOW_S), None) {
                // The name of a key, and the case of a key of JSON that is passed over, are not signed.
                Ok(verified) => assert_eq!(verified.hash, hash, "byte {at}"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > text.len() * 2, "{refused} of {}", text.len() * 3);
}

#[test]
fn a_bundle_is_taken_while_keys_change_by_who_trusts_either() {
    let both = bundle(7).seal(&[&key(1), &key(2)]).unwrap();
    for seeds in [&[1][..], &[2], &[1, 2], &[2, 3]] {
        let keys = trusting(seeds);
        assert!(verify(both.as_bytes(), &terms(&keys, NOW_S), None).is_ok());
    }
    // A signature that does not fit spoils nothing where another one does.
    let mut envelope: Value = serde_json::from_str(&both).unwrap();
    envelope["signatures"][0]["sig"] = json!("AAAA");
    let keys = trusting(&[1, 2]);
    let verified = verify(envelope.to_string().as_bytes(), &terms(&keys, NOW_S), None);
    assert_eq!(&verified.unwrap().signed_by, key(2).public().id());
}

#[test]
fn a_key_is_never_trusted_for_its_name() {
    let mut envelope: Value = serde_json::from_str(&bundle(7).seal(&[&key(9)]).unwrap()).unwrap();
    envelope["signatures"][0]["keyid"] = json!(key(1).public().id());
    let named = key(1).public().id().clone();
    assert_eq!(
        refusal(&envelope.to_string()),
        BundleError::BadSignature(named)
    );
}

#[test]
fn envelopes_of_other_programs_are_taken_without_key_id_and_in_either_base64() {
    let payload = bundle(7).canonical_json().unwrap();
    let mut envelope: Value =
        serde_json::from_str(&signed(PAYLOAD_TYPE, payload.as_bytes())).unwrap();
    assert!(taken(&envelope.to_string()).is_ok());
    for field in ["payload", "sig"] {
        let place = match field {
            "payload" => &mut envelope["payload"],
            _ => &mut envelope["signatures"][0]["sig"],
        };
        let bytes = BASE64_STANDARD.decode(place.as_str().unwrap()).unwrap();
        *place = json!(BASE64_URL_SAFE_NO_PAD.encode(bytes));
    }
    envelope["remark"] = json!({"by": ["whoever"]});
    let pretty = serde_json::to_string_pretty(&envelope).unwrap();
    assert!(taken(&pretty).is_ok());
}

#[test]
fn a_signature_that_is_missing_unknown_or_wrong_is_refused() {
    let text = sealed(&bundle(7));
    let mut envelope: Value = serde_json::from_str(&text).unwrap();
    envelope["signatures"] = json!([]);
    assert_eq!(refusal(&envelope.to_string()), BundleError::NotSigned);
    let keys = trusting(&[2, 3]);
    let unknown = verify(text.as_bytes(), &terms(&keys, NOW_S), None).unwrap_err();
    let name = |seed| key(seed).public().id().clone();
    let expected = BundleError::UnknownKey {
        signed_by: vec![name(1)],
        trusted: vec![name(2), name(3)],
    };
    assert_eq!(unknown, expected);
    assert!(unknown.to_string().contains(&name(2).0), "{unknown}");
    // Other policies under the signature of these.
    let mut other: Value = serde_json::from_str(&sealed(&bundle(8))).unwrap();
    other["signatures"] = serde_json::from_str::<Value>(&text).unwrap()["signatures"].clone();
    assert_eq!(
        refusal(&other.to_string()),
        BundleError::BadSignature(name(1))
    );
}

#[test]
fn what_was_signed_as_something_else_is_refused() {
    let payload = bundle(7).canonical_json().unwrap();
    let other = "application/vnd.in-toto+json";
    assert_eq!(
        refusal(&signed(other, payload.as_bytes())),
        BundleError::PayloadType(other.to_owned())
    );
    // The type is signed too.
    let renamed = signed(other, payload.as_bytes()).replace(other, PAYLOAD_TYPE);
    assert!(matches!(refusal(&renamed), BundleError::BadSignature(_)));
}

#[test]
fn what_is_no_envelope_is_refused() {
    for text in ["", "{}", "[]", "version: 1", "{\"payload\":\"\"}", "\u{0}"] {
        assert!(
            matches!(refusal(text), BundleError::NotAnEnvelope(_)),
            "{text}"
        );
    }
    let envelope: Value = serde_json::from_str(&sealed(&bundle(7))).unwrap();
    for payload in ["%", "AAAAA", "A=AA", "AA A"] {
        let mut envelope = envelope.clone();
        envelope["payload"] = json!(payload);
        let error = refusal(&envelope.to_string());
        assert!(error.to_string().contains("base64"), "{payload}: {error}");
    }
    let mut many = envelope;
    many["signatures"] = json!(vec![json!({"sig": ""}); MAX_BUNDLE_KEYS + 1]);
    let error = refusal(&many.to_string());
    assert!(
        error.to_string().contains("at most 8 signatures"),
        "{error}"
    );
}

#[test]
fn an_envelope_that_is_too_long_is_refused_before_it_is_read() {
    let keys = trusting(&[1]);
    let bytes = vec![b' '; MAX_BUNDLE_BYTES + 1];
    let error = verify(&bytes, &terms(&keys, NOW_S), None).unwrap_err();
    let bytes = MAX_BUNDLE_BYTES + 1;
    assert_eq!(error, BundleError::TooLarge { bytes });
}

#[test]
fn a_payload_in_another_form_than_the_one_is_refused_although_it_is_signed() {
    let text = bundle(7).canonical_json().unwrap();
    let pretty: Value = serde_json::from_str(&text).unwrap();
    let pretty = serde_json::to_string_pretty(&pretty).unwrap();
    let deviation = |payload: &[u8]| match refusal(&signed(PAYLOAD_TYPE, payload)) {
        BundleError::NotCanonical { at, deviation } => (at, deviation),
        other => panic!("{other}"),
    };
    assert_eq!(deviation(pretty.as_bytes()), (1, Deviation::Blank));
    assert_eq!(deviation(b"{\"a\":\xff}"), (5, Deviation::NotJson));
    let deep = "[".repeat(MAX_BUNDLE_DEPTH + 1);
    assert_eq!(deviation(deep.as_bytes()).1, Deviation::Depth);
    let twice = "{\"audience\":\"all_devices\",\"audience\":\"all_devices\"}";
    assert_eq!(deviation(twice.as_bytes()).1, Deviation::KeyOrder);
}

#[test]
fn a_payload_with_keys_of_its_own_or_without_its_keys_is_refused() {
    let form = |old: &str, new: &str, said: &str| match spoiled(old, new) {
        BundleError::Form(message) => assert!(message.contains(said), "{message}"),
        other => panic!("{other}"),
    };
    form("\"audience\":", "\"audiencf\":", "audiencf");
    form("\"file_name\":\"tool.exe\",", "", "file_name");
    form("\"version\":7", "\"version\":\"7\"", "string");
    form("\"expires_s\":1767873600,", "", "expires_s");
}

#[test]
fn policies_that_cannot_be_used_are_refused_with_every_mistake() {
    let BundleError::Policies(error) = spoiled("tool.exe", "tool.bat") else {
        panic!("a script cannot be elevated");
    };
    assert_eq!(error.total, 1);
    assert!(error.to_string().contains("use exe, msi or ps1"), "{error}");
}

#[test]
fn a_bundle_for_somebody_else_is_refused() {
    let keys = trusting(&[1]);
    let user: UserId = "ann".into();
    let mut terms = terms(&keys, NOW_S);
    let ask = |audience: Audience, terms: &Terms<'_>| {
        let envelope = sealed(&Bundle {
            audience,
            ..bundle(7)
        });
        verify(envelope.as_bytes(), terms, None).map(drop)
    };
    assert_eq!(ask(Audience::AllDevices, &terms), Ok(()));
    for (audience, described) in [
        (Audience::Device("desktop".into()), "device \"desktop\""),
        (Audience::User("ann".into()), "user \"ann\""),
        (
            Audience::DeviceGroup("kiosks".into()),
            "device group \"kiosks\"",
        ),
    ] {
        let error = ask(audience, &terms).unwrap_err();
        assert_eq!(error, BundleError::Audience(described.to_owned()));
    }
    terms.user.id = Some(&user);
    assert_eq!(ask(Audience::User("ann".into()), &terms), Ok(()));
}

#[test]
fn a_bundle_holds_from_its_first_second_to_before_its_last() {
    let envelope = sealed(&bundle(7));
    let keys = trusting(&[1]);
    let at = |now_s| verify(envelope.as_bytes(), &terms(&keys, now_s), None).map(drop);
    let (not_before_s, expires_s) = (NOW_S - 60, NOW_S + 86_400);
    assert_eq!(at(not_before_s), Ok(()));
    assert_eq!(at(expires_s - 1), Ok(()));
    let now_s = not_before_s - 1;
    assert_eq!(
        at(now_s),
        Err(BundleError::NotYetValid {
            not_before_s,
            now_s
        })
    );
    let now_s = expires_s;
    assert_eq!(at(now_s), Err(BundleError::Expired { expires_s, now_s }));
    let error = spoiled("\"expires_s\":1767873600", "\"expires_s\":1767787140");
    assert!(matches!(error, BundleError::NeverInForce { .. }), "{error}");
}

#[test]
fn a_lower_version_is_refused_and_the_same_only_with_the_same_hash() {
    let keys = trusting(&[1]);
    let seen = taken(&sealed(&bundle(7))).unwrap().seen();
    let ask = |offered: &Bundle, seen: &HighestSeen| {
        let envelope = sealed(offered);
        verify(envelope.as_bytes(), &terms(&keys, NOW_S), Some(seen)).map(|v| v.version().0)
    };
    assert_eq!(ask(&bundle(7), &seen), Ok(7));
    assert_eq!(ask(&bundle(8), &seen), Ok(8));
    let rollback = BundleError::Rollback {
        offered: PolicyVersion(6),
        highest: PolicyVersion(7),
    };
    assert_eq!(ask(&bundle(6), &seen), Err(rollback));
    let mut altered = bundle(7);
    altered.policies.rules[0].rules[0].report_only = true;
    let error = ask(&altered, &seen).unwrap_err();
    let BundleError::SameVersionOtherPolicies { accepted, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(accepted, seen.hash);
}

#[test]
fn what_no_device_would_take_is_not_signed() {
    let seal = |change: &dyn Fn(&mut Bundle)| {
        let mut bundle = bundle(7);
        change(&mut bundle);
        bundle.seal(&[&key(1)]).unwrap_err()
    };
    assert_eq!(bundle(7).seal(&[]), Err(SealError::Keys { count: 0 }));
    assert_eq!(
        seal(&|b| b.expires_s = b.not_before_s),
        SealError::NeverInForce
    );
    assert_eq!(
        seal(&|b| b.policies.version = PolicyVersion(1 << 53)),
        SealError::Number
    );
    assert!(matches!(
        seal(&|b| b.policies.rules[0].rules.clear()),
        SealError::Policies(_)
    ));
}

#[test]
fn every_refusal_says_what_to_do() {
    let mut envelope: Value = serde_json::from_str(&sealed(&bundle(7))).unwrap();
    envelope["signatures"] = json!([]);
    for error in [
        refusal(&envelope.to_string()),
        refusal("{}"),
        refusal(&signed("text/plain", b"")),
        refusal(&signed(PAYLOAD_TYPE, b" {}")),
        refusal(&signed(PAYLOAD_TYPE, b"{}")),
        spoiled("tool.exe", "tool.bat"),
        spoiled("{\"device\":\"laptop\"}", "{\"device\":\"other\"}"),
        spoiled("\"not_before_s\":1767787140", "\"not_before_s\":1767787201"),
        spoiled("\"expires_s\":1767873600", "\"expires_s\":1767787200"),
    ] {
        let text = error.to_string();
        assert!(text.contains("; "), "{text}");
    }
}

#[test]
fn keys_are_read_from_pem_and_others_are_refused() {
    for text in [
        "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ] {
        assert_eq!(PublicKey::from_pem(text), Err(KeyError::NotPublic));
        assert!(matches!(
            SigningKey::from_pem(text),
            Err(KeyError::NotPrivate)
        ));
    }
    assert_eq!(
        TrustedKeys::new(Vec::new()),
        Err(KeyError::Count { count: 0 })
    );
    let many = (0..9).map(|seed| key(seed).public()).collect();
    assert_eq!(TrustedKeys::new(many), Err(KeyError::Count { count: 9 }));
    let twice = vec![key(1).public(), key(1).public()];
    let id = key(1).public().id().clone();
    assert_eq!(TrustedKeys::new(twice), Err(KeyError::Duplicate(id)));
    // The neutral point: a signature that anybody can write fits every text.
    let mut der = BASE64_STANDARD.decode("MCowBQYDK2VwAyEA").unwrap();
    der.extend([1].into_iter().chain([0; 31]));
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        BASE64_STANDARD.encode(der)
    );
    assert_eq!(PublicKey::from_pem(&pem), Err(KeyError::Weak));
    assert!(!format!("{:?}", key(1)).contains("secret"));
}
