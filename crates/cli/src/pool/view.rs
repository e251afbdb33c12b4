//! A pool as text.

use longshore::TtySize;
use longshore::prefork::{SlotView, Usage};

use crate::render;

/// How many characters of an engine's id are shown.
const SHORT: usize = 12;
/// How many characters of an error are shown.
const LONGEST: usize = 60;

/// The slots, and a line on the whole.
pub(super) fn table(usage: &Usage, slots: &[SlotView]) -> String {
    let rows: Vec<Vec<String>> = slots.iter().map(row).collect();
    let table =
        render::table(&["SLOT", "STATE", "NETWORK", "PLACEHOLDER", "LENT", "MADE", "ERROR"], &rows);
    let Usage { free, in_use, starting, failed, waiting, .. } = usage;
    let counts = format!(
        "{free} free, {in_use} in use, {starting} starting, {failed} failed, {waiting} waiting"
    );
    format!("{table}{counts}; {}\n", rate(usage))
}

/// The text cut to a terminal, so that the way back up is as many lines as were written. The last
/// line always stays.
pub(super) fn fitted(text: &str, size: TtySize) -> String {
    // What fills the last column, or the last row, may scroll.
    let (columns, rows) = (usize::from(size.columns).max(2) - 1, usize::from(size.rows).max(4) - 1);
    let mut lines: Vec<&str> = text.lines().collect();
    let hidden = (lines.len() + 1).saturating_sub(rows).min(lines.len());
    let more = format!("… and {hidden} slots more");
    if lines.len() > rows {
        let end = lines.len() - 1;
        lines.splice(end - hidden..end, [more.as_str()]);
    }
    let cut = |line: &&str| line.chars().take(columns).chain(['\n']).collect::<String>();
    lines.iter().map(cut).collect()
}

/// What there was in all.
pub(super) fn summary(usage: &Usage) -> String {
    let Usage { made, died, recycled, .. } = usage;
    let made = render::count(*made, "placeholder");
    format!("{}; {made} made, {recycled} replaced after use, {died} died", rate(usage))
}

fn row(slot: &SlotView) -> Vec<String> {
    let error = slot.error.as_deref().unwrap_or_default();
    let cut: String = error.chars().take(LONGEST).collect();
    let more = if error.chars().count() > LONGEST { "…" } else { "" };
    vec![
        slot.number.to_string(),
        slot.phase.as_str().to_owned(),
        slot.network.clone(),
        slot.holder.as_deref().unwrap_or("-").chars().take(SHORT).collect(),
        slot.generation.to_string(),
        slot.made.to_string(),
        format!("{cut}{more}"),
    ]
}

fn rate(usage: &Usage) -> String {
    let requests = usage.hits + usage.misses;
    match usage.hit_rate() {
        Some(rate) => {
            format!("{}, {:.1} % at once", render::count(requests, "request"), rate * 100.0)
        }
        None => "nobody has borrowed yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use longshore::mock::{Config, Engine};
    use longshore::prefork::{Pool, PoolOptions};
    use longshore::{NamespaceRequest, NamespaceSource as _};

    use super::*;

    #[test]
    fn a_table_fits_the_terminal_and_keeps_its_last_line() {
        let text = "head of it\na\nb\nc\nd\nsum\n";
        let fitted = |rows, columns| fitted(text, TtySize { rows, columns });
        assert_eq!(fitted(7, 80), text);
        assert_eq!(fitted(6, 5), "head\na\nb\n… an\nsum\n");
        assert_eq!(fitted(5, 80), "head of it\na\n… and 3 slots more\nsum\n");
        assert_eq!(fitted(1, 1).lines().count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn slots_and_the_rate_are_shown_and_long_errors_are_cut() {
        let engine = Engine::new();
        let mut options = PoolOptions::sized(2);
        options.networks = vec!["bridge".to_owned(), "a-network-that-nobody-made".to_owned()];
        let placeholders = Arc::new(engine.placeholders(Config::new()));
        let pool = Pool::open(options, placeholders).unwrap();
        assert!(table(&pool.usage(), &pool.slots()).ends_with("nobody has borrowed yet\n"));
        let lease = pool.lease(NamespaceRequest::default()).await.unwrap();
        while pool.usage().failed == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let (usage, slots) = (pool.usage(), pool.slots());
        let text = table(&usage, &slots);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("0     in use  bridge"), "{text}");
        assert!(lines[2].contains("failed") && lines[2].ends_with('…'), "{text}");
        assert_eq!(
            lines[3],
            "0 free, 1 in use, 0 starting, 1 failed, 0 waiting; 1 request, 0.0 % at once"
        );
        drop(lease);
        assert!(summary(&usage).contains("1 placeholder made, 0 replaced"), "{}", summary(&usage));
        pool.close().await.unwrap();
    }
}
