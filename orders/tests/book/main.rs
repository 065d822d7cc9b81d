//! The book's contract, one promise a case, over each database; and what only one of them is asked. A case asks for a fresh
//! book by `Desk::open` and never names the database.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod answers;
mod crowd;
mod desk;
mod faults;
mod moving;
mod opening;
mod pacing;
mod roles;
mod settling;
mod wishes;

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
                    crate::$module::$case(crate::desk::Store::$store).await;
                }
            )*)*
        }
    };
}

cases! {
    crowd {
        many_makers_a_leader_and_cancels_end_in_exact_counts
    }
    moving {
        an_event_is_made_once_with_all_its_seats
        wrong_settings_are_refused_with_every_mistake
        one_leads_at_a_time_and_who_stood_still_is_refused_afterwards
        a_lead_that_is_used_lasts_and_one_given_back_is_free_at_once
        an_era_is_never_used_twice_and_the_limit_never_falls
        seats_go_to_the_lowest_numbers_and_end_with_the_capacity
        a_round_that_is_repeated_takes_nobody_twice
        a_line_that_contradicts_the_book_freezes_the_event
        room_is_what_seats_and_orders_under_way_leave
        what_was_written_is_there_for_the_next_process
    }
    pacing {
        calls_are_leased_at_the_pace_lowest_number_first
        many_makers_take_each_call_once_and_no_more_than_the_pace
        a_paused_event_leases_nothing_and_resumes_without_a_burst
        a_maker_that_died_is_followed_by_another_and_its_late_answer_is_stale
        who_lost_the_lead_can_still_make_orders
    }
    answers {
        a_yes_sells_the_seat_and_tells_it_once
        a_no_to_the_one_call_frees_the_seat_for_the_next_number
        a_no_after_silence_takes_the_order_back_before_the_seat_is_free
        silence_keeps_the_seat_and_the_same_key_is_tried_again_not_too_soon
        a_410_to_a_put_that_nobody_took_back_is_no_answer
        poison_is_parked_with_its_seat_and_holds_nobody_up
        the_embedded_order_service_keeps_the_contract_it_asks_of_others
    }
    wishes {
        who_was_withdrawn_before_being_moved_needs_no_seat
        a_wish_is_answered_once_however_often_it_is_read
        before_the_first_order_call_the_seat_is_free_at_once
        an_order_call_under_way_is_taken_back_first_and_its_answer_is_stale
        an_order_stays_an_order_until_it_is_taken_back_and_then_its_seat_goes_on
        what_has_ended_otherwise_stays_as_it_is
        a_wish_that_contradicts_the_book_freezes_the_event
    }
    settling {
        an_event_only_goes_forward_and_tells_each_step_once
        an_event_is_settled_when_no_seat_is_held_and_none_is_free_while_somebody_waits
        an_event_that_nobody_waits_for_settles_with_seats_unsold
    }
}
