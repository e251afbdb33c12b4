//! The statistics of a running task, from the engine's stream to the caller's sink.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::StatsSink;
use longshore_stats::EngineStats;

use crate::container::core::Core;

/// The pause before the stream is asked for again after it broke.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells the sink every sample until the task that runs this is ended.
pub(super) async fn pump(core: Arc<Core>, id: String, mut sink: Box<dyn StatsSink>) {
    loop {
        if let Ok(mut lines) = core.shared.api.stats(&id).await {
            let mut before: Option<EngineStats> = None;
            while let Ok(Some(now)) = lines.next::<EngineStats>().await {
                if let Some(sample) = EngineStats::sample(before.as_ref(), &now) {
                    sink.sample(sample);
                    before = Some(now);
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}
