//! Random histories of a log and of its follower: whatever happens in whatever order, each line is recorded once.

use std::time::Duration;

use proptest::prelude::*;

use super::world::World;

#[derive(Clone, Copy, Debug)]
enum Event {
    Append(usize),
    AppendSame(usize),
    AppendHalf,
    Rotate,
    CopyAndCut,
    Pack,
    Look,
    Pass(u64),
    Restart,
    Crash,
    Refuse(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1_usize..5).prop_map(Event::Append),
        1 => (1_usize..3).prop_map(Event::AppendSame),
        1 => Just(Event::AppendHalf),
        2 => Just(Event::Rotate),
        2 => Just(Event::CopyAndCut),
        1 => Just(Event::Pack),
        4 => Just(Event::Look),
        2 => (0_u64..1500).prop_map(Event::Pass),
        1 => Just(Event::Restart),
        1 => Just(Event::Crash),
        1 => any::<bool>().prop_map(Event::Refuse),
    ]
}

fn happen(world: &mut World, event: Event) {
    match event {
        Event::Append(lines) => world.append(lines),
        Event::AppendSame(lines) => world.append_same(lines),
        Event::AppendHalf => world.append_half(),
        Event::Rotate => world.rotate(),
        Event::CopyAndCut => world.copy_and_cut(),
        Event::Pack => world.pack(),
        Event::Look => {
            world.look();
        }
        Event::Pass(ms) => world.pass(Duration::from_millis(ms)),
        Event::Restart => world.restart(),
        Event::Crash => world.crash(),
        Event::Refuse(is_refusing) => world.refuse_recording(is_refusing),
    }
}

/// Histories in one run; more with `PROPTEST_CASES`.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(96)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn each_line_is_recorded_once(events in proptest::collection::vec(event(), 1..40)) {
        let mut world = World::new();
        world.look();
        for event in events {
            happen(&mut world, event);
        }
        world.refuse_recording(false);
        // The path names something that was written to, so that what was rotated is left.
        world.append(1);
        world.follow_to_rest();
        world.assert_complete();
        prop_assert_eq!(world.losses(), Vec::<u64>::new());
    }
}
