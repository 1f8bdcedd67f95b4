//! What every engine must do: one suite, run for each of them. It looks at an engine as a relay and an operator do, and never into it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod accept;
mod back;
mod bench;
mod claim;
#[path = "../common/mod.rs"]
mod common;
mod desk;
mod outbox;
mod pauses;
mod rate;
mod settle;
mod shares;
mod worker;

/// A test is a function of a bench, and runs once an engine. Another engine is another module here.
macro_rules! suite {
    ($($room:ident: $($test:ident)+;)+) => {
        mod sqlite {
            $(mod $room {
                $(#[tokio::test]
                async fn $test() {
                    crate::$room::$test(crate::bench::Bench::sqlite()).await;
                })+
            })+
        }

        mod postgres {
            $(mod $room {
                $(#[tokio::test]
                async fn $test() {
                    if let Some(bench) = crate::bench::Bench::postgres() {
                        crate::$room::$test(bench).await;
                    }
                })+
            })+
        }
    };
}

// A test that is missing here is an unused function, which is an error in `make check`.
suite! {
    back:
        mdss_that_refused_connections_is_back_at_once
        mdss_that_answered_503_is_back_at_once
        mdss_that_answered_nothing_is_back_at_once
        mdss_is_back_at_once_for_a_relay_that_was_started_meanwhile
        mdss_that_named_a_time_is_left_alone_until_then;
    accept:
        each_record_becomes_an_item_or_says_why_not
        a_delivery_comes_back_as_it_was_without_what_nobody_reads
        what_is_in_an_object_is_not_kept
        the_same_write_is_kept_once
        a_write_that_mdss_has_accepted_is_not_kept_again
        no_byte_is_too_much
        a_mark_planted_through_an_open_source_swallows_nothing;
    claim:
        no_item_is_given_out_twice
        claims_at_the_same_time_share_what_there_is
        what_was_given_out_is_there_after_a_restart
        a_long_lane_leaves_the_others_their_share
        the_oldest_come_first_and_the_newest_do_not_wait_for_all_of_them
        a_probe_is_the_one_that_was_tried_least_of_those_that_came_last
        a_claim_brings_a_few_megabytes_into_memory_at_most
        what_is_parked_or_gone_is_nobodys
        what_is_put_off_is_due_after_its_pause_and_not_before
        what_is_put_off_says_when_it_is_due_beside_a_lane_that_is_full
        before_its_time_comes_what_was_tried_least_and_nothing_that_is_held_or_spared
        items_of_one_delivery_share_it;
    desk:
        items_are_found_by_what_they_are
        a_retry_makes_due_and_a_purge_deletes_what_fits
        a_bulk_change_goes_on_where_its_last_step_ended
        the_counts_are_those_of_the_items
        what_is_handed_in_beside_a_relay_is_sent_by_it
        a_stock_says_how_long_the_oldest_has_been_waiting;
    outbox:
        a_fact_is_there_with_the_outcome_that_it_tells_of
        what_was_gone_before_has_no_fact
        without_a_ledger_nothing_is_written
        what_is_done_by_hand_is_told_with_who_and_how_many
        a_worker_tells_what_becomes_of_each_item
        beyond_the_limit_facts_are_counted_and_the_count_is_told
        an_outbox_that_is_full_leaves_the_spool_its_room
        nothing_is_taken_twice;
    pauses:
        units_that_refuse_everything_keep_no_other_waiting
        what_waits_before_a_closed_unit_does_not_take_the_place_of_what_comes
        one_poisoned_object_stops_nobody
        names_that_a_gateway_refuses_are_held_and_stop_nobody
        a_proxy_that_pushes_back_is_yielded_to_and_an_outage_is_survived
        retry_after_is_for_everybody
        a_breaker_that_a_worker_leaves_open_is_not_shown_for_ever
        a_breaker_before_which_nobody_waits_is_forgotten
        lanes_take_turns
        a_closed_lane_does_not_cost_the_next_one_its_turn
        what_was_held_is_sent_when_mdss_is_back;
    rate:
        a_gateway_that_refuses_above_a_rate_is_given_what_it_takes
        a_server_that_is_slower_the_fuller_it_is_is_not_filled
        a_slow_unit_does_not_hold_a_fast_one_back;
    settle:
        each_outcome_is_written_as_it_is
        an_item_that_is_gone_stays_gone
        what_is_put_off_is_released_by_lane_and_by_number;
    shares:
        a_full_spool_takes_nothing_and_goes_on_when_there_is_room
        what_cannot_be_used_does_not_take_the_place_of_what_can
        no_source_fills_the_spool_with_what_no_route_names
        no_source_has_the_place_of_another_for_what_cannot_be_used
        what_waits_for_one_unit_or_came_from_one_source_leaves_room_for_others
        a_parked_record_is_counted_with_all_that_it_keeps
        what_one_delivery_brings_adds_up
        a_body_is_counted_once_and_only_for_those_that_stay;
    worker:
        what_is_kept_is_sent_once_and_leaves_nothing_behind
        what_may_pass_is_tried_again_and_what_cannot_is_parked
        a_mended_configuration_heals_what_is_held
        a_stop_writes_down_what_came_while_one_is_out
        age_parks_and_never_drops
        bad_neighbours_are_parked_and_sent_when_they_can_be_read
        two_workers_send_each_object_once
        what_a_failed_worker_held_is_sent_by_the_next_one
        an_operator_sees_how_mdss_stands;
}
