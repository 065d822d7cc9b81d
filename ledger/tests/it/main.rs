//! The ledger's contract, one promise a case, over each database; and what only one of them is asked. A case asks for a fresh
//! ledger by `LedgerHarness::open` and never names the database.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod admitting;
mod cancelling;
mod changing;
mod concurrency;
mod faults;
mod harness;
mod network;
mod opening;
mod pacing;
mod queue_status;
mod responses;
mod roles;
mod settling;
mod wire;

/// Makes a test of each case over each database.
macro_rules! cases {
    ($($module:ident { $($case:ident)* })*) => {
        cases!(@over sqlite, Sqlite, $($module { $($case)* })*);
        cases!(@over postgres, Postgres, $($module { $($case)* })*);
    };
    (@over $name:ident, $store:ident, $($module:ident { $($case:ident)* })*) => {
        mod $name {
            $($(
                #[tokio::test]
                async fn $case() {
                    crate::$module::$case(crate::harness::Store::$store).await;
                }
            )*)*
        }
    };
}

cases! {
    changing {
        a_change_raises_the_rev_and_tells_what_changed_and_no_more
        what_is_so_already_is_no_change
        of_two_operators_at_once_one_wins_and_the_other_is_told
        without_its_row_in_the_audit_nothing_changes
        wrong_settings_leave_everything_as_it_was
        the_opening_moves_until_it_is_near
        an_event_is_opened_and_closed_by_hand_once
        the_closing_moves_until_it_is_near
        an_event_is_settled_by_hand_once_it_is_closed_and_nothing_is_open
        a_settled_event_keeps_all_but_its_title_and_its_announcement
        raised_seats_are_new_rows_and_lowered_ones_were_free
        a_capacity_that_the_seats_do_not_match_is_not_committed
        seats_come_and_go_while_orders_are_made
        resuming_starts_without_a_burst_however_short_the_pause
        a_new_pace_counts_from_the_moment_it_is_set
        the_ledger_takes_over_the_times_that_the_queue_kept
        a_clone_is_a_new_event_with_the_same_settings
        the_audit_is_read_page_by_page_newest_first
        changes_at_once_are_told_one_after_the_other
        a_parked_one_is_called_again_as_one_that_may_have_an_order
        an_order_parked_while_it_was_taken_back_goes_on_being_cancelled
    }
    queue_status {
        the_leader_writes_what_it_sees_and_keeps_the_lead_by_it
    }
    concurrency {
        many_dispatchers_a_leader_and_cancels_end_in_exact_counts
    }
    admitting {
        an_event_is_made_once_with_all_its_seats
        wrong_settings_are_refused_with_every_mistake
        one_leads_at_a_time_and_who_stood_still_is_refused_afterwards
        a_lead_that_is_used_lasts_and_one_given_back_is_free_at_once
        an_epoch_is_never_used_twice_and_the_limit_never_falls
        seats_go_to_the_lowest_numbers_and_end_with_the_capacity
        a_round_that_is_repeated_takes_nobody_twice
        a_queue_that_contradicts_the_ledger_freezes_the_event
        admissible_is_what_seats_and_ordering_rows_leave
        what_was_written_is_there_for_the_next_process
    }
    pacing {
        calls_are_leased_at_the_pace_lowest_number_first
        many_dispatchers_take_each_call_once_and_no_more_than_the_pace
        the_pace_holds_over_changes_of_it
        a_paused_event_leases_nothing_and_resumes_without_a_burst
        a_dispatcher_that_died_is_followed_by_another_and_its_late_answer_is_stale
        who_lost_the_lead_can_still_make_orders
    }
    responses {
        a_yes_sells_the_seat_and_tells_it_once
        a_no_to_the_one_call_frees_the_seat_for_the_next_number
        a_no_after_silence_takes_the_order_back_before_the_seat_is_free
        silence_keeps_the_seat_and_the_same_key_is_tried_again_not_too_soon
        a_410_to_a_put_that_nobody_took_back_is_no_answer
        poison_is_parked_with_its_seat_and_holds_nobody_up
        the_embedded_order_service_keeps_the_contract_it_asks_of_others
    }
    cancelling {
        who_was_withdrawn_before_being_admitted_needs_no_seat
        a_request_is_answered_once_however_often_it_is_read
        before_the_first_order_call_the_seat_is_free_at_once
        an_order_call_under_way_is_taken_back_first_and_its_answer_is_stale
        an_order_stays_an_order_until_it_is_taken_back_and_then_its_seat_goes_on
        what_has_ended_otherwise_stays_as_it_is
        a_request_that_contradicts_the_ledger_freezes_the_event
    }
    settling {
        an_event_only_goes_forward_and_tells_each_step_once
        an_event_is_settled_when_no_seat_is_held_and_none_is_free_while_somebody_waits
        an_event_that_nobody_waits_for_settles_with_seats_unsold
        an_event_is_not_settled_while_an_order_is_being_taken_back
        an_event_is_not_settled_before_an_operator_ended_who_is_parked
    }
}
