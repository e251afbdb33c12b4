//! Limits of output.

use longshore_driver_api::{ByteSize, Outcome as Ending, OutputLimit, SentFor, StreamReport, Task};
use longshore_testee::{STDERR, STDOUT, pattern};

use crate::expect;
use crate::trial::{Trial, built};
use crate::verdict::Outcome;
use crate::{Act, Write};

pub(crate) async fn beyond_the_limit_output_is_counted_and_thrown_away(t: Trial) -> Outcome {
    let seed = t.seed();
    for limit in [0_usize, 1, 100_000] {
        let (io, captured) = t.captured();
        let act = Write { stdout: 300_000, stderr: 200_000, chunk: 1000, seed, rate: None };
        let bytes = ByteSize(limit as u64);
        let spec = t.spec(&Act::Write(act)).output_limit(OutputLimit::discard_beyond(bytes));
        let exit = t.run(Task::new(built(spec)).io(io)).await?;
        assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
        let end = expect::whole_end(t.caps());
        let limit = limit as u64;
        assert_eq!(exit.output.stdout, StreamReport::new(end, limit, 300_000 - limit));
        let kept = usize::try_from(limit).expect("it came from one");
        assert!(captured.stdout() == pattern(seed, STDOUT).bytes_of(kept), "stdout differs");
        if t.caps().separate_stderr {
            assert_eq!(exit.output.stderr, StreamReport::new(end, limit, 200_000 - limit));
            assert!(captured.stderr() == pattern(seed, STDERR).bytes_of(kept), "stderr differs");
        }
    }
    Ok(())
}

pub(crate) async fn output_of_exactly_the_limit_is_whole(t: Trial) -> Outcome {
    let amount = 70_000;
    for limit in [OutputLimit::discard_beyond, OutputLimit::stop_beyond] {
        let (io, captured) = t.captured();
        let act = Act::write(amount, t.seed());
        let spec = t.spec(&act).output_limit(limit(ByteSize(amount)));
        let exit = t.run(Task::new(built(spec)).io(io)).await?;
        assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
        assert_eq!(exit.output.stdout, expect::whole(t.caps(), amount));
        assert!(captured.stdout() == pattern(t.seed(), STDOUT).bytes_of(70_000), "stdout differs");
    }
    Ok(())
}

pub(crate) async fn a_task_is_ended_at_its_limit_if_asked(t: Trial) -> Outcome {
    let (io, captured) = t.only_stdout();
    let limit = OutputLimit::stop_beyond(ByteSize(50_000));
    let act =
        Write { stdout: 1 << 40, stderr: 0, chunk: 4096, seed: t.seed(), rate: Some(50 << 20) };
    let spec = t.spec(&Act::Write(act)).output_limit(limit);
    let exit = t.run(Task::new(built(spec)).io(io)).await?;
    assert_eq!(exit.outcome, Ending::OutputLimit, "{exit:?}");
    assert_eq!(exit.status(), "killed");
    assert_eq!(exit.output.stdout.delivered, 50_000);
    assert!(captured.stdout() == pattern(t.seed(), STDOUT).bytes_of(50_000), "stdout differs");
    let reasons: Vec<SentFor> = exit.sent.iter().map(|sent| sent.reason).collect();
    assert_eq!(reasons, [SentFor::OutputLimit]);
    Ok(())
}

pub(crate) async fn a_task_that_ends_beyond_its_limit_is_told_as_ended_for_it(t: Trial) -> Outcome {
    let (io, captured) = t.only_stdout();
    let limit = OutputLimit::stop_beyond(ByteSize(4));
    let act = Write { stdout: 10, stderr: 0, chunk: 10, seed: t.seed(), rate: None };
    let spec = t.spec(&Act::Write(act)).output_limit(limit);
    let exit = t.run(Task::new(built(spec)).io(io)).await?;
    assert_eq!(exit.outcome, Ending::OutputLimit, "{exit:?}");
    let StreamReport { delivered, discarded, .. } = exit.output.stdout;
    assert_eq!((delivered, discarded), (4, 6), "{exit:?}");
    assert!(captured.stdout() == pattern(t.seed(), STDOUT).bytes_of(4), "stdout differs");
    Ok(())
}
