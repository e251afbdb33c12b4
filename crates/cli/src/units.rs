//! Times on the command line.

use std::time::Duration;

/// Reads `5s`, `1m30s`, `500ms`, and a plain number as seconds, as Docker and timeout(1) do.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text)
        .map_err(|error| format!("expected seconds or a time such as 500ms or 1m30s: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_number_is_seconds() {
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(seconds("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(seconds("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "-1", "5 parsecs", "s"] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
    }
}
