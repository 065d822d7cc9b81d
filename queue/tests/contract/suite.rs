//! The cases of the contract. `cases!` makes a test of each, over the store that it is given.

mod admission;
mod applying;
mod arming;
mod called;
mod closing;
mod inbox;
mod projection;
mod restoring;

pub(crate) use admission::*;
pub(crate) use applying::*;
pub(crate) use arming::*;
pub(crate) use called::*;
pub(crate) use closing::*;
pub(crate) use inbox::*;
pub(crate) use projection::*;
pub(crate) use restoring::*;

macro_rules! cases {
    ($store:expr) => {
        crate::suite::cases!($store;
            numbers_are_given_in_order_and_once_per_applicant
            two_thousand_simultaneous_applications_get_dense_numbers
            only_the_secret_of_the_application_proves_it
            a_refused_application_uses_no_number
            a_repeated_application_gets_its_number_in_every_state
            an_event_is_unknown_only_once_the_catalogue_is_published
            an_unarmed_queue_refuses_writes_and_denies_no_application
            a_restart_loses_nothing_and_disarms
            arming_skips_every_number_that_may_have_been_given
            a_restart_before_the_opening_skips_no_number
            a_whole_queue_goes_on_without_a_gap
            an_opened_or_a_new_queue_does_not_count_as_unopened
            what_arming_found_is_kept_until_it_is_judged
            a_new_queue_for_an_old_event_starts_above_its_limit
            a_lower_fence_or_an_old_epoch_is_refused
            the_head_is_in_order_and_reading_removes_nothing
            the_head_examines_one_block_at_most
            blocks_without_a_waiting_application_are_passed_over
            a_repeated_admission_changes_nothing
            the_highest_count_of_the_ledger_s_changes_is_kept
            a_cancel_is_written_once_and_withdraws_a_waiting_application
            a_cancel_under_another_number_changes_nothing
            a_processed_application_is_not_withdrawn_by_its_cancel
            a_cancel_that_can_change_nothing_is_not_written
            a_called_applicant_confirms_once
            a_called_applicant_requests_more_time_once
            a_request_after_the_called_time_is_refused
            who_is_not_called_or_has_cancelled_cannot_confirm
            an_outcome_ends_the_called_time_for_good
            a_confirmation_stays_when_the_time_is_projected_again
            a_report_of_the_shop_is_written_with_its_order_number
            inbox_positions_rise_over_epochs
            older_settings_figures_and_limits_change_nothing
            a_time_that_took_effect_does_not_move
            applications_that_wait_in_a_settled_event_are_sold_out
            an_outcome_is_final_except_for_a_cancelled_order
            closing_is_final
            a_queue_that_was_down_at_its_closing_time_closes_when_armed
            times_that_were_changed_while_the_queue_was_away_hold
            settling_closes_the_queue_once
            restoring_adds_the_missing_applications
            restoring_never_changes_an_existing_application
            an_application_without_secret_and_contact_gets_them_when_they_are_known
            an_admitted_application_from_the_ledger_gets_its_secret_back
            replaced_gaps_are_those_that_count
            a_restored_number_raises_the_last_one_of_a_closed_queue
        );
    };
    ($store:expr; $($case:ident)*) => {
        $(#[tokio::test]
        async fn $case() {
            crate::suite::$case(&mut crate::harness::QueueHarness::new($store).await).await;
        })*
    };
}
pub(crate) use cases;
