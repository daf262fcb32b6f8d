//! Losses by step: numbers in a file, and a picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use plotters::prelude::*;

/// The first line of a file.
const HEAD: &str = "step,loss";

/// The loss of each step.
#[derive(Default)]
pub(crate) struct Curve(BTreeMap<u64, f32>);

impl Curve {
    /// Reads `step,loss` a line.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut lines = text.lines().enumerate();
        lines.next().filter(|(_, line)| *line == HEAD).with_context(|| format!("{}: no losses", path.display()))?;
        let point = |(number, line): (usize, &str)| {
            let point = line.split_once(',').and_then(|(step, loss)| Some((step.parse().ok()?, loss.parse().ok()?)));
            point.with_context(|| format!("{}:{}: no step and loss", path.display(), number + 1))
        };
        lines.map(point).collect::<Result<_>>().map(Self)
    }

    /// The losses of steps before `step`.
    pub(crate) fn before(mut self, step: u64) -> Self {
        self.0.split_off(&step);
        self
    }

    pub(crate) fn push(&mut self, step: u64, loss: f32) {
        self.0.insert(step, loss);
    }

    pub(crate) fn at(&self, step: u64) -> Option<f32> {
        self.0.get(&step).copied()
    }

    /// The largest difference at a step that both have.
    pub(crate) fn largest_difference(&self, other: &Self) -> Option<f32> {
        let both = self.0.iter().filter_map(|(step, loss)| Some((loss - other.at(*step)?).abs()));
        both.reduce(f32::max)
    }

    /// Writes `loss.csv` and `loss.svg`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let mut text = format!("{HEAD}\n");
        for (step, loss) in &self.0 {
            // As many digits as tell numbers of single precision apart.
            writeln!(text, "{step},{loss:?}")?;
        }
        let path = folder.join("loss.csv");
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        let path = folder.join("loss.svg");
        self.draw(&path).map_err(|error| anyhow!("{}: {error}", path.display()))
    }

    fn draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let last = self.0.keys().last().copied().unwrap_or_default().max(1);
        let largest = self.0.values().copied().fold(1.0, f32::max);
        let area = SVGBackend::new(path, (800, 480)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(48)
            .build_cartesian_2d(0..last, 0f32..largest * 1.05)?;
        chart.configure_mesh().x_desc("step").y_desc("cross-entropy").light_line_style(WHITE.mix(0.0)).draw()?;
        chart.draw_series(LineSeries::new(self.0.iter().map(|(step, loss)| (*step, *loss)), &BLUE))?;
        area.present()?;
        Ok(())
    }
}
