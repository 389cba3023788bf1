//! The chart of managed against unmanaged elevations as SVG text: stacked columns, an axis, titles for each column.
//!
//! The one place that writes markup by hand, so nothing but numbers and labels made from dates may enter. Colours
//! come from the style sheet.

use std::fmt::Write as _;

use super::figures;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    /// Under the axis, such as `20 Nov`.
    pub(super) label: String,
    /// In the title of the column, such as `2026-11-20`.
    pub(super) name: String,
    pub(super) managed: i64,
    pub(super) unmanaged: i64,
}

/// Width and height in pixels at which text is legible, and how many labels fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Canvas {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) labels: usize,
    /// Tells the elements of two charts on one page apart.
    pub(super) id: &'static str,
}

/// For windows of a desk.
pub(super) const WIDE: Canvas = Canvas {
    width: 1120,
    height: 260,
    labels: 12,
    id: "wide",
};
/// For a telephone.
pub(super) const NARROW: Canvas = Canvas {
    width: 340,
    height: 220,
    labels: 4,
    id: "narrow",
};

const LEFT: f64 = 52.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 28.0;
/// Lines above the axis.
const STEPS: i64 = 4;
/// Columns wider than this look like a wall.
const MAX_COLUMN: f64 = 56.0;

/// The whole chart.
pub(super) fn svg(bars: &[Bar], canvas: Canvas, description: &str) -> String {
    let plot = Plot::of(bars, canvas);
    let mut out = String::with_capacity(512 + bars.len() * 320);
    let Canvas {
        width, height, id, ..
    } = canvas;
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<svg class=\"chart {id}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"chart-title-{id} chart-desc-{id}\" \
         xmlns=\"http://www.w3.org/2000/svg\"><title id=\"chart-title-{id}\">Managed and unmanaged elevations over time</title>\
         <desc id=\"chart-desc-{id}\">{}</desc>",
        escaped(description)
    );
    plot.axis(&mut out);
    for (index, bar) in bars.iter().enumerate() {
        plot.column(&mut out, index, bar);
    }
    plot.labels(&mut out, bars, canvas.labels);
    out.push_str("</svg>");
    out
}

struct Plot {
    width: f64,
    height: f64,
    top_value: i64,
    slot: f64,
}

impl Plot {
    fn of(bars: &[Bar], canvas: Canvas) -> Self {
        let (width, height) = (f64::from(canvas.width), f64::from(canvas.height));
        let most = bars
            .iter()
            .map(|bar| bar.managed.saturating_add(bar.unmanaged))
            .max()
            .unwrap_or(0);
        Self {
            width,
            height,
            top_value: nice_step(most) * STEPS,
            slot: (width - LEFT - RIGHT) / bars.len().max(1) as f64,
        }
    }

    fn y(&self, value: i64) -> f64 {
        let space = self.height - TOP - BOTTOM;
        self.height - BOTTOM - space * value as f64 / self.top_value as f64
    }

    fn axis(&self, out: &mut String) {
        for step in 0..=STEPS {
            let value = self.top_value / STEPS * step;
            let y = self.y(value);
            let right = self.width - RIGHT;
            let class = if step == 0 { "base" } else { "grid" };
            let _ = write!(
                out,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                figures::count(value)
            );
        }
    }

    fn column(&self, out: &mut String, index: usize, bar: &Bar) {
        let width = (self.slot * 0.72).min(MAX_COLUMN);
        let slot_x = LEFT + self.slot * index as f64;
        let x = slot_x + (self.slot - width) / 2.0;
        let base = self.y(0);
        let managed_top = self.y(bar.managed);
        let top = self.y(bar.managed.saturating_add(bar.unmanaged));
        let _ = write!(
            out,
            "<g><title>{}: {} managed, {} unmanaged</title>\
             <rect class=\"hit\" x=\"{slot_x:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            escaped(&bar.name),
            figures::count(bar.managed),
            figures::count(bar.unmanaged),
            self.slot,
            base - TOP
        );
        for (class, from, to) in [
            ("managed", base, managed_top),
            ("unmanaged", managed_top, top),
        ] {
            if from > to {
                // What is there must be seen, however little it is.
                let height = (from - to).max(1.0);
                let _ = write!(
                    out,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>",
                    from - height
                );
            }
        }
        out.push_str("</g>");
    }

    fn labels(&self, out: &mut String, bars: &[Bar], most: usize) {
        let every = bars.len().div_ceil(most.max(1)).max(1);
        // Counted from the newest, which is the one that people look for.
        let shown = (0..bars.len()).rev().step_by(every);
        for index in shown {
            let x = LEFT + self.slot * (index as f64 + 0.5);
            let last = index + 1 == bars.len() && self.slot < 40.0;
            let (anchor, x) = if last {
                ("end", self.width - RIGHT)
            } else {
                ("middle", x)
            };
            let _ = write!(
                out,
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                self.height - 8.0,
                escaped(&bars[index].label)
            );
        }
    }
}

/// The least of 1, 2, 2.5, 5 × 10ⁿ whose fourfold is not below `most`.
fn nice_step(most: i64) -> i64 {
    let least = most / STEPS + i64::from(most % STEPS != 0);
    let mut scale = 1_i64;
    loop {
        // A quarter of ten is no whole number.
        let quarter = if scale == 1 { 5 } else { 5 * scale / 2 };
        for step in [scale, 2 * scale, quarter, 5 * scale] {
            if step >= least.max(1) {
                return step;
            }
        }
        match scale.checked_mul(10) {
            // A fourfold must still fit.
            Some(next) if next < i64::MAX / 100 => scale = next,
            _ => return i64::MAX / STEPS,
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::{Bar, NARROW, WIDE, nice_step, svg};

    fn bar(name: &str, managed: i64, unmanaged: i64) -> Bar {
        Bar {
            label: name.to_owned(),
            name: name.to_owned(),
            managed,
            unmanaged,
        }
    }

    #[test]
    fn the_axis_ends_at_a_round_number_above_the_highest_column() {
        for (most, step) in [
            (0, 1),
            (1, 1),
            (4, 1),
            (5, 2),
            (9, 5),
            (40, 10),
            (100, 25),
            (101, 50),
            (1_234, 500),
        ] {
            assert_eq!(nice_step(most), step, "{most}");
        }
        assert!(nice_step(i64::MAX) > 0);
    }

    #[test]
    fn a_column_says_its_numbers_and_escapes_its_name() {
        let chart = svg(&[bar("<b>\"", 1_200, 3)], WIDE, "a & b");
        assert!(chart.contains("<title>&lt;b&gt;&quot;: 1,200 managed, 3 unmanaged</title>"));
        assert!(chart.contains("a &amp; b"));
        assert!(!chart.contains("<b>"));
    }

    #[test]
    fn a_chart_without_columns_or_numbers_is_still_a_chart() {
        assert!(svg(&[], NARROW, "").ends_with("</svg>"));
        let flat = svg(&[bar("a", 0, 0)], NARROW, "");
        assert!(!flat.contains("NaN") && !flat.contains("inf"), "{flat}");
    }
}
