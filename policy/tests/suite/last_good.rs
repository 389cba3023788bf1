//! What a device keeps: the last good policies, whatever is offered after them, and the highest version for ever.

use epm_policy::PolicyVersion;
use epm_policy::bundle::{BundleError, HighestSeen, LastGood, NotInForce, Offer, TrustedKeys};

use crate::bundle::{NOW_S, bundle, key, terms, trusting};
use crate::dice::Dice;

fn sealed(version: u64) -> String {
    bundle(version).seal(&[&key(1)]).unwrap()
}

/// Judges and keeps, as an agent does.
fn offer(
    last_good: &mut LastGood,
    envelope: &str,
    keys: &TrustedKeys,
    now_s: i64,
) -> Result<bool, BundleError> {
    match last_good.judge(envelope.as_bytes(), &terms(keys, now_s))? {
        Offer::New(verified) => {
            last_good.keep(*verified);
            Ok(true)
        }
        Offer::Held => Ok(false),
    }
}

fn version(last_good: &LastGood) -> Option<u64> {
    Some(last_good.in_force(NOW_S).ok()?.policies().version.0)
}

#[test]
fn the_last_good_policies_stay_whatever_is_offered() {
    let keys = trusting(&[1]);
    let mut last_good = LastGood::default();
    assert_eq!(
        last_good.in_force(NOW_S).err(),
        Some(NotInForce::NothingHeld)
    );
    assert_eq!(offer(&mut last_good, &sealed(7), &keys, NOW_S), Ok(true));
    let bad_signature = sealed(8).replace("\"sig\":\"", "\"sig\":\"AAAA");
    let by_another = bundle(8).seal(&[&key(2)]).unwrap();
    let for_later = {
        let mut bundle = bundle(8);
        bundle.not_before_s = NOW_S + 1;
        bundle.seal(&[&key(1)]).unwrap()
    };
    let for_another = {
        let mut bundle = bundle(8);
        bundle.audience = epm_policy::Audience::Device("desktop".into());
        bundle.seal(&[&key(1)]).unwrap()
    };
    for envelope in [
        String::new(),
        bad_signature,
        by_another,
        for_later,
        for_another,
        sealed(6),
    ] {
        assert!(offer(&mut last_good, &envelope, &keys, NOW_S).is_err());
        assert_eq!(version(&last_good), Some(7));
        assert_eq!(
            last_good.highest().map(|seen| seen.version),
            Some(PolicyVersion(7))
        );
    }
    assert_eq!(
        offer(&mut last_good, &sealed(7), &keys, NOW_S),
        Ok(false),
        "held already"
    );
    assert_eq!(offer(&mut last_good, &sealed(8), &keys, NOW_S), Ok(true));
    assert_eq!(version(&last_good), Some(8));
}

#[test]
fn the_highest_version_holds_where_the_policies_were_deleted() {
    let keys = trusting(&[1]);
    let mut last_good = LastGood::default();
    offer(&mut last_good, &sealed(7), &keys, NOW_S).unwrap();
    let mut forgetful = LastGood::nothing(last_good.highest());
    assert_eq!(version(&forgetful), None);
    let error = offer(&mut forgetful, &sealed(6), &keys, NOW_S).unwrap_err();
    assert!(matches!(error, BundleError::Rollback { .. }), "{error}");
    assert_eq!(offer(&mut forgetful, &sealed(7), &keys, NOW_S), Ok(true));
}

#[test]
fn expired_policies_are_kept_and_no_longer_hold() {
    let keys = trusting(&[1]);
    let mut last_good = LastGood::default();
    offer(&mut last_good, &sealed(7), &keys, NOW_S).unwrap();
    let expires_s = NOW_S + 86_400;
    assert!(last_good.in_force(expires_s - 1).is_ok());
    let expired = Some(NotInForce::Expired { expires_s });
    assert_eq!(last_good.in_force(expires_s).err(), expired);
    let not_before_s = NOW_S - 60;
    let early = Some(NotInForce::NotYetValid { not_before_s });
    assert_eq!(last_good.in_force(not_before_s - 1).err(), early);
    assert!(last_good.held().is_some());
}

#[test]
fn after_a_restart_the_same_holds_even_where_time_has_passed() {
    let keys = trusting(&[1]);
    let envelope = sealed(7);
    let mut last_good = LastGood::default();
    offer(&mut last_good, &envelope, &keys, NOW_S).unwrap();
    let highest = last_good.highest();
    let late = terms(&keys, NOW_S + 1_000_000);
    let restored = LastGood::restored(envelope.as_bytes(), &late, highest).unwrap();
    assert_eq!(version(&restored), Some(7));
    assert_eq!(restored.highest(), highest);
    // The envelope was written and the agent stopped before it wrote down the version.
    let lower = Some(HighestSeen {
        version: PolicyVersion(6),
        ..highest.unwrap()
    });
    let restored = LastGood::restored(envelope.as_bytes(), &late, lower).unwrap();
    assert_eq!(restored.highest(), highest);
    // An older envelope was put in its place.
    let error = LastGood::restored(sealed(6).as_bytes(), &late, highest).unwrap_err();
    assert!(matches!(error, BundleError::Rollback { .. }), "{error}");
    // The key was given up.
    let keys = trusting(&[2]);
    let error = LastGood::restored(envelope.as_bytes(), &terms(&keys, NOW_S), highest).unwrap_err();
    assert!(matches!(error, BundleError::UnknownKey { .. }), "{error}");
}

#[test]
fn in_any_order_of_bundles_the_version_never_falls_and_the_highest_good_one_holds() {
    let keys = trusting(&[1]);
    for seed in 0..200 {
        let dice = &mut Dice::new(seed);
        let mut last_good = LastGood::default();
        let mut model: Option<u64> = None;
        for _ in 0..12 {
            let version = u64::try_from(dice.below(6)).unwrap();
            let signer = if dice.percent(80) { 1 } else { 2 };
            let late = dice.percent(15);
            let envelope = bundle(version).seal(&[&key(signer)]).unwrap();
            let now_s = if late { NOW_S + 90_000 } else { NOW_S };
            let good = signer == 1 && !late && model.is_none_or(|highest| version >= highest);
            let taken = offer(&mut last_good, &envelope, &keys, now_s);
            assert_eq!(taken.is_ok(), good, "seed {seed}: {taken:?}");
            if good {
                model = Some(version);
            }
            assert_eq!(self::version(&last_good), model, "seed {seed}");
            assert_eq!(
                last_good.highest().map(|seen| seen.version.0),
                model,
                "seed {seed}"
            );
        }
    }
}
