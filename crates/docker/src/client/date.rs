//! The date of an answer, on the engine's clock, as HTTP writes it.

use http::HeaderMap;
use http::header::DATE;
use longshore_stats::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// When an answer was begun, in whole seconds, if it says so.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let words: Vec<&str> = headers.get(DATE)?.to_str().ok()?.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    format!("{year}-{month:02}-{day}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_to_the_second_and_anything_else_is_none() {
        let read =
            |text: &'static str| date(&HeaderMap::from_iter([(DATE, text.parse().unwrap())]));
        let expected = "1994-11-06T08:49:37Z".parse().ok();
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
        for text in
            ["", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "a b Nov c d GMT"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(date(&HeaderMap::new()), None);
    }
}
