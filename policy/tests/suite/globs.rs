//! Names and folders with wildcards and variables, drawn from few characters so that they meet: the fast comparison, its
//! index and the slow one agree, whatever the pattern.

use epm_policy::{ElevationType, Platform, PolicySet, Variables, reference};

use crate::dice::Dice;
use crate::world::{Launch, policies, policy, rule};

/// Patterns tried, and launches for each.
const PATTERNS: u64 = 20_000;
const LAUNCHES: usize = 10;

fn word(dice: &mut Dice, letters: &[&str], most: usize) -> String {
    (0..1 + dice.below(most))
        .map(|_| dice.pick(letters))
        .collect()
}

fn windows(dice: &mut Dice) -> (String, String, String) {
    let name = word(dice, &["a", "b", "B", "é", "?", "*"], 5) + ".exe";
    let folder = match dice.percent(30) {
        true => "%V%\\".to_owned(),
        false => "C:\\".to_owned(),
    } + &word(dice, &["a", "b", "\\", "?", "*", "%V%", "%W%", "é"], 6);
    let path = "C:\\".to_owned() + &word(dice, &["a", "b", "A", "\\", "é", "É"], 6);
    (
        name,
        folder,
        path + "\\" + &word(dice, &["a", "b", "é"], 4) + ".exe",
    )
}

fn linux(dice: &mut Dice) -> (String, String, String) {
    let name = word(dice, &["a", "b", "é", "?", "*", "."], 4);
    let folder = match dice.percent(30) {
        true => "%V%/".to_owned(),
        false => "/".to_owned(),
    } + &word(dice, &["a", "b", "/", "?", "*", "%V%", "%W%"], 6);
    let path = "/".to_owned() + &word(dice, &["a", "b", "/", "*"], 6);
    (
        name,
        folder,
        path + "/" + &word(dice, &["a", "b", ".", "é"], 3),
    )
}

#[test]
fn patterns_agree_with_the_slow_comparison() {
    let (mut valid, mut fitting) = (0_u64, 0_u64);
    for seed in 0..PATTERNS {
        let dice = &mut Dice::new(seed);
        let platform = dice.choose(&[Platform::Windows, Platform::Linux]);
        let draw = match platform {
            Platform::Windows => windows,
            Platform::Linux => linux,
        };
        let (name, folder, _) = draw(dice);
        let mut rule = rule("a", ElevationType::UserConfirmed);
        rule.detection.file_name = name;
        rule.detection.file_path = dice.maybe(70, |_| folder);
        let mut policy = policy("p", vec![rule]);
        policy.platform = platform;
        let Ok(set) = PolicySet::new(policies(vec![policy])) else {
            continue;
        };
        valid += 1;
        for _ in 0..LAUNCHES {
            let mut launch = Launch::new();
            launch.platform = platform;
            launch.path = draw(dice).2;
            let value = if platform == Platform::Windows {
                "C:\\a"
            } else {
                "/a"
            };
            // `%W%` is known to no device.
            launch.variables = Variables::new(platform, [("v", value)]);
            launch.with(|request| {
                let fast = set.decide(request);
                let slow = reference::decide(set.policies(), request);
                assert_eq!(
                    fast,
                    slow,
                    "seed {seed}: {launch:?} {:?}",
                    set.policies().rules
                );
                fitting += u64::from(fast.winner.is_some());
            });
        }
    }
    assert!(valid > 5_000 && fitting > 3_000, "{valid} {fitting}");
}
