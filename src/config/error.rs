//! Why a file is refused, with the place in its text.

use std::fmt;

use super::yaml_position::Position;

/// So many problems are shown; of the rest only the number.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// So many characters of a line are shown on each side of the caret.
const LINE_SHOWN_RADIUS: usize = 60;

/// Why a file is refused: at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    problems: Vec<Problem>,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, if the file could be read that far.
    pub position: Option<Position>,
    /// What happened, and what to do.
    pub message: String,
    /// The line of the file at the position.
    pub line_text: Option<String>,
}

impl ConfigError {
    /// One problem of the file as a whole.
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        let problem = Problem {
            position: None,
            message: message.into(),
            line_text: None,
        };
        Self {
            file: file.to_owned(),
            problems: vec![problem],
        }
    }

    /// Problems with their positions in this text.
    pub fn in_text<P>(file: &str, text: &str, problems: P) -> Self
    where
        P: IntoIterator<Item = (Option<Position>, String)>,
    {
        let problems = problems
            .into_iter()
            .map(|(position, message)| Problem {
                position,
                message,
                line_text: position
                    .and_then(|it| text.lines().nth(it.line.saturating_sub(1)))
                    .map(str::to_owned),
            })
            .collect();
        Self {
            file: file.to_owned(),
            problems,
        }
    }

    /// Problems with their positions in a text that must not be shown.
    pub(super) fn without_text<P>(file: &str, problems: P) -> Self
    where
        P: IntoIterator<Item = (Option<Position>, String)>,
    {
        Self::in_text(file, "", problems)
    }

    /// The same without the lines of the text that must not be shown.
    pub(super) fn without_lines(mut self, is_secret: fn(&str) -> bool) -> Self {
        for problem in &mut self.problems {
            problem.line_text.take_if(|line| is_secret(line));
        }
        self
    }

    /// What is wrong, in the order of the text where positions are known.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The name of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(PROBLEMS_SHOWN_MAX).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            problem.show(&self.file, f)?;
        }
        match self.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\n{}: and {more} more problems", self.file),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Problem {
    fn show(&self, file: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = printable(&self.message);
        let Some(position) = self.position else {
            return write!(f, "{file}: {message}");
        };
        write!(f, "{file}:{position}: {message}")?;
        let Some(line) = &self.line_text else {
            return Ok(());
        };
        let caret = position.column.saturating_sub(1);
        let from = caret.saturating_sub(LINE_SHOWN_RADIUS);
        let shown: String = line
            .chars()
            .skip(from)
            .take(2 * LINE_SHOWN_RADIUS)
            .collect();
        // Tabs stay tabs, so that the caret stands where the eye expects it.
        let indent: String = shown
            .chars()
            .take(caret - from)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let number = position.line.to_string();
        let margin = " ".repeat(number.len());
        write!(
            f,
            "\n {number} | {}\n {margin} | {indent}^",
            printable(&shown)
        )
    }
}

/// The text without characters that would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
