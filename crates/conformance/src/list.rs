//! The list of all cases: the contract, a sentence to a line.

/// Calls a macro with every case: `module { case => "sentence", }`, with `@ Long` after the name
/// of a long one. A case is added here and nowhere else.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_case {
    ([$($callback:tt)+] { $($argument:tt)* }) => {
        $($callback)+! { { $($argument)* }
            lifecycle {
                reserving_creates_nothing =>
                    "A container is only reserved: nothing is on the engine until create.",
                the_state_is_right_at_each_stage =>
                    "The state is reserved, created, running, exited, closed, in that order, at any time.",
                creating_twice_creates_once =>
                    "A second create succeeds and does nothing.",
                creating_at_once_creates_once =>
                    "Many may create at the same time: one container is made.",
                start_before_create_is_refused =>
                    "Start before create is an invalid state, and does no harm.",
                starting_again_runs_the_task_once =>
                    "A task is started once, however often it is asked for; later calls return the same.",
                the_engines_id_is_known_once_created =>
                    "The engine's id of a container is known, and is its own.",
                engine_options_can_be_edited_until_create =>
                    "What will be sent to the engine can be edited until create, and not after.",
                a_closed_container_starts_nothing =>
                    "What is closed stays closed.",
                the_short_forms_work_on_the_drivers_own_type =>
                    "What works through a trait object works on the driver's own type.",
                how_long_each_stage_took_is_told =>
                    "An exit tells how long each stage took.",
                a_driver_says_what_it_is =>
                    "A driver has a name and capabilities that do not change, and answers a ping.",
            }
            task {
                every_problem_is_told_at_once =>
                    "An invalid task is refused with all its problems, before anything is made.",
                a_network_that_does_not_exist_is_named =>
                    "A network that does not exist is an error that names it and leaves nothing.",
                a_log_driver_that_cannot_start_is_told_apart =>
                    "A log driver that cannot start is an error of its own kind and leaves nothing.",
                arguments_environment_and_directory_reach_the_task =>
                    "A task gets its arguments, environment and directory exactly.",
            }
            network {
                a_task_without_a_network_has_no_address =>
                    "A task without a network has no address and no port.",
                a_port_that_the_engine_chooses_is_told =>
                    "A published port whose port of the host is left to the engine is told, and is its own.",
                a_port_of_the_host_that_is_taken_is_a_conflict =>
                    "A port of the host that is taken is a conflict that names it, and free again with its holder's end.",
                what_was_told_of_the_network_stays_known_after_the_end =>
                    "Where a task can be reached is told while it runs; what was told once stays known.",
                a_further_network_that_does_not_exist_is_named =>
                    "A further network that does not exist is an error that names it and leaves nothing.",
            }
            borrow {
                a_lent_network_is_the_tasks_until_its_container_is_gone =>
                    "A task's network can be lent to it, and is given back once its container is gone.",
                whoever_lends_is_told_what_the_task_could_do =>
                    "Whoever lends a network is told whether the task could change it.",
                where_there_is_none_it_fails_or_falls_back_as_it_asked =>
                    "Where there is none to borrow, a task fails and leaves nothing, or has one of its own, as it asked.",
                whoever_falls_back_is_on_a_network_of_the_lenders =>
                    "A task that has a network of its own for want of one to borrow is on one of those that are lent otherwise.",
                a_network_that_is_lost_before_the_start_is_replaced =>
                    "Where a lent network is lost before anything of the task could run, it borrows another.",
                a_network_that_is_lost_is_told_once_and_in_the_exit =>
                    "A lent network that is lost is told once while the task runs, and in its exit.",
            }
            health {
                a_start_waits_until_the_task_does_well =>
                    "A start can wait until the task's health check says that it does well.",
                an_unhealthy_task_is_told_apart =>
                    "A task whose health check fails is an error of its own kind, and is left to be closed.",
                a_task_that_ends_before_it_does_well_is_told_apart =>
                    "A task that ends while its start waits for it is an error of its own kind.",
                waiting_for_health_has_a_bound =>
                    "Waiting for health ends with its bound.",
                waiting_for_health_without_a_check_is_refused =>
                    "A start that waits for a health check that is not there fails and says so.",
            }
            output {
                every_byte_is_delivered =>
                    "Every byte that a task wrote is delivered, of any amount and content.",
                sixteen_mebibytes_are_delivered =>
                    "Every byte of a large output is delivered.",
                what_is_written_just_before_the_end_is_delivered =>
                    "Output that is written right before the end is not cut.",
                both_streams_are_delivered_apart =>
                    "Each of the two streams is delivered whole and in order.",
                a_stream_that_nobody_wants_is_not_attached =>
                    "A stream that the caller does not want is not attached and blocks nothing.",
                a_slow_reader_gets_every_byte =>
                    "A slow reader slows the task and gets every byte, after its end too.",
                nothing_is_written_after_wait =>
                    "When wait returns the output is over, and when close returns the writer is let go.",
                a_task_that_closes_its_streams_lives_on =>
                    "A task that closes its own streams lives on and has its own code.",
                a_grandchild_does_not_hold_the_task =>
                    "What outlives the main process with its stdout open does not delay the end.",
            }
            readers {
                cancel_does_not_wait_for_a_reader =>
                    "Cancel ends a task whose reader has stopped, and says that output is missing.",
                a_timeout_does_not_wait_for_a_reader =>
                    "A timeout ends a task whose reader has stopped, and says that output is missing.",
                close_does_not_wait_for_a_reader =>
                    "Close ends a task whose reader has stopped, and says that output is missing.",
                a_stopped_task_does_not_wait_for_a_reader_to_die =>
                    "Stop ends a task whose reader has stopped.",
                cancel_ends_the_wait_for_a_reader =>
                    "After the end, cancel ends the wait for a reader and changes the outcome no more.",
                the_timeout_ends_the_wait_for_a_reader =>
                    "After the end, the timeout ends the wait for a reader.",
                close_ends_the_wait_for_a_reader =>
                    "After the end, close ends the wait for a reader.",
                a_writer_that_fails_does_not_stop_the_task =>
                    "When the caller's writer fails, the rest is read, counted and thrown away.",
            }
            limits {
                beyond_the_limit_output_is_counted_and_thrown_away =>
                    "A limit delivers exactly that many bytes of each stream; the rest is counted.",
                output_of_exactly_the_limit_is_whole =>
                    "Output of exactly the limit is not beyond it.",
                a_task_is_ended_at_its_limit_if_asked =>
                    "A task that writes more than its limit is killed for it if asked.",
                a_task_that_ends_beyond_its_limit_is_told_as_ended_for_it =>
                    "A task that is to be killed at its limit and ends first, beyond it, has the same outcome.",
            }
            input {
                every_byte_and_the_end_reach_the_task =>
                    "Input is delivered whole, with its end, of any amount and content.",
                sixteen_mebibytes_reach_the_task =>
                    "A large input is delivered while its echo is read.",
                input_that_is_not_read_is_no_error =>
                    "A task that does not read its input is no error.",
                a_task_may_end_before_its_input =>
                    "A task may end while the caller still has input.",
                an_open_input_does_not_hold_the_task =>
                    "An input that stays open does not delay the end, and is let go at close.",
                a_task_answers_while_its_input_is_open =>
                    "Input is streamed, not gathered.",
                the_end_of_input_reaches_a_task_that_waits_for_it =>
                    "Input is half-closed: its end reaches the task, and output goes on.",
                without_input_a_task_reads_its_end =>
                    "The input of a task that was given none is empty.",
            }
            exit {
                a_code_is_the_tasks_own =>
                    "A code that could mean nothing else is proven.",
                codes_that_could_mean_a_signal_are_unproven =>
                    "A code above 128 is never taken for a signal or for lack of memory without proof.",
                codes_that_could_mean_a_failed_start_are_unproven =>
                    "The codes 126 and 127 are never taken for a failed start without proof.",
                death_by_a_signal_is_never_success =>
                    "Death by a signal is told as far as the engine proves it.",
                out_of_memory_is_proven =>
                    "Out of memory needs the kill and its evidence.",
                a_childs_death_for_want_of_memory_is_not_the_tasks =>
                    "A child's kill for want of memory is evidence beside the main process's own code.",
                a_kill_by_the_caller_is_not_a_childs_death_for_want_of_memory =>
                    "After a kill for want of memory, a kill by the caller is still the caller's.",
                memory_within_the_limit_is_there =>
                    "Within its limit a task gets its memory.",
                a_program_that_cannot_be_started_is_told =>
                    "A program that is missing or cannot be executed is an outcome, as far as the engine proves it.",
                without_an_init_it_is_told_as_well =>
                    "Without an init a program that cannot be started is an outcome too.",
                labels_say_nothing_about_an_end =>
                    "Whatever labels a task has, its end is its own.",
                a_signal_from_the_caller_is_evidence =>
                    "A signal that the caller sends reaches the task and is in the evidence.",
                wait_says_the_same_to_everybody_and_always =>
                    "Every wait gives the same answer, from many tasks, again, and after close.",
            }
            time {
                a_task_ends_at_its_timeout =>
                    "At its timeout a task is asked to end; its outcome is timed out.",
                a_task_that_does_not_obey_is_killed_after_its_grace =>
                    "A task that does not end when asked is killed after its grace.",
                a_task_that_ends_well_when_asked_is_timed_out_all_the_same =>
                    "The outcome is timed out whatever code follows, 0 included.",
                no_grace_is_an_immediate_kill =>
                    "Without grace a task is killed at its timeout.",
                the_timeout_asks_with_the_tasks_own_signal =>
                    "The timeout asks with the task's own stop signal.",
                a_task_that_ends_in_time_is_not_timed_out =>
                    "A task that ends in time is not touched by its timeout.",
                the_timeout_counts_from_the_start_of_the_process =>
                    "The timeout counts from the start of the process.",
                the_timeout_needs_nobody_to_wait =>
                    "The timeout does not depend on anybody waiting.",
            }
            stop {
                a_stopped_task_may_end_by_itself =>
                    "A task that obeys its stop signal ends by itself; its outcome is stopped.",
                a_task_that_does_not_stop_is_killed =>
                    "A task that does not obey is killed after the grace.",
                stop_uses_the_tasks_own_signal_and_grace =>
                    "Stop uses the task's own signal, and its grace if none is given.",
                a_stop_goes_on_when_its_future_is_dropped =>
                    "Dropping a stop does not take it back.",
                stopping_what_has_ended_changes_nothing =>
                    "Stop and cancel after the end change nothing.",
                cancel_kills_at_once =>
                    "Cancel kills at once and is idempotent.",
                cancel_right_after_start_kills =>
                    "Cancel works from the first moment.",
                cancel_wins_over_a_patient_stop =>
                    "Cancel wins over a stop that still waits.",
                a_task_without_a_terminal_has_no_size =>
                    "Only a terminal has a size.",
            }
            freeze {
                freezing_is_idempotent =>
                    "Freeze and unfreeze are idempotent.",
                freezing_back_to_back_never_fails =>
                    "Freeze and unfreeze in quick turns never fail.",
                a_frozen_task_writes_nothing =>
                    "A frozen task stands still, and goes on when unfrozen.",
                the_timeout_stands_still_while_frozen =>
                    "The timeout stands still while frozen.",
                a_signal_does_not_wake_a_frozen_task =>
                    "A frozen task takes a signal when it goes on.",
                cancel_wins_over_freeze =>
                    "Cancel ends a frozen task.",
                stop_wins_over_freeze =>
                    "Stop lets a frozen task end by itself.",
                close_wins_over_freeze =>
                    "Close removes a frozen container.",
                what_does_not_run_cannot_be_frozen =>
                    "What does not run cannot be frozen.",
                freezing_from_many_tasks_ends_in_one_state =>
                    "Freezes and unfreezes at the same time do no harm.",
            }
            close {
                before_anything_is_created =>
                    "A reserved container closes.",
                before_start =>
                    "A created container closes.",
                while_running =>
                    "A running container closes; its outcome is cancelled.",
                while_others_wait =>
                    "Close ends everybody's wait.",
                after_the_end =>
                    "An ended container closes; its exit stays what it was.",
                from_many_tasks_at_once =>
                    "Many may close at the same time; each call returns when it is done, and it is done once.",
                while_others_create_or_freeze =>
                    "Close wins over a create or a freeze at the same time.",
                a_closed_driver_makes_no_container =>
                    "A closed driver makes no container, and may be closed again.",
                a_driver_closes_what_is_left =>
                    "Closing a driver closes what is left, in any stage.",
                a_driver_may_be_closed_while_it_works =>
                    "Closing a driver ends what it works on.",
            }
            drops {
                running_a_task @ Long =>
                    "The future of a run may be dropped at any await point.",
                preparing @ Long =>
                    "The future of a preparation may be dropped at any await point.",
                creating @ Long =>
                    "The future of a create may be dropped at any await point.",
                starting @ Long =>
                    "The future of a start may be dropped at any await point.",
                a_start_that_is_dropped_closes_the_container =>
                    "A start that is dropped before it is done closes its container.",
                freezing @ Long =>
                    "The future of a freeze may be dropped at any await point.",
                closing @ Long =>
                    "The future of a close may be dropped at any await point.",
                a_dropped_close_goes_on =>
                    "A close that was dropped is finished by the driver.",
                waiting =>
                    "Dropping a wait only stops waiting.",
                a_pull_or_a_question =>
                    "Dropping a question to the engine does no harm.",
                the_last_handle_closes =>
                    "The last handle that is dropped closes the container, in any order.",
                a_task_outlives_its_container_handle =>
                    "A task runs on while one of its handles is held.",
                a_driver_that_is_dropped_leaves_nothing =>
                    "A driver that is dropped with containers leaves nothing.",
                outside_of_a_runtime =>
                    "Handles may be dropped outside of a runtime, and after it has ended.",
            }
            owner {
                a_live_owners_containers_are_left_alone =>
                    "A reaper never touches what belongs to a live owner.",
                closing_a_driver_leaves_anothers_containers_alone =>
                    "Closing a driver touches only what is its own.",
                what_a_dead_owner_left_is_removed =>
                    "A reaper removes what a dead owner left, in any state; a dry run only tells.",
                a_recoverable_orphan_is_kept_for_its_time =>
                    "A reaper leaves a recoverable container for its time, and not longer.",
            }
            recovery {
                a_task_that_is_not_recoverable_has_no_handle =>
                    "Only a task that is recoverable has a handle.",
                a_handle_holds_no_value_of_the_environment =>
                    "Values of the environment are in no handle.",
                a_dead_owners_task_is_waited_for_to_its_end =>
                    "A dead owner's task is taken up again, and told to its end.",
                a_task_that_ended_meanwhile_tells_how =>
                    "A task that ended without an owner tells how to the next one.",
                output_meanwhile_is_delivered_or_said_to_be_lost =>
                    "What a task writes without an owner is delivered to the next one, or said to be lost.",
                a_recovered_terminal_is_one_stream =>
                    "A task with a terminal has one output stream, whoever its owner is.",
                a_stream_that_is_not_wanted_is_not_lost =>
                    "A stream that the next owner does not want is not attached and not lost.",
                of_all_who_recover_a_task_one_gets_it =>
                    "Of all who recover a task, one gets it.",
                a_recovery_that_is_dropped_leaves_the_task_as_it_was =>
                    "The future of a recovery may be dropped at any await point; the task is left as it was.",
                a_living_owners_task_is_not_recovered =>
                    "A living owner's task is not taken from it.",
                the_timeout_goes_on_from_the_start =>
                    "The timeout of a recovered task runs from the start of its process.",
                a_recovered_task_is_spared_by_reapers_for_ever =>
                    "A reaper never touches a recovered task whose new owner lives.",
                past_its_time_a_task_is_not_recovered =>
                    "Past its time a task is not recovered, and removed by the next reaper.",
                what_is_no_handle_of_this_driver_is_told =>
                    "A handle of another backend, a damaged one, and any at all where nothing can be recovered are told apart.",
            }
            images {
                an_image_that_is_there_is_not_pulled =>
                    "An image that is there is not pulled, and no credential is asked for.",
                a_missing_image_is_not_pulled_if_that_is_forbidden =>
                    "A pull that is forbidden asks no registry; the error names the image.",
                a_pull_that_fails_names_the_image =>
                    "The task is asked for its credential when a pull is needed; a failed pull names the image.",
                everybody_who_waits_for_a_pull_is_told =>
                    "Everybody who waits for a pull is told how far it is, to its end.",
                an_image_for_another_platform_is_not_there =>
                    "An image that is there for another platform only is not there; or the platform is refused.",
                a_container_without_its_image_is_not_created =>
                    "A create without its image fails, and is no accident.",
                a_refused_image_is_refused_each_time =>
                    "An image that the configuration refuses is refused each time it is asked for, and no container of it is made.",
                the_volumes_of_an_image_go_with_the_container =>
                    "Anonymous volumes go with their container.",
            }
            stats {
                samples_come_while_the_task_runs_and_not_after =>
                    "Samples come in the order of time while the task runs, and never after wait has returned.",
                samples_come_as_often_as_the_task_asks =>
                    "Samples come as often as the task asks, ten milliseconds apart if it wants; or the interval is refused.",
            }
            tty {
                a_task_with_a_terminal_has_one_output =>
                    "A task with a terminal has one output stream.",
                what_goes_to_stderr_comes_on_the_terminal =>
                    "What a task writes to stderr comes on its terminal.",
                a_terminal_has_its_size_from_the_start =>
                    "A terminal has the size that the task asks for before its program begins.",
                a_terminal_can_be_resized =>
                    "A terminal can be resized, and its task sees the rows and columns.",
            }
            exec {
                a_further_process_has_its_own_output_and_code =>
                    "A further process has its own output, every byte of it, and its own code.",
                the_short_form_gathers_as_much_as_was_asked_for =>
                    "The short form gathers at most so many bytes of each stream and counts the rest.",
                arguments_environment_and_directory_reach_the_process =>
                    "A further process gets its arguments, environment and directory exactly.",
                input_and_its_end_reach_the_process =>
                    "A further process gets its input whole, with its end, and is not held by it.",
                what_cannot_be_started_is_told_and_is_no_output =>
                    "A program that cannot be started is an outcome; the engine's words about it are no output.",
                cancel_kills_it =>
                    "Cancel kills a further process, or says that it cannot, and does nothing else.",
                cancel_does_not_wait_for_a_reader =>
                    "Cancel ends a further process whose reader has stopped.",
                beyond_its_limit_it_is_killed_if_asked =>
                    "A further process that writes more than its limit is killed for it if asked.",
                its_future_and_handle_may_be_dropped =>
                    "Dropping the future of an exec, or its handle, cancels the process.",
                close_ends_it =>
                    "Closing the container ends its further processes and lets their streams go.",
                it_does_not_hold_the_container =>
                    "A further process does not hold its container.",
                the_end_of_the_task_ends_it =>
                    "The end of the task ends its further processes, and none can be made after it.",
                where_nothing_runs_it_is_refused =>
                    "A further process needs a task that runs and is not frozen.",
                it_can_have_a_terminal =>
                    "A further process can have a terminal, whose new size it sees.",
                many_at_once_have_each_their_own_output =>
                    "Many further processes at once have each their own output.",
                nothing_shows_its_environment =>
                    "Values of a further process's environment are in no debug output and no exit.",
            }
            copy {
                what_is_written_is_read_back_in_any_state =>
                    "A file is copied in and out exactly, before the start, while it runs and after the end.",
                what_is_copied_in_is_there_for_the_task =>
                    "A file that is copied in is there for the task.",
                what_the_task_wrote_can_be_copied_out =>
                    "What a task wrote can be copied out after its end.",
                a_folder_is_unpacked_into_a_folder_of_this_host =>
                    "A folder is copied out into an empty folder of this host, within limits.",
                what_is_not_there_or_too_long_is_told =>
                    "What is missing, relative or too long is told; a reader that fails is no engine's fault.",
                only_what_is_created_and_open_can_be_copied =>
                    "Files need a container that is created and not closed.",
                its_future_may_be_dropped =>
                    "The future of a copy may be dropped at any await point.",
            }
            secrets {
                no_handle_shows_the_environment =>
                    "Values of the environment are in no debug output.",
                no_error_shows_the_environment =>
                    "Values of the environment are in no error and no exit.",
                no_error_shows_a_credential =>
                    "Credentials are in no error and no debug output.",
            }
            concurrency {
                many_tasks_have_each_their_own_output @ Long =>
                    "Many tasks at once have each their own output.",
                two_tasks_may_have_the_same_id =>
                    "Two tasks may have the same id at the same time.",
                ends_of_many_tasks_are_each_their_own @ Long =>
                    "Many tasks at once have each their own end.",
            }
            capabilities {
                what_a_driver_cannot_do_is_refused_before_anything_is_made =>
                    "What a driver cannot do is refused before anything is made; what it can do is not.",
            }
        }
    };
}
