//! What several rounds say together: the median, and how far apart they are.

use crate::bench::Figures;

/// Values of several rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// None without values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Some(Self { median, least, most })
    }

    /// One figure of all rounds.
    pub(crate) fn of_figure(rounds: &[Figures], figure: fn(&Figures) -> Option<f64>) -> Option<Self> {
        Self::of(rounds.iter().filter_map(figure))
    }

    /// How many times the floor's figure it is in each round: what disturbs one round disturbs both.
    pub(crate) fn of_ratio(ours: &[Figures], floor: &[Figures], figure: fn(&Figures) -> Option<f64>) -> Option<Self> {
        let pairs = ours.iter().zip(floor);
        Self::of(pairs.filter_map(|(ours, floor)| Some(figure(ours)? / figure(floor)?)))
    }

    /// As a factor, with the least and the most if there were several rounds.
    pub(crate) fn times(&self) -> String {
        let Self { median, least, most } = self;
        if least == most {
            format!("{median:.2} ×")
        } else {
            format!("{median:.2} ×, {least:.2}–{most:.2}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_spread_around_it() {
        let spread = Spread::of([3.0, 1.0, 2.0, 10.0, 2.5]).unwrap();
        assert_eq!((spread.median, spread.least, spread.most), (2.5, 1.0, 10.0));
        assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([]), None);
        assert_eq!(spread.times(), "2.50 ×, 1.00–10.00");
        assert_eq!(Spread::of([1.1]).unwrap().times(), "1.10 ×");
    }

    #[test]
    fn a_ratio_is_one_of_figures_of_the_same_round() {
        let round = |us_paced: f64, us_window_full| Figures {
            kib_at_once: 1.0,
            kib_after_traffic: 1.0,
            ms_per_full_connect: None,
            ms_per_hub_connect: 1.0,
            us_paced,
            us_flat_out: 1.0,
            per_second_flat_out: 1.0,
            us_window_full,
        };
        // The machine was half as fast in the second round, for both.
        let (ours, floor) = (
            [round(10.0, None), round(20.0, None)],
            [round(8.0, Some(1.0)), round(16.0, None)],
        );
        let ratio = Spread::of_ratio(&ours, &floor, |figures| Some(figures.us_paced)).unwrap();
        assert_eq!(ratio.times(), "1.25 ×");
        assert_eq!(Spread::of_ratio(&ours, &floor, |figures| figures.us_window_full), None);
    }
}
