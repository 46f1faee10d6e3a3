//! Upright bars, as exact as an eighth of a row.

/// From nothing to a whole row.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How high a bar is, in eighths of a row, where `top` is as high as all rows. What is not zero is seen.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is cut to the height of the rows"
)]
pub(super) fn eighths(value: f64, top: f64, rows: u16) -> u16 {
    let all = f64::from(rows) * 8.0;
    let least = if value > 0.0 { 1.0 } else { 0.0 };
    (value / top * all).round().clamp(least, all) as u16
}

/// How many eighths are below a row, which is counted from the top.
pub(super) fn below(row: u16, rows: u16) -> u16 {
    (rows - 1 - row) * 8
}

/// How many eighths of a row are filled by a bar.
pub(super) fn filled(height: u16, row: u16, rows: u16) -> u16 {
    height.saturating_sub(below(row, rows)).min(8)
}

/// So many eighths of a row.
pub(super) fn block(eighths: u16) -> char {
    BLOCKS[usize::from(eighths.min(8))]
}
