//! Exit statuses, and what is said about them.

use crate::mock::Mock;
use crate::support::done;

#[test]
fn the_tasks_own_status_is_passed_on_and_nothing_is_said() {
    let mock = Mock::new();
    let hello = done(&mut mock.run(&["demo"]));
    assert_eq!((hello.code, hello.text(), hello.stderr.as_str()), (Some(0), "hello\n", "there\n"));
    done(&mut mock.program("/exit-7")).assert_silent(7);
    done(&mut mock.program("/die-term")).assert_silent(143);
}

#[test]
fn a_task_that_times_out_is_124() {
    let mock = Mock::new();
    let slow = done(&mut mock.run(&["--timeout", "50ms", "--entrypoint", "/forever", "demo"]));
    slow.assert(124, "longshore: timed out after 50ms");
    assert_eq!(slow.text(), "ready\n");
    let options = ["--timeout", "50ms", "--stop-timeout", "50ms", "--entrypoint", "/stubborn"];
    done(&mut mock.run(&[&options[..], &["demo"]].concat())).assert(124, "timed out");
}

#[test]
fn a_task_that_runs_out_of_memory_is_137_and_told_so() {
    let mock = Mock::new();
    let options = ["-m", "64m", "--entrypoint", "/greedy", "demo"];
    let greedy = done(&mut mock.run(&options));
    greedy.assert(137, "out of memory: the task used up its 64MiB; --memory gives it more");
    done(&mut mock.program("/greedy-child")).assert(0, "though not its main one");
}

#[test]
fn a_program_that_cannot_be_started_is_126_or_127() {
    let mock = Mock::new();
    done(&mut mock.program("/none")).assert(127, "\"/none\" was not found in the image");
    done(&mut mock.program("/notes.txt")).assert(126, "\"/notes.txt\" cannot be executed");
}

#[test]
fn an_output_limit_delivers_so_much_of_each_stream_and_counts_the_rest() {
    let mock = Mock::new();
    let cut = done(&mut mock.run(&["--output-limit", "4", "--entrypoint", "/much", "demo"]));
    cut.assert(0, "stdout: 6 bytes beyond the limit of 4B were thrown away");
    assert_eq!(cut.text(), "0123");
    assert!(cut.stderr.starts_with("abc"), "{cut:?}");
    let stopped =
        done(&mut mock.run(&["--output-limit", "4:stop", "--entrypoint", "/much", "demo"]));
    stopped.assert(125, "ended because it wrote more than --output-limit");
    assert_eq!(stopped.text(), "0123");
}

#[test]
fn an_image_is_pulled_when_it_is_missing_and_only_then_may_be() {
    let mock = Mock::new();
    let pulled = done(&mut mock.run(&["remote"]));
    assert_eq!((pulled.code, pulled.text()), (Some(0), "hello from afar\n"), "{pulled:?}");
    // Nothing about the pull on a stderr that is no terminal.
    pulled.assert_silent(0);
    done(&mut mock.run(&["--pull", "never", "remote"])).assert(125, "pull policy is never");
    done(&mut mock.run(&["nowhere"])).assert(125, "nowhere");
}
