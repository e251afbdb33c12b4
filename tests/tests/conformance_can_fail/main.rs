//! The conformance suite fails where a driver is broken: each defect here is one that drivers have
//! had, laid over the mock, and a case catches it for the right reason.

mod container;
mod driver;
mod lease;
mod running;
mod streams;
// The mock as the suite needs it, with the testee in memory.
#[path = "../../../crates/mock/tests/support/mod.rs"]
mod support;

use longshore_conformance::{Runtime, Verdict, try_case};

use driver::BrokenFixture;

/// What is wrong with a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    Nothing,
    AcceptsAnything,
    AlwaysAsksForCredentials,
    ChecksImagesOnce,
    ClosesOnce,
    CountsTheTimeFrozen,
    CutsInput,
    CutsOutput,
    FallsBackToTheDefault,
    ForgetsDroppedCreates,
    FreezesOnce,
    IgnoresCancel,
    IgnoresOutputLimits,
    IgnoresTimeouts,
    KeepsQuietAboutLosses,
    KeepsWhatIsLent,
    LeavesATask,
    LeavesWhatIsOpen,
    LosesInSilence,
    LosesWhatIsLeftAtTheEnd,
    NeedsARuntimeToDrop,
    NeverRemoves,
    PrefersTheCodeToTheTimeout,
    ReapsTheLiving,
    SamplesAfterTheEnd,
    ShowsTheEnvironment,
    SwapsRowsAndColumns,
    SwapsStreams,
    TakesAChildsDeathForTheTasks,
    TakesKillsForWantOfMemory,
    TakesLossForSuccess,
    TellsClosedTwice,
    WaitsOnce,
    WantsIdsOfItsOwn,
}

/// Sees that the case passes on the sound driver and fails on the broken one, saying `because`.
fn catches(case: &str, defect: Defect, because: &str) {
    let on = |defect| try_case(case, Runtime::Paused, move || BrokenFixture::new(defect));
    assert_eq!(on(Defect::Nothing), Verdict::Passed);
    match on(defect) {
        Verdict::Failed(text) => {
            assert!(text.contains(because), "{defect:?} fails for another reason: {text}");
        }
        verdict => panic!("{defect:?} is not caught by {case}: {verdict:?}"),
    }
}

macro_rules! caught {
    ($($test:ident: $defect:ident by $case:literal because $because:literal;)*) => {
        $(#[test]
        fn $test() {
            catches($case, Defect::$defect, $because);
        })*
    };
}

caught! {
    output_that_is_cut: CutsOutput
        by "output::every_byte_is_delivered" because "left: 1000";
    output_that_is_cut_at_the_end: LosesWhatIsLeftAtTheEnd
        by "output::a_slow_reader_gets_every_byte" because "right: 1288895";
    streams_that_are_swapped: SwapsStreams
        by "output::both_streams_are_delivered_apart" because "stdout differs";
    rows_that_are_columns: SwapsRowsAndColumns
        by "tty::a_terminal_can_be_resized" because "left: Some(\"size 97 31\")";
    input_that_is_cut: CutsInput
        by "input::every_byte_and_the_end_reach_the_task" because "left: 1000";
    limits_that_do_not_hold: IgnoresOutputLimits
        by "limits::beyond_the_limit_output_is_counted_and_thrown_away" because "delivered: 300000";
    a_kill_that_passes_for_want_of_memory: TakesKillsForWantOfMemory
        by "exit::codes_that_could_mean_a_signal_are_unproven" because "left: (OutOfMemory";
    a_childs_death_that_hides_the_callers_kill: TakesAChildsDeathForTheTasks
        by "exit::a_kill_by_the_caller_is_not_a_childs_death_for_want_of_memory"
        because "left: (OutOfMemory";
    a_loss_that_passes_for_success: TakesLossForSuccess
        by "close::while_running" because "left: (Code(0)";
    a_timeout_that_yields_to_code_0: PrefersTheCodeToTheTimeout
        by "time::a_task_that_ends_well_when_asked_is_timed_out_all_the_same"
        because "left: (Code(0), \"success\")";
    a_timeout_that_never_comes: IgnoresTimeouts
        by "time::a_task_ends_at_its_timeout" because "stuck: \"run a task\"";
    a_timeout_that_runs_while_frozen: CountsTheTimeFrozen
        by "freeze::the_timeout_stands_still_while_frozen" because "it ended while it was frozen";
    a_cancel_that_does_nothing: IgnoresCancel
        by "stop::cancel_kills_at_once" because "stuck: \"wait\"";
    a_wait_that_answers_once: WaitsOnce
        by "exit::wait_says_the_same_to_everybody_and_always" because "stuck: \"wait";
    a_freeze_that_fails_when_frozen: FreezesOnce
        by "freeze::freezing_is_idempotent" because "is already paused";
    a_close_that_works_once: ClosesOnce
        by "close::before_start" because "\"close again\" failed";
    a_close_that_removes_nothing: NeverRemoves
        by "close::after_the_end" because "left: [\"Exited container";
    a_driver_that_is_closed_and_leaves_containers: LeavesWhatIsOpen
        by "stop::a_task_without_a_terminal_has_no_size" because "left when the driver was closed";
    a_driver_that_leaves_a_task_behind: LeavesATask
        by "lifecycle::reserving_creates_nothing" because "outlive the closed driver";
    a_create_that_is_lost_when_dropped: ForgetsDroppedCreates
        by "drops::creating" because "still there: Created container";
    a_handle_that_needs_a_runtime_to_drop: NeedsARuntimeToDrop
        by "drops::outside_of_a_runtime" because "dropping a handle panics";
    a_hook_that_is_told_twice: TellsClosedTwice
        by "close::before_anything_is_created" because "calls of the hook";
    a_reaper_that_kills_the_living: ReapsTheLiving
        by "owner::a_live_owners_containers_are_left_alone" because "right: Running";
    an_id_that_must_be_unique: WantsIdsOfItsOwn
        by "concurrency::two_tasks_may_have_the_same_id" because "[Conflict]";
    a_loss_that_is_not_told: KeepsQuietAboutLosses
        by "recovery::output_meanwhile_is_delivered_or_said_to_be_lost" because "left: 24000";
    a_network_that_is_never_given_back: KeepsWhatIsLent
        by "borrow::a_lent_network_is_the_tasks_until_its_container_is_gone"
        because "stuck: \"the lease comes back\"";
    a_fall_back_to_another_network: FallsBackToTheDefault
        by "borrow::whoever_falls_back_is_on_a_network_of_the_lenders" because "left: ([\"bridge\"]";
    a_lost_network_that_nobody_tells_of: LosesInSilence
        by "borrow::a_network_that_is_lost_is_told_once_and_in_the_exit"
        because "stuck: \"the task's owner is told\"";
    a_lost_network_that_is_not_replaced: LosesInSilence
        by "borrow::a_network_that_is_lost_before_the_start_is_replaced"
        because "which does not run: try again [Busy]";
    a_refusal_that_is_given_once: ChecksImagesOnce
        by "images::a_refused_image_is_refused_each_time" because "should fail with ImageRejected";
    a_credential_that_nobody_needs: AlwaysAsksForCredentials
        by "images::an_image_that_is_there_is_not_pulled" because "a registry was asked";
    a_wish_that_is_passed_over: AcceptsAnything
        by "capabilities::what_a_driver_cannot_do_is_refused_before_anything_is_made"
        because "asking for it was not refused";
    a_sample_that_comes_late: SamplesAfterTheEnd
        by "stats::samples_come_while_the_task_runs_and_not_after"
        because "a sample came after wait had returned";
    a_secret_that_is_shown: ShowsTheEnvironment
        by "secrets::no_handle_shows_the_environment" because "a secret in";
}
