//! `quotad snapshot export`: the books of a directory as lines of JSON, for other programs and for people who look for one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write, stdout};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::progress;
use crate::cli::request::hex;
use crate::cli::{Exit, complain};
use crate::domain::fact::{Label, OrganizationId};
use crate::domain::names::Name;
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::entry::{Entry, Period, Row, State};
use crate::storage::inspect::load;
use crate::storage::plan_code;
use crate::world::clock::SystemClock;

use super::{REHEARSALS_MAX, holder, open};

/// Entries that are copied in one go.
const ENTRIES_AT_ONCE: usize = 4_096;

/// Why the export ended before it was whole.
type Problem = String;

/// Writes the books of a directory.
pub(super) fn export(folder: &Path, file: Option<&Path>) -> Result<Exit, Problem> {
    let engine = books(folder)?;
    let Some(path) = file else {
        let mut out = BufWriter::new(stdout().lock());
        // A reader that went away, such as `head`, is no reason to fail.
        return match lines(&engine, &mut out).and_then(|()| Ok(out.flush()?)) {
            Err(Stop::Output(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(format!("the standard output: {error}"))
            }
            Err(Stop::Engine(problem)) => Err(problem),
            _ => Ok(Exit::Ok),
        };
    };
    let unwritten = |error: io::Error| format!("{}: cannot be written: {error}", path.display());
    let mut out = BufWriter::new(File::create(path).map_err(unwritten)?);
    lines(&engine, &mut out).map_err(|stop| match stop {
        Stop::Output(error) => unwritten(error),
        Stop::Engine(problem) => problem,
    })?;
    let file = out
        .into_inner()
        .map_err(|error| unwritten(error.into_error()))?;
    file.sync_all().map_err(unwritten)?;
    Ok(Exit::Ok)
}

/// The books in memory. What a sidecar writes meanwhile may seem damaged once.
fn books(folder: &Path) -> Result<Engine, Problem> {
    let disk = open(folder)?;
    let attempts = match holder(folder) {
        Some(_) => REHEARSALS_MAX,
        None => 1,
    };
    let spinner = progress::spinner("reading the books");
    let mut refusal = String::new();
    for _ in 0..attempts {
        let (engine, rehearsal) = load(&disk, Arc::new(SystemClock::new()));
        match rehearsal.refusal {
            None => {
                spinner.finish_and_clear();
                return Ok(engine);
            }
            Some(why) => refusal = why,
        }
    }
    spinner.finish_and_clear();
    Err(refusal)
}

/// What ends the export early.
enum Stop {
    Output(io::Error),
    Engine(Problem),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// All lines: everything as it was left, then balances.
fn lines(engine: &Engine, out: &mut dyn Write) -> Result<(), Stop> {
    let plan = engine.plan();
    let json: Value = serde_json::from_slice(&plan_code::to_json(&plan))
        .map_err(|error| Stop::Engine(error.to_string()))?;
    writeln!(out, "{}", json!({"kind": "plan", "plan": json}))?;
    let bar = progress::spinner("exporting the books");
    let mut writer = Lines {
        out,
        organizations: Vec::new(),
        books: HashMap::new(),
        result: Ok(()),
    };
    let copying = engine
        .copy()
        .map_err(|error| Stop::Engine(error.to_string()))?;
    let mut copying =
        copying.ok_or_else(|| Stop::Engine("the books are being copied already".to_owned()))?;
    while copying.step(ENTRIES_AT_ONCE, &mut |entry| writer.take(entry)) {
        if writer.result.is_err() {
            break;
        }
    }
    drop(copying);
    let (organizations, result) = (writer.organizations, writer.result);
    result?;
    for (_, name) in &organizations {
        balances(engine, name, out)?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// The accounts of an organization as of now.
fn balances(engine: &Engine, organization: &str, out: &mut dyn Write) -> Result<(), Stop> {
    let Ok(name) = Name::parse(organization) else {
        // Books hold valid names only.
        return Ok(());
    };
    let mut after = None;
    loop {
        let page = match engine.accounts(name, after.as_ref(), ENTRIES_AT_ONCE) {
            Ok(page) => page,
            // Of an organization that the plan no longer names nothing stands to be used.
            Err(error) => {
                complain(&format!("no balances of {organization}: {error}"));
                return Ok(());
            }
        };
        for it in &page.accounts {
            let it = &it.balance;
            let line = json!({
                "kind": "balance",
                "organization": organization,
                "account": it.account.to_string(),
                "used": it.used,
                "held": it.held,
                "limit": it.limit,
                "base_used": it.base_used,
            });
            writeln!(out, "{line}")?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// What a book has named so far: entries refer to rows by number.
#[derive(Default)]
struct Names {
    environments: HashMap<u32, Box<str>>,
    users: HashMap<u32, Box<str>>,
    labels: HashMap<u32, Label>,
}

/// Writes a line for each entry.
struct Lines<'a> {
    out: &'a mut dyn Write,
    organizations: Vec<(OrganizationId, Box<str>)>,
    books: HashMap<(OrganizationId, u32), Names>,
    result: io::Result<()>,
}

impl Lines<'_> {
    fn line(&mut self, line: &Value) {
        if self.result.is_ok() {
            self.result = writeln!(self.out, "{line}");
        }
    }

    fn whose(&self, id: OrganizationId) -> &str {
        let found = self.organizations.iter().rev().find(|(it, _)| *it == id);
        found.map_or("", |(_, name)| name)
    }

    fn names(&mut self, organization: OrganizationId, book: u32) -> &mut Names {
        self.books.entry((organization, book)).or_default()
    }

    fn take(&mut self, entry: &Entry<'_>) {
        match *entry {
            Entry::Organization {
                organization,
                name,
                plan,
                extension_requests,
                ..
            } => {
                self.organizations.push((organization, name.into()));
                let requests: Vec<String> =
                    extension_requests.iter().map(|it| shown(*it)).collect();
                self.line(&json!({
                    "kind": "organization",
                    "organization": name,
                    "in_plan": plan.is_none(),
                    "extensions_requested": requests,
                }));
            }
            Entry::Trial {
                organization,
                user,
                periods,
                ..
            } => {
                let periods: Vec<Value> = periods.iter().map(period).collect();
                let organization = self.whose(organization).to_owned();
                self.line(&json!({
                    "kind": "trial", "organization": organization, "user": user, "periods": periods,
                }));
            }
            Entry::Book(ref book) => {
                let organization = self.whose(book.organization).to_owned();
                self.line(&json!({
                    "kind": "cycle",
                    "organization": organization,
                    "cycle": book.number,
                    "from": shown(book.span.start),
                    "until": shown(book.span.end),
                    "rolled_over": book.rolled_over,
                }));
            }
            Entry::Environment {
                organization,
                book,
                number,
                name,
                ..
            } => {
                let names = self.names(organization, book);
                names.environments.insert(number, name.into());
            }
            Entry::User { .. } => self.user(entry),
            Entry::Label {
                organization,
                book,
                number,
                names,
            } => {
                let all = self.names(organization, book);
                all.labels.insert(number, names.clone());
            }
            Entry::Fired {
                organization,
                book,
                account,
                percent,
            } => {
                let organization = self.whose(organization).to_owned();
                self.line(&json!({
                    "kind": "threshold",
                    "organization": organization,
                    "cycle": book,
                    "account": account.to_string(),
                    "percent": percent,
                }));
            }
            Entry::Remembered { row, .. } if row.state == State::Open => self.reservation(row),
            _ => {}
        }
    }

    /// A user's cells.
    fn user(&mut self, entry: &Entry<'_>) {
        let Entry::User {
            organization,
            book,
            number,
            name,
            cells,
        } = *entry
        else {
            return;
        };
        self.names(organization, book)
            .users
            .insert(number, name.into());
        let whose = self.whose(organization).to_owned();
        for cell in cells {
            let names = self.names(organization, book);
            let environment = names.environments.get(&cell.environment).cloned();
            self.line(&json!({
                "kind": "cell",
                "organization": whose,
                "cycle": book,
                "environment": environment,
                "user": name,
                "used": cell.used,
                "held": cell.held,
                "trial_used": cell.trial_used,
                "trial_held": cell.trial_held,
            }));
        }
    }

    fn reservation(&mut self, row: &Row) {
        let place = row.place;
        let organization = self.whose(place.organization).to_owned();
        let names = self.names(place.organization, place.book);
        let label = names.labels.get(&place.label);
        let text = |text: Option<&Box<str>>| text.cloned().unwrap_or_default();
        let line = json!({
            "kind": "reservation",
            "reservation": hex(&row.id),
            "organization": organization,
            "cycle": place.book,
            "environment": text(names.environments.get(&place.environment)),
            "user": text(names.users.get(&place.user)),
            "product": text(label.map(|it| &it.product)),
            "model": text(label.map(|it| &it.model)),
            "operation": text(label.map(|it| &it.operation)),
            "held": row.held,
            "expires": shown(row.expires),
        });
        self.line(&line);
    }
}

fn period(it: &Period) -> Value {
    json!({
        "from": shown(it.terms.from),
        "until": shown(it.terms.until),
        "credits": it.terms.credits,
        "used": it.used,
        "held": it.held,
    })
}

/// An instant as people and programs read it.
fn shown(instant: Timestamp) -> String {
    instant
        .to_utc()
        .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}
