//! P15: whether a pair costs more where there is more of something: of cells, open holds, organizations, or users with a
//! limit. In instructions, where valgrind is; in nanoseconds of CPU beside, which cache misses are part of.

use std::process::{Command, Stdio};
use std::sync::Arc;

use quotad::domain::credits::Credits;
use quotad::domain::plan::{LimitKind, OrganizationPlan, Plan, UserPlan};
use quotad::engine::recorder::Forgetful;
use quotad::engine::{Bounds, Engine};

use super::machine::Figure;
use super::{callgrind, calls, machine, plan, run, ticking};

const KINDS: [&str; 4] = ["cells", "holds", "organizations", "limited"];

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Pairs that are counted; as many come before, that are not.
const COUNTED: usize = 2_000;

/// Pairs that are timed.
const TIMED: usize = 200_000;

/// Users and cells where they are not what there is much of.
const FEW: usize = 1_000;

pub fn run() {
    let sizes = SIZES.map(|size| if run::is_quick() { size / 100 } else { size });
    let counts = callgrind::is_here();
    if !counts {
        println!(
            "    P15 in nanoseconds only: there is no valgrind here (apt-get install valgrind)"
        );
    }
    for kind in KINDS {
        let mut ratio = Figure::default();
        let mut figures = Vec::new();
        for size in sizes {
            let ns: f64 = told(kind, size);
            let count = counts.then(|| counted(kind, size));
            figures.push((ns, count));
        }
        let line: Vec<String> = figures
            .iter()
            .map(|(ns, count)| match count {
                Some(count) => format!("{ns:.0} ns, {count:.0} instructions"),
                None => format!("{ns:.0} ns"),
            })
            .collect();
        println!("    a pair with {sizes:?} {kind}: {}", line.join("; "));
        let of = |it: &(f64, Option<f64>)| it.1.unwrap_or(it.0);
        ratio.add(of(&figures[SIZES.len() - 1]) / of(&figures[0]));
        let name = format!("P15 {kind}, last / first");
        machine::against(&name, &ratio, "x", 1.2, 1.05);
    }
}

/// Nanoseconds a pair.
fn told(kind: &str, size: usize) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--scale", kind, &size.to_string(), "timed"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{kind}: {output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// Instructions a pair.
fn counted(kind: &str, size: usize) -> f64 {
    let arguments = ["--scale", kind, &size.to_string(), "counted"];
    let collected = callgrind::count("engine::scale::one", &arguments);
    collected.expect("valgrind counts") as f64 / COUNTED as f64
}

/// In the child: fills the books, and tells what a pair takes, unless it is counted.
pub fn child(kind: &str, size: usize, is_timed: bool) {
    let pairs = if is_timed { TIMED } else { COUNTED };
    let (organizations, users) = match kind {
        "organizations" => (size, 1),
        "cells" | "limited" => (1, size),
        _ => (1, FEW),
    };
    let bounds = Bounds {
        cells: 2_000_000,
        holds: 2_000_000,
        settled: 1_000,
        usage_rows: 2_000_000,
        labels: 10_000,
    };
    let clock = Arc::new(ticking::Ticking::new());
    let engine = Engine::new(bounds, 1, clock, Arc::new(Forgetful));
    let limited = if kind == "limited" { size } else { 0 };
    engine.apply_plan(plan_of(organizations, limited)).unwrap();
    // Cells exist before anything is counted.
    for number in 0..organizations.max(users) {
        let (organization, user) = who(number, organizations, users);
        calls::charge(&engine, &organization, &user, 1);
    }
    if kind == "holds" {
        for number in 0..size {
            let (organization, user) = who(number, organizations, users);
            calls::reserve(&engine, &calls::order(&organization, &user));
        }
    }
    let mut at = 7_usize;
    let mut next = || {
        at = (at.wrapping_mul(1_103_515_245).wrapping_add(12_345)) % (1 << 31);
        who(at, organizations, users)
    };
    for _ in 0..pairs {
        let (organization, user) = next();
        calls::pair(&engine, &organization, &user);
    }
    let names: Vec<_> = (0..pairs).map(|_| next()).collect();
    // Under valgrind that clock cannot be read.
    let cpu_ns = || {
        if is_timed {
            machine::thread_cpu_ns()
        } else {
            0
        }
    };
    let before = cpu_ns();
    for (organization, user) in &names {
        one(&engine, organization, user);
    }
    println!("{}", (cpu_ns() - before) as f64 / pairs as f64);
    std::process::exit(0);
}

/// What is counted, by its name.
#[inline(never)]
fn one(engine: &Engine, organization: &str, user: &str) {
    calls::pair(engine, organization, user);
}

fn who(number: usize, organizations: usize, users: usize) -> (String, String) {
    let organization = format!("acme-{:07}", number % organizations);
    (organization, format!("user-{:07}", number % users))
}

/// So many organizations; the first has so many users with a limit.
fn plan_of(organizations: usize, limited: usize) -> Plan {
    let mut plan = plan::plan((0..organizations).map(|number| format!("acme-{number:07}")));
    if limited > 0 {
        let (name, usual) = plan.organizations.first_key_value().expect("there is one");
        let user = |number: usize| {
            let plan = UserPlan {
                limit: Credits::saturating(1_000_000_000),
                kind: LimitKind::Hard,
                thresholds: None,
            };
            (format!("user-{number:07}").into(), plan)
        };
        let organization = OrganizationPlan {
            users: (0..limited).map(user).collect(),
            ..OrganizationPlan::clone(usual)
        };
        let name = name.clone();
        plan.organizations.insert(name, Arc::new(organization));
    }
    plan
}
