//! The figures behind a chart.

use maud::{Markup, Render, html};

use crate::html::format::{Unit, clock, duration, or_dash};

/// A table has no more rows than this; each is then of several points.
const ROWS: usize = 60;

/// What stands for several points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::html) enum Fold {
    Mean,
    Last,
    /// The highest: percentiles have no mean.
    Most,
}

/// A series of figures with its name.
pub(in crate::html) struct Column {
    pub(in crate::html) name: String,
    pub(in crate::html) unit: Unit,
    pub(in crate::html) fold: Fold,
    pub(in crate::html) values: Vec<(f64, Option<f64>)>,
}

impl Column {
    pub(in crate::html) fn new(
        name: impl Into<String>,
        unit: Unit,
        fold: Fold,
        values: Vec<(f64, Option<f64>)>,
    ) -> Self {
        Self {
            name: name.into(),
            unit,
            fold,
            values,
        }
    }

    fn cell(&self, rows: std::ops::Range<usize>) -> String {
        let values = self.values.get(rows).unwrap_or_default();
        let there: Vec<f64> = values.iter().filter_map(|(_, value)| *value).collect();
        let value = match self.fold {
            Fold::Mean => (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64),
            Fold::Last => there.last().copied(),
            Fold::Most => there.iter().copied().reduce(f64::max),
        };
        or_dash(value.map(|value| self.unit.value(value)))
    }
}

/// A table that is closed until a person opens it.
pub(in crate::html) struct Table {
    pub(in crate::html) head: Vec<String>,
    pub(in crate::html) rows: Vec<Vec<String>>,
    /// What a row is of, where that is not plain.
    pub(in crate::html) note: Option<String>,
}

impl Table {
    /// Figures over time: `points` of `step_s` seconds each.
    pub(in crate::html) fn over_time(step_s: f64, points: usize, columns: &[Column]) -> Self {
        let per_row = points.div_ceil(ROWS).max(1);
        let rows = (0..points).step_by(per_row).map(|begin| {
            let end = (begin + per_row).min(points);
            let time = clock(end as f64 * step_s);
            let cells = columns.iter().map(|column| column.cell(begin..end));
            std::iter::once(time).chain(cells).collect()
        });
        let names = columns.iter().map(|column| column.name.clone());
        Self {
            head: std::iter::once("until".to_owned()).chain(names).collect(),
            rows: rows.collect(),
            note: note(per_row, per_row as f64 * step_s, columns),
        }
    }
}

fn note(per_row: usize, seconds: f64, columns: &[Column]) -> Option<String> {
    (per_row > 1).then(|| {
        let by = |fold| columns.iter().any(|column| column.fold == fold);
        let mut words = vec![format!("Each row is of {}", duration(seconds))];
        words.extend(by(Fold::Mean).then(|| "rates are means".to_owned()));
        words.extend(by(Fold::Last).then(|| "counts are the last".to_owned()));
        words.extend(by(Fold::Most).then(|| "times and shares are the highest".to_owned()));
        words.join(", ") + "."
    })
}

impl Render for Table {
    fn render(&self) -> Markup {
        html! {
            details {
                summary { "Figures" }
                @if let Some(note) = &self.note { p.quiet { (note) } }
                div.scroll tabindex="0" role="group" aria-label="Figures" {
                    table.figures-of {
                        thead { tr { @for name in &self.head { th scope="col" { (name) } } } }
                        tbody { @for row in &self.rows { tr { @for cell in row { td { (cell) } } } } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_has_rows_of_several_points_and_says_so() {
        let values = |count: u32| {
            (1..=count)
                .map(|value| (0.0, Some(f64::from(value))))
                .collect::<Vec<_>>()
        };
        let columns =
            |count| [Fold::Mean, Fold::Last, Fold::Most].map(|fold| Column::new("n", Unit::Count, fold, values(count)));
        let short = Table::over_time(1.0, 3, &columns(3));
        assert_eq!(short.rows[2], ["0:03", "3", "3", "3"]);
        assert_eq!((short.rows.len(), short.note), (3, None));
        let long = Table::over_time(2.0, 600, &columns(600));
        assert_eq!(
            (long.rows.len(), long.rows[0].join(" ")),
            (60, "0:20 5.5 10 10".to_owned())
        );
        assert_eq!(
            long.note.unwrap(),
            "Each row is of 20.0 s, rates are means, counts are the last, times and shares are the highest."
        );
    }
}
