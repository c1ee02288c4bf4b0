//! A run as a picture: what was asked, what was accepted and what was sent, second by second.

use std::fmt::Write as _;

use super::report::{Report, Second};

const WIDTH: usize = 640;
const HEIGHT: usize = 200;
const LEFT: usize = 50;
const TOP: usize = 30;

/// A curve's name, its colour, and what it shows of a second.
type Curve = (&'static str, &'static str, fn(&Second) -> u64);

const CURVES: [Curve; 3] = [
    ("sent", "#c44e52", |second| second.sent),
    ("asked", "#8c8c8c", |second| second.asked),
    ("accepted", "#4c72b0", |second| second.accepted),
];

/// The picture as SVG.
pub(crate) fn svg(report: &Report) -> String {
    let most = report.seconds.iter().flat_map(|second| [second.sent, second.asked]).max();
    let most = most.unwrap_or(1).max(1) as f64;
    let step = WIDTH as f64 / (report.seconds.len().max(2) - 1) as f64;
    let (width, height) = (WIDTH + LEFT + 90, HEIGHT + TOP + 30);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\">{}: messages in a second</text>\n\
         <text x=\"4\" y=\"{}\">{most}</text>\n<text x=\"4\" y=\"{}\">0</text>\n\
         <text x=\"{LEFT}\" y=\"{}\">0 s</text>\n<text x=\"{}\" y=\"{}\">{} s</text>\n",
        report.scenario.name,
        TOP + 10,
        TOP + HEIGHT,
        TOP + HEIGHT + 18,
        LEFT + WIDTH - 30,
        TOP + HEIGHT + 18,
        report.seconds.len(),
    );
    for (index, (name, colour, of)) in CURVES.iter().enumerate() {
        let mut points = String::new();
        for (second, counts) in report.seconds.iter().enumerate() {
            let x = LEFT as f64 + second as f64 * step;
            let y = (TOP + HEIGHT) as f64 - of(counts) as f64 / most * HEIGHT as f64;
            let _ = write!(points, "{x:.0},{y:.0} ");
        }
        let points = points.trim_end();
        let _ = writeln!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{points}\"/>");
        let (x, y) = (LEFT + WIDTH + 8, TOP + 14 + index * 18);
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{name}</text>");
    }
    svg.push_str("</svg>\n");
    svg
}
