//! A page of metrics, read as strictly as the formats are written: what Prometheus would forgive fails here.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a series.
pub type Labels = BTreeMap<String, String>;

/// A family's type, and its samples' names and labels.
pub type Shape<'p> = (&'p str, BTreeSet<(&'p str, Labels)>);

/// A family of metrics.
#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    pub unit: Option<String>,
    /// By the sample's full name and its labels.
    pub samples: BTreeMap<(String, Labels), f64>,
}

/// All families by name. That of a counter ends in `_total`, in both formats.
#[derive(Debug, Default)]
pub struct Page {
    pub families: BTreeMap<String, Family>,
    pub bytes: usize,
}

impl Page {
    /// Reads the text format of Prometheus, 0.0.4.
    pub fn prometheus(text: &str) -> Self {
        Reader::read(text, false)
    }

    /// Reads OpenMetrics 1.0.
    pub fn open_metrics(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
        Reader::read(body, true)
    }

    /// A series' value; labels in the form `organization=acme,account=pool`.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &str) -> f64 {
        let found = self.find(name, labels);
        found.unwrap_or_else(|| panic!("no {name}{{{labels}}} in {self:#?}"))
    }

    pub fn find(&self, name: &str, labels: &str) -> Option<f64> {
        let pairs = labels.split(',').filter(|it| !it.is_empty());
        let pairs = pairs.map(|it| it.split_once('=').unwrap());
        let labels: Labels = pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let families = self.families.values();
        let key = (name.to_owned(), labels);
        families
            .filter_map(|it| it.samples.get(&key))
            .copied()
            .next()
    }

    /// Names, types and labels, without their values: what two formats of one page have in common. Bounds of buckets are
    /// numbers that each format spells in its own way.
    pub fn shape(&self) -> BTreeMap<&str, Shape<'_>> {
        let families = self.families.iter();
        families
            .map(|(name, it)| {
                let samples = it.samples.keys().map(|(name, labels)| {
                    let mut labels = labels.clone();
                    if let Some(bound) = labels.get_mut("le").filter(|it| *it != "+Inf") {
                        *bound = bound.parse::<f64>().unwrap().to_string();
                    }
                    (&**name, labels)
                });
                (&**name, (&*it.kind, samples.collect()))
            })
            .collect()
    }
}

struct Reader {
    page: Page,
    /// The family at hand.
    name: String,
    is_open: bool,
}

impl Reader {
    fn read(text: &str, is_open: bool) -> Page {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut reader = Self {
            page: Page {
                bytes: text.len(),
                ..Page::default()
            },
            name: String::new(),
            is_open,
        };
        for line in text.lines() {
            match line.strip_prefix("# ") {
                Some(comment) => reader.comment(comment),
                None => reader.sample(line),
            }
        }
        for (name, family) in &reader.page.families {
            judge(name, family);
        }
        reader.page
    }

    fn comment(&mut self, comment: &str) {
        let (keyword, rest) = comment.split_once(' ').expect(comment);
        let (name, rest) = rest.split_once(' ').expect(comment);
        match keyword {
            // Each family begins with its help: then all of it stands together.
            "HELP" => {
                assert!(is_name(name, true), "{name}");
                assert!(!rest.is_empty(), "{name} says nothing");
                self.name = name.to_owned();
                let families = &mut self.page.families;
                let before = families.insert(name.to_owned(), Family::default());
                assert!(before.is_none(), "{name} stands there twice");
            }
            "TYPE" => {
                assert_eq!(name, self.name);
                let mut family = self.page.families.remove(name).unwrap();
                assert!(
                    family.kind.is_empty() && family.samples.is_empty(),
                    "{name}"
                );
                let known = ["counter", "gauge", "histogram"];
                assert!(known.contains(&rest), "{name} is a {rest}");
                family.kind = rest.to_owned();
                // OpenMetrics leaves the suffix of counters to their samples.
                if self.is_open && rest == "counter" {
                    self.name = format!("{name}_total");
                }
                self.page.families.insert(self.name.clone(), family);
            }
            "UNIT" => {
                assert!(self.is_open && self.name.starts_with(name), "{comment}");
                assert!(name.ends_with(&format!("_{rest}")), "{comment}");
                self.page.families.get_mut(&self.name).unwrap().unit = Some(rest.to_owned());
            }
            other => panic!("{other} is no keyword"),
        }
    }

    fn sample(&mut self, line: &str) {
        let end = line.find(['{', ' ']).expect(line);
        let (name, rest) = line.split_at(end);
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (Labels::new(), rest),
        };
        let value = value.strip_prefix(' ').expect(line);
        let value: f64 = match value {
            "+Inf" => f64::INFINITY,
            plain => plain.parse().expect(line),
        };
        let family = self.page.families.get_mut(&self.name).expect(line);
        let suffix = name.strip_prefix(&*self.name).expect(line);
        let fits = match &*family.kind {
            "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
            _ => suffix.is_empty(),
        };
        assert!(
            fits,
            "{name} is no sample of the {} {}",
            family.kind, self.name
        );
        let key = (name.to_owned(), labels);
        assert!(family.samples.insert(key, value).is_none(), "twice: {line}");
    }
}

/// Labels up to the closing brace, and what stands behind it.
fn labels(mut rest: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    loop {
        let (key, after) = rest.split_once("=\"").expect(rest);
        assert!(is_name(key, false), "{key}");
        let (mut value, mut characters) = (String::new(), after.char_indices());
        let end = loop {
            match characters.next().expect(after) {
                (at, '"') => break at,
                (_, '\\') => value.push(match characters.next().expect(after).1 {
                    'n' => '\n',
                    it @ ('\\' | '"') => it,
                    other => panic!("\\{other} is no escape"),
                }),
                (_, other) => value.push(other),
            }
        };
        assert!(
            labels.insert(key.to_owned(), value).is_none(),
            "{key} twice"
        );
        rest = &after[end + 1..];
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        rest = rest.strip_prefix(',').expect(rest);
    }
}

fn is_name(name: &str, with_colons: bool) -> bool {
    let fits = |it: char| it.is_ascii_alphanumeric() || it == '_' || (with_colons && it == ':');
    name.chars().all(fits) && name.starts_with(|it: char| it.is_ascii_alphabetic())
}

/// What holds for a family as a whole.
fn judge(name: &str, family: &Family) {
    let is_counter = family.kind == "counter";
    assert!(
        !family.kind.is_empty() && !family.samples.is_empty(),
        "{name}"
    );
    assert_eq!(name.ends_with("_total"), is_counter, "{name}");
    for ((name, labels), value) in &family.samples {
        assert!(value.is_finite(), "{name}{labels:?} is {value}");
        let never_negative = is_counter || family.kind == "histogram";
        assert!(
            !never_negative || *value >= 0.0,
            "{name}{labels:?} is {value}"
        );
    }
    if family.kind == "histogram" {
        judge_histogram(name, family);
    }
}

/// Buckets grow with their bounds up to the count, which is that of the last.
fn judge_histogram(name: &str, family: &Family) {
    let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for ((sample, labels), value) in &family.samples {
        if sample.ends_with("_bucket") {
            let mut labels = labels.clone();
            let bound = match &*labels.remove("le").expect("a bucket has its bound") {
                "+Inf" => f64::INFINITY,
                plain => plain.parse().unwrap(),
            };
            buckets.entry(labels).or_default().push((bound, *value));
        }
    }
    assert!(!buckets.is_empty(), "{name}");
    for (labels, mut buckets) in buckets {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let counts: Vec<f64> = buckets.iter().map(|it| it.1).collect();
        assert!(counts.is_sorted(), "{name}{labels:?}: {buckets:?}");
        let last = buckets.last().unwrap();
        let count = &family.samples[&(format!("{name}_count"), labels.clone())];
        assert_eq!(*last, (f64::INFINITY, *count), "{name}{labels:?}");
        let sum = family.samples[&(format!("{name}_sum"), labels.clone())];
        assert!(
            sum >= 0.0 && (sum > 0.0 || *count == 0.0),
            "{name}{labels:?} {sum}"
        );
    }
}

#[test]
fn a_page_that_is_wrong_is_objected_to() {
    let good = "# HELP a_total what\n# TYPE a_total counter\na_total{b=\"c\\\"\\n\"} 1\n";
    assert_eq!(Page::prometheus(good).value("a_total", "b=c\"\n"), 1.0);
    let histogram = "# HELP h what\n# TYPE h histogram\nh_sum 1\nh_count 2\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n";
    assert_eq!(Page::prometheus(histogram).value("h_count", ""), 2.0);
    for wrong in [
        good.replace("a_total{b", "b_total{b"),
        good.replace(" 1\n", " NaN\n"),
        good.replace(" 1\n", " -1\n"),
        good.replace(" 1\n", " 1"),
        good.replace("counter", "info"),
        good.replace("# HELP a_total what\n", ""),
        good.replace("# TYPE a_total counter\n", ""),
        good.replace("a_total", "a"),
        good.replace("\\n", "\\x"),
        format!("{good}a_total{{b=\"c\\\"\\n\"}} 2\n"),
        format!("{good}{good}"),
        histogram.replace("h_count 2", "h_count 3"),
        histogram.replace("\"1\"} 1", "\"1\"} 3"),
        histogram.replace("h_bucket{le=\"+Inf\"} 2\n", ""),
    ] {
        let read = std::panic::catch_unwind(|| Page::prometheus(&wrong));
        assert!(read.is_err(), "{wrong}");
    }
}
