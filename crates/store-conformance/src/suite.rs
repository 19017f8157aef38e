/// One `#[tokio::test]` of each clause of the `IdempotencyStore` contract.
///
/// Takes an async block that makes a [`Stage`](crate::Stage). It runs once for each clause; stages may
/// share a server, for each works in a key space of its own. The crate that calls it needs `tokio`
/// with the features `macros` and `rt-multi-thread` among its dev-dependencies.
#[macro_export]
macro_rules! idempotency {
    ($stage:expr) => {
        $crate::__clauses! { $stage;
            an_absent_key_is_acquired_once
            a_begin_repeated_by_its_token_is_acquired_again
            a_begin_repeated_by_its_token_renews_its_lease
            a_lease_lives_up_to_its_end
            an_ended_lease_is_taken_over_as_the_next_execution
            another_fingerprint_is_a_mismatch_in_every_state
            every_bit_of_a_fingerprint_counts
            a_fingerprint_of_another_version_is_an_error
            a_completed_key_answers_to_the_byte
            a_repeated_completion_is_already_applied
            a_foreign_token_settles_nothing
            an_absent_key_settles_nothing
            a_released_key_is_free_at_once
            a_zombie_cannot_complete
            a_zombie_neither_renews_nor_releases
            a_late_owner_completes_if_nobody_took_over
            a_late_owner_renews_if_nobody_took_over
            a_renewed_lease_outlives_its_first_end
            an_answer_is_kept_for_its_retention_and_no_longer
            an_unsettled_claim_is_forgotten_after_its_retention
            a_refused_orphan_is_unknown_and_never_acquired
            the_stricter_policy_wins
            an_unknown_never_expires
            an_unknown_is_adopted_as_completed
            an_unknown_is_adopted_as_not_executed
            only_what_was_lost_is_adopted
            unknowns_are_listed_page_by_page
            a_wait_for_nothing_returns_at_once
            a_wait_ends_at_its_limit
            those_who_wait_return_when_the_claim_is_settled
            the_end_of_a_lease_ends_a_wait
            one_of_those_who_wait_becomes_the_owner
            adoption_leaves_nothing_to_wait_for
            purge_is_bounded
            purge_spares_what_lives
            purge_never_deletes_a_claim_that_races_with_it
            any_bytes_make_a_key
            any_bytes_make_an_answer
            an_answer_of_the_version_before_is_kept_and_read
            a_dropped_begin_leaves_no_claim_beyond_its_lease
            a_dropped_completion_is_repeated
            a_store_outlives_dropped_calls
            random_histories_match_the_model
        }
        $crate::__races! { $stage;
            of_64_callers_one_owns_each_of_1000_keys
            concurrent_histories_keep_one_owner_and_one_answer
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __clauses {
    ($stage:expr; $($clause:ident)*) => {$(
        #[::tokio::test]
        async fn $clause() {
            let stage: $crate::Stage = ($stage).await;
            stage.start();
            $crate::$clause(&stage).await;
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __races {
    ($stage:expr; $($clause:ident)*) => {$(
        #[::tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $clause() {
            let stage: $crate::Stage = ($stage).await;
            $crate::$clause(&stage).await;
        }
    )*};
}
