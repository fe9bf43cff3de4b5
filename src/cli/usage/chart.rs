//! Bars in a terminal: as wide as it is, of blocks where it can show them, of `#` where not.

use crate::rpc::pb;

use super::{cell, columns, credits};
use crate::cli::output::{clean, table};

/// A bar is at least so wide, whatever the terminal says.
const BAR_LEAST: usize = 8;
/// And at most so wide: longer ones are no easier to compare.
const BAR_MOST: usize = 60;
/// What is taken as the width where nobody tells it.
const WIDTH_UNKNOWN: usize = 80;

/// What a bar may be drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    /// Characters in a line.
    width: usize,
    /// Whether blocks can be shown.
    is_utf8: bool,
}

impl Screen {
    /// The terminal that this process writes to.
    pub(super) fn here() -> Self {
        let text = |name| std::env::var(name).ok().filter(|it| !it.is_empty());
        let told = text("COLUMNS").and_then(|it| it.parse().ok());
        let seen = comfy_table::Table::new().width().map(usize::from);
        let locale = text("LC_ALL")
            .or_else(|| text("LC_CTYPE"))
            .or_else(|| text("LANG"));
        let locale = locale.unwrap_or_default().to_lowercase();
        Self {
            width: told.or(seen).unwrap_or(WIDTH_UNKNOWN),
            is_utf8: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }
}

/// A line for each row: what it is, its bar, its credits; the sum below.
pub(super) fn bars(
    keys: &[pb::UsageKey],
    rows: &[pb::UsageRow],
    total: i64,
    screen: &Screen,
) -> String {
    let texts: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let cells = keys.iter().map(|&key| clean(cell(key, row).1));
            cells.chain([credits(row.credits)]).collect()
        })
        .collect();
    let most = rows.iter().map(|row| row.credits).max().unwrap_or(0);
    let narrow = lines(keys, &texts, total, |_| String::new());
    let taken = narrow.lines().map(|line| line.chars().count()).max();
    let room = screen.width.saturating_sub(taken.unwrap_or(0) + 2);
    let width = room.clamp(BAR_LEAST, BAR_MOST);
    lines(keys, &texts, total, |index| {
        let credits = rows.get(index).map_or(0, |row| row.credits);
        bar(credits, most, width, screen.is_utf8)
    })
}

fn lines(
    keys: &[pb::UsageKey],
    texts: &[Vec<String>],
    total: i64,
    bar: impl Fn(usize) -> String,
) -> String {
    let header: Vec<&str> = columns(keys).into_iter().chain([""]).collect();
    let mut table = table(&header);
    for (index, text) in texts.iter().enumerate() {
        table.add_row(text.iter().cloned().chain([bar(index)]));
    }
    if !keys.is_empty() {
        let blanks = std::iter::repeat_n(String::new(), keys.len() - 1);
        let sum = ["total".to_owned()].into_iter().chain(blanks);
        table.add_row(sum.chain([credits(total), String::new()]));
    }
    if let Some(column) = table.column_mut(keys.len()) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    table.trim_fmt()
}

/// A bar whose length is to `width` as `credits` to `most`; what is above 0 shows.
fn bar(credits: i64, most: i64, width: usize, is_utf8: bool) -> String {
    let (Ok(credits), Ok(most)) = (u128::try_from(credits), u128::try_from(most)) else {
        return String::new();
    };
    if credits == 0 || most == 0 {
        return String::new();
    }
    let steps_each = if is_utf8 { 8 } else { 1 };
    let steps = credits * width as u128 * steps_each / most;
    let steps = usize::try_from(steps.max(1)).unwrap_or(width);
    if !is_utf8 {
        return "#".repeat(steps);
    }
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    format!("{}{}", "█".repeat(steps / 8), parts[steps % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_the_least_shows() {
        for (credits, most, is_utf8, expected) in [
            (100, 100, false, "##########"),
            (50, 100, false, "#####"),
            (1, 100, false, "#"),
            (0, 100, false, ""),
            (-5, 100, false, ""),
            (-5, -1, false, ""),
            (100, 100, true, "██████████"),
            (55, 100, true, "█████▌"),
            (1, 100_000, true, "▏"),
            (i64::MAX, i64::MAX, true, "██████████"),
        ] {
            assert_eq!(bar(credits, most, 10, is_utf8), expected, "{credits}");
        }
    }

    #[test]
    fn a_chart_is_as_wide_as_the_screen() {
        let row = |user: &str, credits| pb::UsageRow {
            user: user.to_owned(),
            credits,
            ..Default::default()
        };
        let rows = [row("ana", 3_000), row("bo", 1_000)];
        let chart = |width, is_utf8| {
            let screen = Screen { width, is_utf8 };
            bars(&[pb::UsageKey::User], &rows, 4_000, &screen)
        };
        let text = chart(40, false);
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest.is_some_and(|it| (36..=40).contains(&it)), "{text}");
        assert!(text.is_ascii() && !chart(40, true).is_ascii(), "{text}");
        assert!(
            text.lines()
                .last()
                .is_some_and(|it| it.contains("total") && it.contains("4,000"))
        );
        let wide = chart(10_000, false);
        assert_eq!(wide.matches('#').count(), BAR_MOST + BAR_MOST / 3, "{wide}");
    }
}
