//! A bar chart as SVG: one group of bars for each thing that is done, the median as the bar's length.

use std::fmt::Write;

use crate::frame::Figures;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 150.0;
const ROW: f64 = 24.0;

/// Told apart by people who see few colours, too.
const COLOURS: [&str; 5] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#7f7f7f"];

/// Within a group the longest bar has the full width; a thin line goes on to the 90th percentile.
pub(crate) fn draw(figures: &[Figures]) -> String {
    let mut whats: Vec<&str> = Vec::new();
    let mut whos: Vec<&str> = Vec::new();
    for (who, what) in figures.iter().map(names) {
        if !whats.contains(&what) {
            whats.push(what);
        }
        if !whos.contains(&who) {
            whos.push(who);
        }
    }
    let mut body = String::new();
    let mut y = 14.0;
    for what in whats {
        let mut group: Vec<_> = figures.iter().filter(|figures| names(figures).1 == what).collect();
        // The lines of one case follow each other.
        group.dedup_by(|one, other| one.case == other.case);
        let longest = group.iter().map(|figures| figures.p90).fold(f64::MIN_POSITIVE, f64::max);
        text(
            &mut body,
            12.0,
            y + 12.0,
            "start",
            &format!("<tspan font-weight=\"bold\">{what}</tspan>"),
        );
        y += ROW;
        for figures in group {
            let (who, _) = names(figures);
            let colour = whos.iter().position(|known| *known == who).unwrap_or(0) % COLOURS.len();
            bar(&mut body, y, who, COLOURS[colour], figures, longest);
            y += ROW;
        }
        y += 10.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{y}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

fn bar(body: &mut String, y: f64, who: &str, colour: &str, figures: &Figures, longest: f64) {
    let scale = |figure: f64| (figure / longest * (WIDTH - LEFT - RIGHT)).max(1.0);
    let (length, reach) = (scale(figures.p50), scale(figures.p90));
    let (height, middle) = (ROW - 8.0, y + (ROW - 8.0) / 2.0);
    text(body, LEFT - 8.0, y + 12.0, "end", who);
    // Writing to a String can't fail.
    let _ = writeln!(
        body,
        "<line x1=\"{LEFT}\" y1=\"{middle:.1}\" x2=\"{:.1}\" y2=\"{middle:.1}\" stroke=\"{colour}\"/>\n\
         <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{height}\" fill=\"{colour}\"/>",
        LEFT + reach
    );
    let label = format!("{} {} (×{})", number(figures.p50), figures.unit, number(figures.ratio));
    text(body, LEFT + reach + 8.0, y + 12.0, "start", &label);
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    // Writing to a String can't fail.
    let _ =
        writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn names(figures: &Figures) -> (&str, &str) {
    figures.case.split_once('/').unwrap_or((&figures.case, ""))
}

/// As many decimals as a reader needs.
pub(crate) fn number(figure: f64) -> String {
    match figure {
        f if f >= 100.0 => format!("{f:.0}"),
        f if f >= 10.0 => format!("{f:.1}"),
        f => format!("{f:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(case: &str, p50: f64) -> Figures {
        Figures {
            bench: "a",
            case: case.to_owned(),
            n: 3,
            unit: "ms",
            p50,
            p90: p50 * 2.0,
            min: p50,
            baseline: "base/x".to_owned(),
            ratio: 1.0,
            ratio_p90: 1.0,
        }
    }

    #[test]
    fn every_case_has_a_bar_and_every_thing_a_group() {
        let svg = draw(&[figures("ours/x", 1.0), figures("base/x", 4.0), figures("ours/y", 2.0)]);
        assert_eq!(svg.matches("<rect x=").count(), 3);
        assert_eq!(svg.matches("font-weight=\"bold\"").count(), 2);
        assert_eq!(svg.matches(&format!("fill=\"{}\"", COLOURS[0])).count(), 2);
        assert!(svg.contains("width=\"210.0\"") && svg.contains("width=\"52.5\""), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn numbers_have_the_decimals_that_matter() {
        assert_eq!([0.1234, 12.345, 1234.5].map(number), ["0.12", "12.3", "1234"]);
    }
}
