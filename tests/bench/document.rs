//! `docs/benchmarks.md`, made of the figures that were kept and of the notes beside them.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use crate::{
    figures::{Bound, RowFigures, Unit},
    leak::LeakFigures,
    statistics::Quartiles,
};

/// Writes the document of these rows, in their order.
///
/// # Panics
/// Where the checkout cannot be written.
pub fn write(rows: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: String| fs::read_to_string(here.join(file)).unwrap_or_default();
    let kept: Vec<(&str, Option<RowFigures>)> = rows.iter().map(|row| (*row, RowFigures::kept(row))).collect();
    let mut text = read("notes/method.md".to_owned());
    let measured: Vec<&RowFigures> = kept.iter().filter_map(|(_, figures)| figures.as_ref()).collect();
    text += &summary(&measured);
    text += &machines(&measured);
    for (name, figures) in &kept {
        let notes = read(format!("notes/{name}.md"));
        match figures {
            Some(figures) => text += &section(figures, &notes),
            None if !notes.is_empty() => _ = write!(text, "\n## {name}\n\n{notes}"),
            None => {}
        }
    }
    text += &read("notes/growth.md".to_owned());
    if let Some(leak) = LeakFigures::kept() {
        text += &leak.section(&read("notes/leak.md".to_owned()));
    }
    fs::write(here.join("../../docs/benchmarks.md"), text).expect("the checkout is writable");
}

fn summary(rows: &[&RowFigures]) -> String {
    let mut text = "\n## Goals and figures\n\n| row | ratio | goal | median | quartiles | |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    for row in rows {
        for goal in &row.goals {
            let Some(ratio) = row.ratio(goal) else { continue };
            _ = writeln!(text, "| [{0}](#{0}) | {1} | {2} |", row.name, goal.ratio_name(), result(goal.bound, ratio));
        }
        for count in row.counts.iter() {
            let Some(bound) = count.bound else { continue };
            let met = if bound.is_met(count.value) { "met" } else { "**not met**" };
            _ = writeln!(text, "| [{0}](#{0}) | {1} | {2} | {3} | | {met} |", row.name, count.name, bound_text(bound), number(count.value));
        }
    }
    text
}

fn result(bound: Bound, ratio: Quartiles) -> String {
    let met = if bound.is_met(ratio.median) { "met" } else { "**not met**" };
    format!("{} | {} | {}–{} | {met}", bound_text(bound), number(ratio.median), number(ratio.lower), number(ratio.upper))
}

fn bound_text(bound: Bound) -> String {
    match bound {
        Bound::AtLeast(bound) => format!("≥ {}", number(bound)),
        Bound::AtMost(bound) => format!("≤ {}", number(bound)),
    }
}

fn machines(rows: &[&RowFigures]) -> String {
    let line = |row: &&RowFigures| {
        let machine = &row.machine;
        let (cores, memory) = (machine.cores, machine.memory_gib);
        format!("- {}, {cores} cores, {memory} GiB, {}, {} (`stat -f`)", machine.processor, machine.kernel, machine.file_system)
    };
    let machines: BTreeSet<String> = rows.iter().map(line).collect();
    let machines: Vec<String> = machines.into_iter().collect();
    format!("\n## Machine\n\n{}\n", machines.join("\n"))
}

fn section(row: &RowFigures, notes: &str) -> String {
    let mut text = format!("\n## {}\n\n**{}.** {}\n\n", row.name, row.title, row.workload);
    let (rounds, repeated) = (row.rounds.len(), row.repeated_rounds);
    _ = writeln!(
        text,
        "`./tests/bench/run {}`, {rounds} rounds ({repeated} repeated), {}, at {}, built by {}.\n",
        row.name, row.measured_at, row.commit, row.build
    );
    let what = if row.unit == Unit::PerSecond { "operations a second" } else { "milliseconds, p50" };
    _ = writeln!(text, "| contender | {what}: median (quartiles) | settings |\n| --- | --- | --- |");
    for (name, settings) in &row.contenders {
        let figures = row.figures(name).map(|figures| figure(figures, row.unit)).unwrap_or_default();
        _ = writeln!(text, "| {name} | {figures} | {settings} |");
    }
    if !row.counts.is_empty() {
        text += "\n| counted | |\n| --- | --- |\n";
        for count in &row.counts {
            _ = writeln!(text, "| {} | {} |", count.name, number(count.value));
        }
    }
    let versions: Vec<String> = row.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    if !versions.is_empty() {
        _ = writeln!(text, "\nVersions: {}.", versions.join(", "));
    }
    let shifted = row.rounds.iter().filter(|round| round.shifted).count();
    if shifted > 0 {
        _ = writeln!(text, "\nIn {shifted} of the rounds the disk's sync time shifted two-fold and no more repeats were left.");
    }
    if !notes.is_empty() {
        text += "\n";
        text += notes;
    }
    text
}

fn figure(figures: Quartiles, unit: Unit) -> String {
    let shown = |value: f64| if unit == Unit::PerSecond { number(value) } else { number(value * 1e3) };
    format!("{} ({}–{})", shown(figures.median), shown(figures.lower), shown(figures.upper))
}

/// Three digits that say something.
fn number(value: f64) -> String {
    let digits = (2 - value.abs().max(1e-9).log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_three_digits() {
        let shown: Vec<String> = [12345.6, 12.34, 0.4, 0.012_345, 1.0, 0.0].into_iter().map(number).collect();
        assert_eq!(shown, ["12346", "12.3", "0.4", "0.0123", "1", "0"]);
    }
}
