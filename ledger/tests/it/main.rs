//! The contract of the ledger: each case runs over both databases and opens a new ledger with `LedgerHarness::open`. Other tests
//! are for one database only.
#![expect(clippy::unwrap_used, reason = "a test fails at the first unexpected result")]

mod admitting;
mod auditing;
mod auto_pace;
mod calling;
mod cancelling;
mod capacity;
mod changing;
mod concurrency;
mod faults;
mod harness;
mod network;
mod opening;
mod outbox;
mod pacing;
mod parking;
mod queue_status;
mod reconciling;
mod recovering;
mod responses;
mod roles;
mod settling;
mod timing;
mod webhooks;

/// Defines a test of each case over each database.
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
        a_change_raises_the_rev_and_audits_the_changed_fields
        a_change_to_the_current_value_writes_nothing
        a_preview_is_what_the_change_does
        an_undo_restores_the_fields_before_a_change
        of_concurrent_changes_at_one_rev_one_succeeds_and_the_rest_are_stale
        a_change_that_cannot_be_audited_changes_nothing
        invalid_settings_change_nothing
        a_settled_event_changes_only_its_texts_and_look
        a_clone_is_a_new_event_with_the_same_settings
    }
    auto_pace {
        a_step_of_the_automatic_pace_is_audited_with_its_reason
        an_operators_pace_ends_the_automatic_one_and_can_be_undone
        an_automatic_pace_resumes_after_a_pause_with_its_minimum
        a_step_does_not_invalidate_what_an_operator_has_read
    }
    timing {
        opens_at_moves_until_two_seconds_before
        an_operator_opens_and_closes_an_event_once
        closes_at_moves_until_two_seconds_before
        an_operator_settles_only_a_closed_unfrozen_event_after_recovery
        the_ledger_adopts_the_times_that_the_queue_kept
    }
    capacity {
        raising_the_capacity_adds_seats_and_lowering_deletes_free_ones
        a_capacity_that_the_seats_do_not_match_is_not_committed
        the_capacity_changes_while_orders_are_created
    }
    auditing {
        the_audit_is_paged_newest_first
        concurrent_changes_have_rising_audit_times
        a_changed_or_removed_audit_row_breaks_the_chain
        a_kept_hash_shows_that_the_end_of_the_audit_was_removed
    }
    calling {
        a_called_applicant_has_a_seat_and_the_order_is_made_once_confirmed
        a_request_counts_by_when_the_queue_wrote_it
        the_time_is_extended_once
        an_expired_seat_is_free_for_the_next_number
        a_called_applicant_who_cancels_frees_the_seat_at_once
        settling_waits_for_called_applicants
        the_capacity_is_not_lowered_below_the_called_applicants
        in_flight_max_limits_the_calls_and_not_the_called_applicants
        a_frozen_event_and_an_older_ledger_expire_no_application
        after_an_outage_of_the_queue_the_time_starts_again
        each_change_of_a_called_applicant_is_projected_once
        a_pass_costs_a_token_of_the_pace
        the_shop_reports_an_order_or_none
        an_order_that_comes_too_late_is_refused_and_never_oversells
    }
    parking {
        a_retried_application_may_already_have_an_order
        an_application_parked_while_undoing_is_still_cancelled
    }
    queue_status {
        writing_the_queue_status_extends_the_lease
        the_seconds_of_an_event_are_kept_in_a_ring
        a_result_compares_the_queues_numbers_with_the_applications
    }
    reconciling {
        lost_applications_get_their_seats_back_as_called_before
        a_called_applicant_is_called_again_unless_confirmed
        an_order_that_the_shop_reported_is_taken_back_with_its_number
        a_lost_cancel_request_is_repeated
        an_order_that_was_made_since_is_deleted_before_its_seat_is_free
        a_lost_withdrawn_application_is_deleted_first_if_admission_read_it
        of_too_few_seats_none_was_a_withdrawn_applications
        too_few_seats_freeze_the_event_until_there_are_enough
        another_application_under_a_number_freezes_the_event
        nothing_is_admitted_by_a_ledger_that_is_behind
        later_settings_of_the_queue_are_adopted_with_their_seats
    }
    recovering {
        a_loss_waits_for_every_registered_journal
        a_loss_waits_for_receipts_where_a_process_has_no_journal
        an_arming_is_judged_once
        a_settled_event_waits_for_no_journal
        an_accepted_recovery_gives_missing_journals_up_until_they_are_back
    }
    concurrency {
        concurrent_dispatchers_admission_and_cancels_end_in_exact_counts
    }
    admitting {
        no_order_call_is_due_before_the_queue_has_the_application_as_admitted
        counts_of_changes_rise_above_those_of_every_lower_fence
        an_event_is_created_once_with_all_its_seats
        invalid_settings_are_refused_with_every_mistake
        a_leader_whose_lease_expired_is_refused_after_the_next_one
        an_extended_lease_lasts_and_a_released_one_is_free_at_once
        an_epoch_is_never_reused_and_the_number_limit_never_falls
        seats_go_to_the_lowest_numbers_up_to_the_capacity
        a_repeated_admission_seats_no_application_twice
        a_queue_that_contradicts_the_ledger_freezes_the_event
        admissible_is_limited_by_free_seats_and_in_flight_max
        a_reopened_ledger_has_all_committed_rows
    }
    pacing {
        an_event_resumes_without_a_burst_after_a_pause_of_any_length
        a_new_pace_applies_from_the_moment_of_the_change
        calls_are_leased_at_the_pace_lowest_number_first
        concurrent_dispatchers_lease_each_call_once_within_the_pace
        the_pace_stays_exact_when_it_is_changed
        a_paused_event_leases_nothing_and_resumes_without_a_burst
        a_call_with_an_expired_lease_is_leased_again_and_the_first_is_stale
        calls_are_leased_without_leadership
    }
    responses {
        a_created_order_sells_the_seat_and_posts_one_domain_event
        a_rejection_of_the_only_call_frees_the_seat
        a_rejection_after_an_unknown_response_undoes_the_order_first
        an_unknown_response_keeps_the_seat_and_delays_the_retry
        a_410_to_a_put_without_a_delete_is_not_definite
        a_call_that_never_succeeds_is_parked_and_delays_no_other
        the_embedded_order_service_keeps_the_order_contract
    }
    outbox {
        a_decision_of_the_same_kind_is_a_domain_event_of_its_own
        domain_events_of_an_application_keep_their_order_when_the_clock_falls
        numbers_have_no_gaps_and_follow_the_commits
        a_cursor_that_was_moved_is_not_overwritten
        a_target_that_is_new_starts_behind_the_last_domain_event
        a_failing_target_keeps_its_place_and_shows_the_error
        a_replay_sends_the_same_domain_events_again_and_is_audited
        only_acknowledged_domain_events_of_settled_events_are_deleted
        domain_events_carry_the_full_state
        kinds_that_are_switched_off_are_not_written
    }
    webhooks {
        an_endpoint_gets_the_domain_events_that_it_selects
        deliveries_of_an_application_are_due_one_after_the_other
        an_expired_lease_is_leased_again_and_the_first_result_is_stale
        an_endpoint_that_is_gone_or_fails_for_five_days_is_disabled
        an_overloaded_endpoint_gets_fewer_deliveries_at_once
        a_paused_endpoint_gets_tests_only_and_continues_when_resumed
        deliveries_that_ended_are_made_again
        a_changed_endpoint_is_audited_and_a_deleted_one_leaves_nothing
        deliveries_are_deleted_with_their_domain_events
        concurrent_workers_deliver_each_application_in_order
    }
    cancelling {
        an_application_withdrawn_before_admission_gets_no_seat
        a_request_is_handled_once_even_if_read_again
        a_cancel_before_the_first_known_order_call_deletes_first
        a_cancel_during_an_order_call_undoes_the_order_first
        a_cancelled_order_stays_ordered_until_it_is_deleted
        a_cancel_of_a_rejected_application_changes_nothing
        a_request_that_contradicts_the_ledger_freezes_the_event
    }
    settling {
        an_event_only_moves_forward_with_one_domain_event_a_state
        an_event_settles_once_all_applications_ended_and_no_seat_is_wanted
        an_event_without_waiting_applications_settles_with_free_seats
        an_event_is_not_settled_while_an_order_is_being_undone
        an_event_is_not_settled_while_an_application_is_parked
    }
}
