//! `quotad usage`: grouping, filters, totals, the consumption report, bars.

use quotad::rpc::pb;
use tempfile::TempDir;
use tonic::Status;

use super::fake::{Fake, Parts};
use super::{command, json, run};
use crate::commands::said;

fn row(user: &str, credits: i64) -> pb::UsageRow {
    pb::UsageRow {
        user: user.to_owned(),
        credits,
        ..Default::default()
    }
}

fn rows(fake: &Fake, rows: Vec<pb::UsageRow>, next_page_token: &str) {
    let total_credits = rows.iter().map(|it| it.credits).sum();
    let next_page_token = next_page_token.to_owned();
    fake.answers(
        "query_usage",
        pb::QueryUsageResponse {
            rows,
            next_page_token,
            total_credits,
        },
    );
}

#[test]
fn usage_is_grouped_filtered_and_summed() {
    let fake = Fake::start();
    rows(&fake, vec![row("ana", 1_000)], "2");
    rows(&fake, vec![row("bo", -30)], "");
    let typed = "usage --organization acme --group-by user,day --from 2026-11-01 --to 2026-11-30 --user ana --user bo \
                 --environment prod --product p --model m --operation (adjustment)";
    let (code, text) = run(
        &fake,
        &typed
            .split(' ')
            .filter(|it| !it.is_empty())
            .collect::<Vec<_>>(),
    );
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(code, 0, "{text}");
    assert_eq!(
        lines,
        [
            vec!["user", "day", "credits"],
            vec!["ana", "1,000"],
            vec!["bo", "-30"],
            vec!["total", "970"]
        ]
    );
    let requests: Vec<pb::QueryUsageRequest> = fake.asked("query_usage");
    assert_eq!(requests[1].page_token, "2");
    let keys: Vec<i32> = [pb::UsageKey::User, pb::UsageKey::Day]
        .map(i32::from)
        .to_vec();
    assert_eq!(requests[0].group_by, keys);
    let expected = pb::UsageFilter {
        organization: "acme".to_owned(),
        from_day: "2026-11-01".to_owned(),
        to_day: "2026-11-30".to_owned(),
        cycle: pb::CycleChoice::Unspecified.into(),
        environments: vec!["prod".to_owned()],
        users: vec!["ana".to_owned(), "bo".to_owned()],
        products: vec!["p".to_owned()],
        models: vec!["m".to_owned()],
        operations: vec!["(adjustment)".to_owned()],
    };
    assert_eq!(requests[0].filter, Some(expected));
}

#[test]
fn without_a_period_it_is_the_present_cycle_by_day() {
    let fake = Fake::start();
    for (typed, cycle, keys) in [
        (
            &["usage"][..],
            pb::CycleChoice::Present,
            vec![pb::UsageKey::Day],
        ),
        (
            &["usage", "--cycle", "previous", "--group-by", "none"],
            pb::CycleChoice::Previous,
            vec![],
        ),
        (
            &["usage", "--cycle", "any"],
            pb::CycleChoice::Unspecified,
            vec![pb::UsageKey::Day],
        ),
        (
            &["usage", "--from", "2026-11-01", "--cycle", "present"],
            pb::CycleChoice::Present,
            vec![pb::UsageKey::Day],
        ),
    ] {
        rows(&fake, vec![row("", 5)], "");
        let printed = json(&fake, typed);
        assert_eq!(
            (&printed["total"], &printed["rows"][0]["credits"]),
            (&5.into(), &5.into()),
            "{typed:?}"
        );
        assert_eq!(
            printed["rows"].as_array().unwrap().len(),
            1,
            "no line of the sum"
        );
        let request: pb::QueryUsageRequest = fake.asked_once("query_usage");
        assert_eq!(request.filter.unwrap().cycle, i32::from(cycle), "{typed:?}");
        assert_eq!(
            request.group_by,
            keys.into_iter().map(i32::from).collect::<Vec<_>>()
        );
    }
    for wrong in [
        &["usage", "--from", "1.11.2026"][..],
        &["usage", "--group-by", "colour"],
        &["usage", "--chart", "-o", "json"],
    ] {
        assert_eq!(run(&fake, wrong).0, 2, "{wrong:?}");
    }
}

const REPORT: &str =
    "day,user,environment,product,model,operation,credits\n2026-11-01,ana,prod,,,chat,5\n";

fn exports(fake: &Fake, end: Option<Status>) {
    let (head, tail) = REPORT.split_at(30);
    let part = |csv: &str| {
        Ok(pb::ExportUsageResponse {
            csv: csv.as_bytes().to_vec(),
        })
    };
    let mut parts: Parts<pb::ExportUsageResponse> = vec![part(head), part(tail)];
    parts.extend(end.map(Err));
    fake.answers("export_usage", parts);
}

#[test]
fn the_consumption_report_is_streamed_as_csv() {
    let fake = Fake::start();
    exports(&fake, None);
    assert_eq!(
        run(&fake, &["usage", "--from", "2026-01-01", "-o", "csv"]),
        (0, REPORT.to_owned())
    );
    let request: pb::ExportUsageRequest = fake.asked_once("export_usage");
    assert_eq!(request.filter.unwrap().from_day, "2026-01-01");

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("usage.csv");
    let typed = ["usage", "--file", file.to_str().unwrap()];
    exports(&fake, None);
    let (code, text) = run(&fake, &typed);
    assert!(code == 0 && text.contains("usage.csv"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), REPORT);

    // Half a report replaces nothing.
    std::fs::write(&file, "before").unwrap();
    exports(&fake, Some(Status::unavailable("draining")));
    assert_eq!(run(&fake, &typed).0, 4);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = folder.path().join("none").join("usage.csv");
    exports(&fake, None);
    let (code, text) = run(&fake, &["usage", "--file", nowhere.to_str().unwrap()]);
    assert!(code == 1 && text.contains("cannot be written"), "{text}");

    rows(&fake, vec![row("a,b", 1_234)], "");
    let grouped = run(&fake, &["usage", "--group-by", "user", "-o", "csv"]);
    assert_eq!(grouped, (0, "user,credits\n\"a,b\",1234\n".to_owned()));
}

#[test]
fn bars_are_as_wide_as_the_screen_and_of_what_it_can_show() {
    let fake = Fake::start();
    for (locale, columns, is_ascii) in [("C", "50", true), ("en_US.UTF-8", "50", false)] {
        rows(&fake, vec![row("ana", 3_000), row("bo", 1_000)], "");
        let mut command = command(&fake.url(), &["usage", "--group-by", "user", "--chart"]);
        let command = command.env("LC_ALL", locale).env("COLUMNS", columns);
        let (code, text) = said(&command.output().unwrap());
        assert_eq!((code, text.is_ascii()), (0, is_ascii), "{text}");
        let longest = text
            .lines()
            .map(|line| line.trim_end().chars().count())
            .max();
        assert!(longest.is_some_and(|it| (40..=50).contains(&it)), "{text}");
        assert!(text.contains("4,000"), "{text}");
    }
}
