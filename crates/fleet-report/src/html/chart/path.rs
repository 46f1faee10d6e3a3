//! Paths of SVG in whole numbers, with steps from one point to the next: a long series takes few characters.

use std::fmt::Write as _;

/// The side of a drawing before it is stretched.
pub(super) const SIDE: i32 = 1_000;

/// A place on the axis of time.
pub(super) fn across(at: f64) -> i32 {
    (at.clamp(0.0, 1.0) * f64::from(SIDE)).round() as i32
}

/// A place on the axis of values: up is less.
pub(super) fn down(at: f64) -> i32 {
    SIDE - across(at)
}

/// A path that grows.
#[derive(Debug, Default)]
pub(super) struct Path {
    text: String,
    here: (i32, i32),
}

impl Path {
    pub(super) fn begin(&mut self, point: (i32, i32)) {
        self.write(format_args!("M{} {}", point.0, point.1));
        self.here = point;
    }

    pub(super) fn on(&mut self, point: (i32, i32)) {
        let (x, y) = (point.0 - self.here.0, point.1 - self.here.1);
        if y == 0 {
            self.write(format_args!("h{x}"));
        } else {
            // A minus separates two numbers as well as a space does.
            let space = if y < 0 { "" } else { " " };
            self.write(format_args!("l{x}{space}{y}"));
        }
        self.here = point;
    }

    pub(super) fn close(&mut self) {
        self.text.push('z');
    }

    pub(super) fn rectangle(&mut self, (left, top): (i32, i32), (right, bottom): (i32, i32)) {
        let width = right - left;
        self.write(format_args!("M{left} {top}h{width}v{}h{}z", bottom - top, -width));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn write(&mut self, words: std::fmt::Arguments<'_>) {
        // Writing into a string can't fail.
        let _ = self.text.write_fmt(words);
    }
}
