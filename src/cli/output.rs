//! How answers are printed: tables for people, JSON for programs, CSV for spreadsheets.

use std::fmt::Display;
use std::io::Write;

use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

use crate::domain::credits::grouped;

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets: a line of names, then a line for each row.
    Csv,
}

/// What a command answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// Names and values.
    Fields(Map<String, Value>),
    /// Rows of the same columns.
    Rows(Rows),
    /// It is printed already.
    Printed,
}

/// Rows of the same columns.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// What the list is called in JSON.
    pub(super) name: &'static str,
    /// The columns of a table, and the first ones of CSV.
    pub(super) columns: Vec<&'static str>,
    /// Columns that a table has no room for.
    pub(super) more: &'static [&'static str],
    /// The rows.
    pub(super) rows: Vec<Map<String, Value>>,
    /// What JSON says beside the list.
    pub(super) beside: Map<String, Value>,
    /// What people read below the table; may be empty.
    pub(super) note: String,
}

impl Answer {
    /// Prints it.
    pub(super) fn print(&self, output: Output) {
        match self {
            Self::Fields(fields) => print_fields(output, fields),
            Self::Rows(rows) => rows.print(output),
            Self::Printed => {}
        }
    }
}

impl Rows {
    fn print(&self, output: Output) {
        match output {
            Output::Json => {
                let mut object = Map::from_iter([(self.name.to_owned(), json!(self.rows))]);
                object.extend(self.beside.clone());
                print(&format!("{:#}", Value::Object(object)));
            }
            Output::Csv => {
                let columns: Vec<&str> = self.columns.iter().chain(self.more).copied().collect();
                print_csv(&columns, &self.rows);
            }
            Output::Table if self.rows.is_empty() => {
                print(&format!("no {}", self.name.replace('_', " ")));
                self.print_note();
            }
            Output::Table => {
                print(&self.table().trim_fmt());
                self.print_note();
            }
        }
    }

    fn print_note(&self) {
        if !self.note.is_empty() {
            print(&format!("\n{}", self.note));
        }
    }

    /// The rows for people; columns of numbers are aligned at their last digit.
    pub(super) fn table(&self) -> Table {
        let names: Vec<String> = self.columns.iter().map(|it| it.replace('_', " ")).collect();
        let mut table = table(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for row in &self.rows {
            let value = |key: &&str| row.get(*key).map_or_else(String::new, shown);
            table.add_row(self.columns.iter().map(value));
        }
        for (index, key) in self.columns.iter().enumerate() {
            let mut values = self.rows.iter().filter_map(|row| row.get(*key));
            let is_figure = |value: &Value| value.is_number() || value.is_null();
            let has_figure = self
                .rows
                .iter()
                .any(|row| row.get(*key).is_some_and(Value::is_number));
            if let (true, Some(column)) =
                (has_figure && values.all(is_figure), table.column_mut(index))
            {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

/// Prints for the caller. A reader that went away, such as `head`, is no reason to fail.
pub(super) fn print(text: &impl Display) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Prints what went wrong.
pub(super) fn complain(text: &impl Display) {
    drop(writeln!(std::io::stderr().lock(), "quotad: {text}"));
}

/// Prints rows of a name and a value, or one object, or one line of CSV.
pub(super) fn print_fields(output: Output, fields: &Map<String, Value>) {
    match output {
        Output::Table if fields.is_empty() => {}
        Output::Json => print(&format!("{:#}", Value::Object(fields.clone()))),
        Output::Csv => {
            let columns: Vec<&str> = fields.keys().map(String::as_str).collect();
            print_csv(&columns, std::slice::from_ref(fields));
        }
        Output::Table => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING);
            for (key, value) in fields {
                table.add_row([key.replace('_', " "), shown(value)]);
            }
            print(&table.trim_fmt());
        }
    }
}

/// An empty table for people.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// A value as people read it: thousands apart, nothing for nothing.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => clean(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => match (other.as_u64(), other.as_i64()) {
            (Some(number), _) => grouped(number),
            (None, Some(negative)) => format!("-{}", grouped(negative.unsigned_abs())),
            (None, None) => other.to_string(),
        },
    }
}

/// A text as it may stand on a terminal: what somebody else wrote must not move the cursor, or turn the line around.
pub(super) fn clean(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_harmful) {
        return text.to_owned();
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            cleaned.extend(c.escape_default());
        } else {
            cleaned.push(c);
        }
    }
    cleaned
}

/// Prints lines of CSV.
fn print_csv(columns: &[&str], rows: &[Map<String, Value>]) {
    let mut writer = csv::Writer::from_writer(std::io::stdout().lock());
    let mut write = || {
        writer.write_record(columns)?;
        for row in rows {
            let value = |key: &&str| row.get(*key).map_or_else(String::new, plain);
            writer.write_record(columns.iter().map(value))?;
        }
        writer.flush()
    };
    // A reader that went away is no reason to fail.
    drop(write());
}

/// A value as programs read it in CSV: digits without anything between them, nothing for nothing.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_people_read_them() {
        for (value, people, programs) in [
            (json!(1_234_567), "1,234,567", "1234567"),
            (json!(-1_234), "-1,234", "-1234"),
            (json!(null), "-", ""),
            (json!(true), "yes", "true"),
            (json!([80, 1_000]), "80, 1,000", "80 1000"),
            (json!([]), "-", ""),
            (json!("ana"), "ana", "ana"),
            (
                json!("\u{1b}[2Jx\n\u{202e}"),
                "\\u{1b}[2Jx\\n\\u{202e}",
                "\u{1b}[2Jx\n\u{202e}",
            ),
            (json!("Zoë 日本"), "Zoë 日本", "Zoë 日本"),
        ] {
            assert_eq!(shown(&value), people, "{value}");
            assert_eq!(plain(&value), programs, "{value}");
        }
    }
}
