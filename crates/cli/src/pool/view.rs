//! A pool as text.

use longshore::TtySize;
use longshore::prefork::{SlotView, Usage};

use crate::render;

/// How many characters of an engine's id are shown.
const SHORT: usize = 12;
/// A pool as text.
#[derive(Debug)]
pub(super) struct View {
    /// A line for each slot, with their head.
    slots: Vec<String>,
    /// What went wrong, and a line on the whole.
    below: Vec<String>,
}

impl View {
    pub(super) fn of(usage: &Usage, slots: &[SlotView]) -> Self {
        let rows: Vec<Vec<String>> = slots.iter().map(row).collect();
        let head = ["SLOT", "STATE", "NETWORK", "PLACEHOLDER", "LENT", "MADE"];
        let table = render::table(&head, &rows);
        let Usage { free, in_use, starting, failed, waiting, .. } = usage;
        let counts = format!(
            "{free} free, {in_use} in use, {starting} starting, {failed} failed, {waiting} waiting; {}",
            rate(usage)
        );
        let below = errors(slots).into_iter().chain([counts]).collect();
        Self { slots: table.lines().map(str::to_owned).collect(), below }
    }

    /// The whole.
    pub(super) fn text(&self) -> String {
        lines(self.slots.iter().chain(&self.below))
    }

    /// The text cut to a terminal, so that the way back up is as many lines as were written. What is
    /// below the slots is wrapped, since the cause of an error stands at its end. The last line
    /// always stays.
    pub(super) fn fitted(&self, size: TtySize) -> String {
        // What fills the last column, or the last row, may scroll.
        let (columns, rows) =
            (usize::from(size.columns).max(2) - 1, usize::from(size.rows).max(4) - 1);
        let mut below: Vec<String> =
            self.below.iter().flat_map(|it| wrapped(it, columns)).collect();
        // At least the head of the table and the count of its rows have room above it.
        below.drain(..below.len().saturating_sub(rows - 2));
        let room = rows - below.len();
        let mut slots: Vec<&str> = self.slots.iter().map(String::as_str).collect();
        let hidden = (slots.len() + 1).saturating_sub(room);
        let more = format!("… and {hidden} slots more");
        if slots.len() > room {
            slots.truncate(slots.len() - hidden);
            slots.push(&more);
        }
        let cut = |line: &str| line.chars().take(columns).collect::<String>();
        lines(slots.into_iter().map(cut).chain(below))
    }
}

fn lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    lines.into_iter().flat_map(|line| [line.as_ref().to_owned(), "\n".to_owned()]).collect()
}

/// What is wrong, once for each network: most go wrong for all of its slots.
fn errors(slots: &[SlotView]) -> Vec<String> {
    let mut known: Vec<&str> = Vec::new();
    let mut told = Vec::new();
    for slot in slots {
        if let Some(error) = &slot.error
            && !known.contains(&slot.network.as_str())
        {
            known.push(&slot.network);
            let error = error.split_whitespace().collect::<Vec<_>>().join(" ");
            let error = render::printable(&error);
            told.push(format!("slot {} on {}: {error}", slot.number, slot.network));
        }
    }
    told
}

/// The text in lines of at most so many characters, cut at spaces where there are some.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > columns {
        let space = rest[..=columns].iter().rposition(|c| *c == ' ').filter(|at| *at > 0);
        let after = rest.split_off(space.unwrap_or(columns));
        lines.push(rest.into_iter().collect());
        rest = after.into_iter().skip(usize::from(space.is_some())).collect();
    }
    lines.push(rest.into_iter().collect());
    lines
}

/// What there was in all.
pub(super) fn summary(usage: &Usage) -> String {
    let Usage { made, died, recycled, .. } = usage;
    let made = render::count(*made, "placeholder");
    format!("{}; {made} made, {recycled} replaced after use, {died} died", rate(usage))
}

fn row(slot: &SlotView) -> Vec<String> {
    vec![
        slot.number.to_string(),
        slot.phase.as_str().to_owned(),
        slot.network.clone(),
        slot.holder.as_deref().unwrap_or("-").chars().take(SHORT).collect(),
        slot.generation.to_string(),
        slot.made.to_string(),
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

    fn owned(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn a_view_fits_the_terminal_and_keeps_its_last_line() {
        let view =
            View { slots: owned(&["head of it", "a", "b", "c", "d"]), below: owned(&["sum"]) };
        let fitted = |rows, columns| view.fitted(TtySize { rows, columns });
        assert_eq!(fitted(7, 80), view.text());
        assert_eq!(fitted(6, 5), "head\na\nb\n… an\nsum\n");
        assert_eq!(fitted(5, 80), "head of it\na\n… and 3 slots more\nsum\n");
        assert_eq!(fitted(1, 1).lines().count(), 3);
    }

    #[test]
    fn an_error_is_wrapped_so_that_its_end_is_seen() {
        let below = owned(&["slot 0 on lan: it failed: the cause of it", "sum of it"]);
        let view = View { slots: owned(&["head", "a", "b"]), below };
        let fitted = |rows, columns| view.fitted(TtySize { rows, columns });
        let text = "head\na\nb\nslot 0 on lan: it\nfailed: the cause of\nit\nsum of it\n";
        assert_eq!(fitted(8, 21), text);
        // Where there is little room, it is the end that is seen.
        assert_eq!(
            fitted(6, 21),
            "head\n… and 2 slots more\nfailed: the cause of\nit\nsum of it\n"
        );
        assert_eq!(wrapped("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(wrapped("abc def", 3), ["abc", "def"]);
        assert_eq!(wrapped("", 3), [""]);
        for (rows, columns) in [(1, 1), (4, 2), (5, 9), (24, 80)] {
            let text = fitted(rows, columns);
            assert!(text.lines().count() < usize::from(rows.max(4)), "{text}");
            assert!(text.lines().all(|it| it.chars().count() < usize::from(columns.max(2))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slots_the_rate_and_whole_errors_are_shown() {
        let engine = Engine::new();
        let mut options = PoolOptions::sized(2);
        options.networks = vec!["bridge".to_owned(), "a-network-that-nobody-made".to_owned()];
        let placeholders = Arc::new(engine.placeholders(Config::new()));
        let pool = Pool::open(options, placeholders).unwrap();
        let text = || View::of(&pool.usage(), &pool.slots()).text();
        assert!(text().ends_with("nobody has borrowed yet\n"));
        let lease = pool.lease(NamespaceRequest::default()).await.unwrap();
        while pool.usage().failed == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let (usage, slots) = (pool.usage(), pool.slots());
        let text = View::of(&usage, &slots).text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("0     in use  bridge"), "{text}");
        assert!(lines[2].contains("failed"), "{text}");
        assert!(lines[3].starts_with("slot 1 on a-network-that-nobody-made: "), "{text}");
        assert!(lines[3].ends_with(slots[1].error.as_deref().unwrap()), "{text}");
        assert_eq!(
            lines[4],
            "0 free, 1 in use, 0 starting, 1 failed, 0 waiting; 1 request, 0.0 % at once"
        );
        drop(lease);
        assert!(summary(&usage).contains("1 placeholder made, 0 replaced"), "{}", summary(&usage));
        pool.close().await.unwrap();
    }
}
