//! Figures of both products side by side, as rows of a table.

use std::fmt;

use anyhow::{Result, ensure};

/// The middle of some figures, and how far they lie apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    /// The one in the middle.
    pub(crate) median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(sorted.len() / 2), min: at(0), max: at(sorted.len().saturating_sub(1)) }
    }

    /// The same in a unit that is `factor` times as large.
    pub(crate) fn per(self, factor: f64) -> Self {
        Self { median: self.median / factor, min: self.min / factor, max: self.max / factor }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = self;
        match median.abs() {
            100.0.. => write!(f, "{median:.0} ({min:.0}..{max:.0})"),
            10.0.. => write!(f, "{median:.1} ({min:.1}..{max:.1})"),
            _ => write!(f, "{median:.2} ({min:.2}..{max:.2})"),
        }
    }
}

/// One figure of both products over some rounds.
#[derive(Debug, Default)]
pub(crate) struct Figure {
    go: Vec<f64>,
    ours: Vec<f64>,
}

impl Figure {
    /// Of pairs: Go SPIRE's and ours of one round.
    pub(crate) fn of<T>(rounds: &[[T; 2]], figure: impl Fn(&T) -> f64) -> Self {
        let (go, ours) = rounds.iter().map(|[go, ours]| (figure(go), figure(ours))).unzip();
        Self { go, ours }
    }

    /// Ours as a part of Go SPIRE's, round by round.
    pub(crate) fn ratio(&self) -> Spread {
        let ratios: Vec<f64> = self.go.iter().zip(&self.ours).map(|(go, ours)| ours / go).collect();
        Spread::of(&ratios)
    }

    /// Ours alone.
    pub(crate) fn ours(&self) -> Spread {
        Spread::of(&self.ours)
    }

    /// Prints it as a row, in a unit `factor` times as large.
    pub(crate) fn print(&self, name: &str, factor: f64) {
        let (go, ours) = (Spread::of(&self.go).per(factor), self.ours().per(factor));
        println!("| {name} | {go} | {ours} | {} | {} |", self.ratio(), self.go.len());
    }
}

/// The head of a table of figures.
pub(crate) fn head() {
    head_of("Go SPIRE", "steeple");
}

/// The head of a table of other contenders; the ratio is the second one's.
pub(crate) fn head_of(first: &str, second: &str) {
    println!("\n| figure | {first} | {second} | ratio | n |\n| --- | --- | --- | --- | --- |");
}

/// Holds a figure to its promise.
pub(crate) fn at_most(what: &str, limit: f64, figure: Spread) -> Result<()> {
    ensure!(figure.median <= limit, "{what}: {figure}, promised at most {limit}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_pairs_and_a_broken_promise_is_an_error() {
        let figure = Figure::of(&[[10.0, 5.0], [20.0, 4.0], [10.0, 4.0]], |figure| *figure);
        assert_eq!(figure.ratio().to_string(), "0.40 (0.20..0.50)");
        at_most("part", 0.4, figure.ratio()).unwrap();
        let broken = at_most("part", 0.39, figure.ratio()).unwrap_err().to_string();
        assert_eq!(broken, "part: 0.40 (0.20..0.50), promised at most 0.39");
    }
}
