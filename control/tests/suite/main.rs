//! One contract, kept by the store on SQLite and on PostgreSQL; and the rules of what it stores.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod access;
mod appending;
mod chain;
mod devices;
mod feeds;
mod kill;
mod opening;
mod place;
mod policies;
mod principals;
mod projections;
mod released;
mod requests;
mod tokens;

/// Each test of the contract, on each engine.
macro_rules! on_both_engines {
    ($($module:ident :: $test:ident),+ $(,)?) => {
        mod on_sqlite {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                crate::$module::$test(&crate::place::Place::sqlite()).await;
            }
        )+}
        mod on_postgres {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                if let Some(place) = crate::place::Place::postgres() {
                    crate::$module::$test(&place).await;
                }
            }
        )+}
    };
}

on_both_engines!(
    appending::a_stale_version_is_a_conflict_and_changes_nothing,
    appending::an_append_is_all_or_nothing,
    appending::what_is_too_large_is_refused,
    appending::concurrent_writers_never_lose_an_update,
    appending::a_command_without_a_version_is_decided_anew,
    chain::any_changed_byte_is_found_and_its_place_is_named,
    chain::a_missing_event_is_found,
    chain::a_head_that_was_moved_is_found,
    chain::a_chain_that_was_written_anew_is_found_by_a_head_kept_elsewhere,
    devices::the_row_of_a_device_is_what_its_events_say,
    feeds::another_pool_sees_each_change_within_a_second,
    feeds::a_feed_misses_nothing_while_many_write,
    feeds::a_follower_that_has_seen_more_than_there_is_is_told,
    kill::a_writer_that_is_killed_leaves_what_it_acknowledged_and_nothing_half,
    opening::a_newer_schema_is_refused_and_left_alone,
    opening::many_nodes_may_make_the_tables_at_once,
    policies::a_file_is_applied_whole_and_again_changes_nothing,
    policies::a_file_with_one_mistake_changes_nothing,
    policies::a_device_needs_no_more_than_its_own_policies,
    principals::the_first_start_makes_one_administrator_however_many_nodes_start,
    principals::a_token_ends_at_once_for_each_of_its_reasons,
    principals::roles_and_tokens_give_what_they_say_from_the_next_request_on,
    principals::lists_are_what_the_events_say_page_by_page,
    principals::a_reach_names_the_agents_of_its_groups_and_no_others,
    principals::what_people_only_read_is_in_the_chain_too,
    projections::they_are_what_the_events_say_and_can_be_made_again,
    projections::what_is_over_is_found_and_expires,
    released::the_chain_of_known_events_has_the_known_hash,
    tokens::a_quota_holds_however_many_agents_come_at_once,
    projections::an_event_of_a_newer_program_is_refused_and_not_skipped,
);
