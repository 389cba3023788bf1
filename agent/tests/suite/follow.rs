//! Following: each line of a log is recorded once, whatever happens to the log, to the follower and to the disk.

mod laws;
mod real_sudo;
mod world;

use std::time::Duration;

use epm_agent::follow::News;
use epm_proto::v1;

use world::World;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn lines_are_recorded_as_they_come() {
    let mut world = World::new();
    world.append(3);
    world.follow_to_rest();
    world.assert_complete();
    world.append(2);
    world.follow_to_rest();
    world.assert_complete();
    assert_eq!(world.recorded(), 5);
}

#[test]
fn a_log_that_is_not_there_is_waited_for() {
    let mut world = World::new();
    world.follow_to_rest();
    assert!(matches!(world.news().as_slice(), [News::Missing { .. }]));
    let health = world.health();
    assert_eq!(health[0].state(), v1::SensorState::Failing);
    world.append(1);
    // Rotated away before it was ever seen.
    world.rotate();
    world.append(1);
    world.follow_to_rest();
    world.assert_complete();
    assert_eq!(world.health()[0].state(), v1::SensorState::Running);
    assert_eq!(world.health()[0].sensor(), v1::SensorKind::SudoLogfile);
}

#[test]
fn a_rotated_file_is_read_to_its_end_before_the_next_one() {
    let mut world = World::new();
    world.append(2);
    world.follow_to_rest();
    world.append(1);
    world.rotate();
    world.append(1);
    world.look();
    // A program that still has the old file open.
    world.append_to_rotated(1);
    world.pass(SECOND / 2);
    world.look();
    world.follow_to_rest();
    let tools = [0, 1, 2, 4, 3].map(|number| format!("/bin/tool-{number}"));
    assert_eq!(world.commands(), tools);
}

#[test]
fn what_comes_late_into_a_rotated_file_is_read_too() {
    let mut world = World::new();
    world.append(2);
    world.follow_to_rest();
    world.rotate();
    world.append(1);
    world.follow_to_rest();
    world.append_to_rotated(2);
    world.follow_to_rest();
    world.assert_complete();
    world.restart();
    world.append(1);
    world.follow_to_rest();
    world.assert_complete();
    assert_eq!(world.repeated(), 0);
}

#[test]
fn rotations_while_nobody_follows_are_made_up_for() {
    for is_packed in [false, true] {
        let mut world = World::new();
        world.append(2);
        world.follow_to_rest();
        world.append(1);
        world.stop();
        for _ in 0..4 {
            world.append(2);
            world.rotate();
            if is_packed {
                world.pack();
            }
        }
        world.append(1);
        world.follow_to_rest();
        world.assert_complete();
        world.assert_in_order();
        assert_eq!(world.repeated(), 0, "what was recorded is known");
    }
}

#[test]
fn rotated_files_are_read_while_nobody_writes_the_new_log() {
    let mut world = World::new();
    world.append(2);
    world.follow_to_rest();
    for _ in 0..3 {
        world.append(2);
        world.rotate();
    }
    world.follow_to_rest();
    world.assert_complete();
    world.assert_in_order();
}

#[test]
fn a_log_that_is_copied_and_cut_goes_on() {
    let mut world = World::new();
    world.append(3);
    world.follow_to_rest();
    world.append(2);
    world.copy_and_cut();
    world.append(1);
    world.follow_to_rest();
    world.assert_complete();
    world.stop();
    world.append(1);
    world.copy_and_cut();
    world.append(2);
    world.copy_and_cut();
    world.append(9);
    world.follow_to_rest();
    world.assert_complete();
    world.assert_in_order();
    assert_eq!(world.repeated(), 0);
}

#[test]
fn lines_that_are_the_same_to_the_letter_count_each_also_across_rotation_and_restart() {
    let mut world = World::new();
    world.append(1);
    world.append_same(2);
    world.follow_to_rest();
    world.append_same(1);
    world.rotate();
    world.append_same(3);
    world.follow_to_rest();
    world.restart();
    world.append_same(1);
    world.crash();
    world.rotate();
    world.append_same(1);
    world.follow_to_rest();
    world.assert_complete();
}

#[test]
fn a_cut_line_waits_for_its_rest() {
    let mut world = World::new();
    world.append(1);
    world.append_half();
    world.follow_to_rest();
    assert_eq!(world.recorded(), 1);
    world.restart();
    world.append(1);
    world.follow_to_rest();
    world.assert_complete();
    assert!(world.losses().is_empty());
}

#[test]
fn what_cannot_be_read_is_told_once_whatever_happens() {
    let mut world = World::new();
    world.append(1);
    world.append_damage(3);
    world.follow_to_rest();
    assert_eq!(world.losses(), [3]);
    world.restart();
    world.append_damage(1);
    world.follow_to_rest();
    assert_eq!(world.losses(), [3, 1]);
    // The loss is durable and the bookmark does not know: it is told again under the same key.
    world.append_damage(2);
    world.break_after_recording();
    world.follow_to_rest();
    world.crash();
    world.append_damage(4);
    world.follow_to_rest();
    assert_eq!(world.losses(), [3, 1, 2, 4]);
    world.assert_complete();
}

#[test]
fn a_full_spool_stops_reading_and_loses_nothing() {
    let mut world = World::new();
    world.append(3);
    world.refuse_recording(true);
    world.look();
    world.pass(SECOND);
    world.look();
    assert_eq!(world.recorded(), 0);
    assert!(matches!(
        world.news().as_slice(),
        [.., News::Failing { .. }]
    ));
    world.append(2);
    world.refuse_recording(false);
    world.follow_to_rest();
    world.assert_complete();
    assert!(
        world
            .news()
            .iter()
            .any(|news| matches!(news, News::Recovered { .. }))
    );
}

#[test]
fn a_file_that_is_gone_before_its_end_was_read_is_a_loss_and_told_once() {
    let mut world = World::new();
    world.append(3);
    world.follow_to_rest();
    world.stop();
    world.lose_everything();
    world.append(2);
    world.follow_to_rest();
    assert_eq!(world.losses(), [1]);
    assert!(
        world
            .news()
            .iter()
            .any(|news| matches!(news, News::Gone { .. }))
    );
    world.restart();
    world.follow_to_rest();
    assert_eq!(world.losses(), [1]);
    world.assert_complete();
}

#[test]
fn a_damaged_bookmark_leads_to_reading_anew_and_to_nothing_twice() {
    let mut world = World::new();
    world.append(4);
    world.append_same(2);
    world.follow_to_rest();
    world.stop();
    world.damage_bookmark();
    world.append(1);
    world.follow_to_rest();
    assert!(world.news().contains(&News::BookmarkDamaged));
    world.assert_complete();
    assert_eq!(world.repeated(), 6);
}

#[test]
fn other_text_is_told_once_and_looked_at_again_as_it_grows() {
    let mut world = World::new();
    world.append_text("nothing that anybody knows\n");
    world.follow_to_rest();
    world.follow_to_rest();
    assert!(matches!(
        world.news().as_slice(),
        [News::NotRecognised { .. }]
    ));
    world.append(1);
    world.follow_to_rest();
    world.assert_complete();
    assert_eq!(world.losses(), [1]);
}

#[test]
fn a_folder_receives_files_and_each_counts_once() {
    let mut world = World::in_folder();
    world.follow_to_rest();
    world.append(2);
    world.look();
    world.append(1);
    world.follow_to_rest();
    world.assert_complete();
    // Renamed in the folder, and another file under the old name.
    world.rotate();
    world.append(2);
    world.follow_to_rest();
    world.assert_complete();
    assert_eq!(world.repeated(), 0);
    world.restart();
    world.follow_to_rest();
    // A file that was closed grows after all.
    world.append(2);
    world.follow_to_rest();
    world.crash();
    world.follow_to_rest();
    world.assert_complete();
    assert_eq!(world.repeated(), 0);
}

#[test]
fn a_file_that_is_read_as_a_whole_is_read_again_when_it_has_changed() {
    let mut world = World::new();
    world.append_text(&event_json(1));
    world.follow_to_rest();
    assert_eq!(world.recorded(), 1);
    world.append_text(&event_json(2));
    world.append_text(&event_json(3));
    world.follow_to_rest();
    assert_eq!((world.recorded(), world.repeated()), (3, 0));
    world.restart();
    world.follow_to_rest();
    assert_eq!(world.repeated(), 0, "it has not changed");
    world.append_text(&event_json(4));
    world.follow_to_rest();
    assert_eq!(
        (world.recorded(), world.repeated()),
        (4, 3),
        "one key, one row"
    );
    assert!(world.losses().is_empty());
}

fn event_json(number: u32) -> String {
    format!(
        "{{\"accept\":{{\"uuid\":\"00000000-0000-4000-8000-00000000000{number}\",\"server_time\":{{\"seconds\":1795478400,\"nanoseconds\":{number}}},\"submituser\":\"anna\",\"submithost\":\"h\",\"command\":\"/bin/ls\",\"runargv\":[\"ls\"],\"runuser\":\"root\",\"runuid\":0}}}}\n"
    )
}
