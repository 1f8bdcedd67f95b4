//! A ledger, from outside. The numbers in the names are those of what a ledger promises, L1 to L12. What does not ask where a ledger is kept runs for a file and
//! for a database.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod append;
mod carry;
mod common;
mod erase;
mod oracle;
mod read;
mod rekey;
mod results;
mod tables;
mod trouble;
mod verify;
mod writers;

/// A test is a function of a world, and runs once for each place.
macro_rules! suite {
    ($($room:ident: $($test:ident)+;)+) => {
        mod file {
            $(mod $room {
                $(#[tokio::test]
                async fn $test() {
                    crate::$room::$test(crate::common::World::file()).await;
                })+
            })+
        }

        mod database {
            $(mod $room {
                $(#[tokio::test]
                async fn $test() {
                    if let Some(world) = crate::common::World::database() {
                        crate::$room::$test(world).await;
                    }
                })+
            })+
        }
    };
}

// A test that is missing here is an unused function, which is an error in `make check`.
suite! {
    append:
        a_row_that_is_handed_in_twice_is_there_once
        rows_that_come_late_in_between_are_new_and_others_are_not
        a_number_that_stands_for_something_else_now_is_written
        an_entry_that_only_the_ledger_writes_is_refused
        an_entry_of_no_outbox_is_there_once
        a_checkpoint_is_signed_when_it_is_due
        an_empty_member_is_none;
    carry:
        l11_jsonl_and_csv_of_a_period_have_the_same_digest
        an_export_is_verified_without_this_program
        a_log_is_read_in_once_and_nothing_of_it_is_dropped_in_silence
        the_log_of_a_relay_that_keeps_a_ledger_adds_nothing;
    erase:
        l12_keys_that_are_forgotten_are_gone_and_the_chain_fits
        l12_more_keys_than_one_transaction_takes_are_all_erased
        hashed_keys_are_forgotten_one_by_one
        old_entries_are_removed_up_to_a_published_checkpoint
        a_ledger_that_is_too_large_loses_its_oldest_entries;
    read:
        l1_one_object_has_every_write_and_its_result
        l2_what_has_no_result_comes_oldest_first_and_by_unit
        what_came_through_another_source_is_of_another_bucket
        objects_come_in_the_byte_order_of_their_keys
        an_object_that_is_written_all_the_time_fills_no_memory
        hashed_keys_are_found_by_who_knows_them
        r12_the_end_of_a_run_is_an_entry_and_the_last_one_is_known
        a_new_run_forgets_how_far_earlier_ones_with_its_question_have_come
        the_last_run_of_a_schedule_is_its_own;
    rekey:
        a_key_that_leaked_is_replaced_and_both_chains_are_one_ledger
        a_key_that_is_lost_is_replaced_and_nobody_has_signed_the_end
        a_replacement_that_was_interrupted_goes_on
        a_forged_link_is_named;
    results:
        l3_the_same_result_twice_is_one_result_and_a_repetition
        what_else_mdss_says_of_a_scan_stands_in_the_chain
        l5_what_was_never_forwarded_is_kept_counted_and_never_matched
        l6_the_same_key_in_two_units_is_ambiguous
        l7_only_blocked_results_among_a_hundred_writes_are_seen
        l7_with_blocked_only_no_result_is_unknown_and_no_proof
        a_result_that_is_faster_than_the_ledger_finds_its_write
        a_scan_that_ended_before_the_write_does_not_close_it
        failed_scans_are_results
        other_forms_of_paths_are_learned_by_unit_and_stand_in_the_chain
        ids_are_used_once_a_hundred_pairs_were_equal
        ids_that_are_not_equal_are_never_used
        a_write_is_unconfirmed_after_its_units_limit
        hashed_keys_are_found_and_never_written_down
        without_keys_nothing_is_matched_by_path
        a_flood_of_unmatched_results_is_bounded
        what_is_not_a_files_result_is_kept_raw_and_counted
        how_sure_it_is_that_something_is_missing_follows_from_results
        what_mdss_says_when_it_is_asked_settles_a_write
        what_was_never_scanned_is_not_hidden_by_another_stores_object
        l6_what_is_ambiguous_is_asked_about_at_once_and_again
        what_says_nothing_is_asked_again_in_an_hour_and_counts_for_nothing;
    trouble:
        an_export_that_cannot_be_written_says_so
        nothing_to_read_is_said
        a_key_that_is_missing_or_foreign_is_named;
    verify:
        l8_an_intact_ledger_says_what_was_read
        l9_any_row_that_is_changed_deleted_moved_or_put_in_is_named
        l10_a_cut_end_is_told_by_a_checkpoint_that_somebody_has_kept
        what_a_later_version_has_written_is_named_too
        the_end_of_a_chain_is_verified_by_itself;
}
