//! What a task writes.

use longshore_driver_api::Outcome as Ending;
use longshore_testee::{STDOUT, pattern};

use crate::Act;
use crate::trial::{Trial, built};
use crate::verdict::Outcome;
use longshore_driver_api::Task;

pub(crate) async fn every_byte_is_delivered(t: Trial) -> Outcome {
    for amount in [0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20] {
        let (io, captured) = t.captured();
        let spec = built(t.spec(&Act::write(amount, t.seed())));
        let exit = t.run(Task::new(spec).io(io)).await?;
        assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
        let expected = pattern(t.seed(), STDOUT).bytes_of(usize::try_from(amount).unwrap());
        assert!(captured.stdout() == expected, "of {amount} bytes");
        assert_eq!(exit.output.stdout.end, t.whole());
        assert_eq!(exit.output.stdout.delivered, amount);
    }
    Ok(())
}
